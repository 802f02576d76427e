"""An encoder on another machine: any server that speaks OpenAI's `/v1/embeddings` (vLLM, TEI, OpenAI, ours).

Texts leave this machine, to the URL that was given and nowhere else. Instructions and prefixes of models the
catalog knows are put before texts here; widths are cut here, so any server will do.
"""

import base64
import hashlib
import json
import re
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from tokenizers import Tokenizer

from embedder.catalog import CATALOG, Entry, entry_of
from embedder.encoder import ModelCard, Vectors
from embedder.errors import EncoderError, ServerFailed, TextTooLong, UnsupportedModel
from embedder.locate import locate
from embedder.pooling import normalise, require_dim, truncate
from embedder.prompts import instruction_for, query_prefix
from embedder.tokens import clean

BATCH_TEXTS = 32
"""In a request; TEI takes no more unless told to."""
BATCH_TOKENS = 8192
REQUESTS = 4
"""At once."""
TIMEOUT_S = 60.0
ATTEMPTS = 5
LONGEST_WAIT_S = 60.0
"""A server that says to come back later than this is given up."""
_FIRST_WAIT_S = 0.5
_PASSING = frozenset({408, 409, 429, 500, 502, 503, 504})
_TOO_LONG = re.compile(r"context.?length|too long|maximum.{0,40}tokens|token limit", re.IGNORECASE)
_APART = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PIECE = re.compile(rf"[{_APART}]|(?:(?![{_APART}])[^\W\d_]){{1,3}}|\d|[^\w\s]|_")
"""A token, where nobody gave us the tokenizer: a character of a script without spaces, three letters of
others, a digit, a sign. Real tokenizers need fewer."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model that only its owner runs."""

    dims: tuple[int, ...]
    max_tokens: int


HOSTED = {
    "text-embedding-3-small": Known((1536, 512, 256), 8191),
    "text-embedding-3-large": Known((3072, 1024, 512, 256), 8191),
    "embed-multilingual-v3.0": Known((1024,), 512),
    "embed-v4.0": Known((1536, 1024, 512, 256), 128_000),
}
"""OpenAI's, and Cohere's by its OpenAI-compatible endpoint; widths as their makers list them."""
_UNKNOWN_TOKENS = 512
_NOTHING = "."
"""Stands for an empty text, which servers refuse."""


class RemoteEncoder:
    """An `Encoder` over HTTP. Raises ServerFailed, naming the URL and what to check, when it does not answer.

    Its fingerprint is made of names, widths and prompts: weights that a server exchanges under the same name
    are not noticed. Where the model's tokenizer is not on this machine tokens are estimated, generously.
    """

    def __init__(self, url: str, model: str, *, api_key: str | None = None) -> None:
        """`url` up to and with "/v1". Asks the server for one vector, to learn its width."""
        entry = entry_of(model)
        hosted = HOSTED.get(model)
        self._url, self._model = url.rstrip("/"), model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT_S)
        weakref.finalize(self, self._client.close)
        self._tokenizer = _tokenizer(model, entry)
        self._width: int | None = None
        self._width = width = len(self._request(["width"])[0])
        known = hosted or entry
        self.dims: tuple[int, ...] = known.dims if known else (width,)
        if self.dims[0] != width:
            raise ServerFailed(
                f"{self._url} gives vectors of {width} for {model!r}, which has {self.dims[0]}: "
                "it runs another model under that name"
            )
        most = known.max_tokens if known else _UNKNOWN_TOKENS
        self._template = entry.query_template if entry else ""
        self._document_prefix = entry.document_prefix if entry else ""
        self.card = ModelCard(
            name=model,
            languages=entry.languages if entry else "not stated",
            language_codes=entry.language_codes if entry else (),
            licence=entry.licence if entry else "not stated",
            pooling=entry.pooling if entry else "mean",
            causal=bool(entry and entry.causal),
            instruction=entry.instruction if entry else "",
            floor=entry.floor if entry else None,
            support=entry.support if entry else None,
            worth=entry.worth if entry else 0.7,
            crosses=entry.crosses if entry else 0.85,
            window=entry.window if entry else most,
            max_tokens=most,
        )
        self._query_prefix = query_prefix(self._template, self.card.instruction)
        self.batch_tokens = BATCH_TOKENS
        prompts = max(len(self.token_spans(text)) for text in (self._query_prefix, self._document_prefix))
        self.room = most - prompts - 2  # special tokens: one at each end
        estimated = "" if self._tokenizer else ", tokens estimated"
        self.device = f"{httpx.URL(url).host}{estimated}"
        facts = [model, self.dims, self._query_prefix, self._document_prefix]
        self.fingerprint = "remote-" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def dim(self) -> int:
        return self.dims[0]

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        prefix = self._query_prefix
        if task is not None and self.card.instruction:
            prefix = query_prefix(self._template, instruction_for(task))
        return self._encode([prefix + text for text in texts], dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        return self._encode([self._document_prefix + text for text in texts], dim)

    def encode_spans(self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None) -> Vectors:
        raise UnsupportedModel(
            f"{self._url} gives a vector for a text, not for its parts: run the model here"
        )

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        if self._tokenizer is not None:
            offsets: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
            return offsets
        return [found.span() for found in _PIECE.finditer(text)]

    def _encode(self, texts: Sequence[str], dim: int | None) -> Vectors:
        dim = require_dim(dim, self.dims, self.name)
        row = {text: at for at, text in enumerate(dict.fromkeys(texts))}
        with ThreadPoolExecutor(REQUESTS) as threads:
            found = list(threads.map(self._request, self._batches(list(row))))
        vectors = np.concatenate([np.zeros((0, self.dim), np.float32), *found])
        return truncate(normalise(vectors), dim)[[row[text] for text in texts]]

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for text in texts:
            more = len(self.token_spans(text))
            if batch and (len(batch) == BATCH_TEXTS or tokens + more > BATCH_TOKENS):
                yield batch
                batch, tokens = [], 0
            batch.append(text)
            tokens += more
        if batch:
            yield batch

    def _request(self, texts: list[str]) -> Vectors:
        """Vectors as the server has them, (texts, width). Waits and asks again where that may help."""
        wait_s = _FIRST_WAIT_S
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                answer = self._client.post(
                    f"{self._url}/embeddings",
                    json={
                        "model": self._model,
                        "input": [clean(text).strip() or _NOTHING for text in texts],
                        "encoding_format": "float",
                    },
                )
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise ServerFailed(
                        f"{self._url} does not answer ({type(error).__name__}): is it up, at that address?"
                    ) from error
            else:
                if answer.status_code == 200:
                    return self._vectors(answer, len(texts))
                told_s = _seconds(answer.headers.get("retry-after"))
                if last or answer.status_code not in _PASSING or told_s > LONGEST_WAIT_S:
                    raise self._failure(answer)
                wait_s = max(wait_s, told_s)
            time.sleep(wait_s)
            wait_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def _vectors(self, answer: httpx.Response, count: int) -> Vectors:
        try:
            data = sorted(answer.json()["data"], key=lambda datum: datum["index"])
            rows = [_row(datum["embedding"]) for datum in data]
            vectors = np.array(rows, np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise ServerFailed(
                f"{self._url} did not answer as OpenAI's /v1/embeddings does: is it such a server?"
            ) from error
        if [datum["index"] for datum in data] != list(range(count)) or vectors.ndim != 2:
            raise ServerFailed(
                f"{self._url} gave {len(data)} vectors for {count} texts, or numbered them wrongly"
            )
        if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
            raise ServerFailed(f"{self._url} gave a vector that is zero or not finite: its model is broken")
        if self._width not in {None, vectors.shape[1]}:
            raise ServerFailed(
                f"{self._url} gave vectors of {vectors.shape[1]}, before it were {self._width}"
            )
        return vectors

    def _failure(self, answer: httpx.Response) -> EncoderError:
        said = _message(answer)
        if answer.status_code in {400, 413, 422} and _TOO_LONG.search(said):
            return TextTooLong(f"{self._url}: {said}; split the text")
        advice = {
            401: "give its key as KALM_ENCODER_API_KEY",
            403: "the key may not do this",
            404: f"does it run {self._model!r}? Is the address complete, with /v1?",
        }.get(answer.status_code, "see its log")
        return ServerFailed(f"{self._url} answered {answer.status_code}: {said}; {advice}")


def _tokenizer(model: str, entry: Entry | None) -> Tokenizer | None:
    """The model's own, if it is on this machine."""
    if entry is None:
        return None
    try:
        path = locate(next(name for name, known in CATALOG.items() if known is entry))[1] / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # not here, or not readable: then tokens are estimated, and `device` says so
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _row(embedding: Any) -> Any:
    """A server may answer in base64 though it was asked for numbers."""
    return np.frombuffer(base64.b64decode(embedding), "<f4") if isinstance(embedding, str) else embedding


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:  # a date: our own waiting will do
        return 0.0


def _message(answer: httpx.Response) -> str:
    """What the server says is wrong, OpenAI's way or TEI's, one line of it."""
    try:
        body = answer.json()
        said = body.get("error", body)
        text = str(said.get("message", said) if isinstance(said, dict) else said)
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:300]
