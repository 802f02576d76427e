"""Requests of many clients -> full batches: one encoder, used by everybody, that nobody can flood.

One thread runs the model. While it runs a batch, what arrives waits and becomes the next one, so a lone
caller waits for nothing and a crowd shares full batches. Queries go first, then what servers submit, then
bulk; within a line requests take turns, so that a large one delays another by a batch, not by its length.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from embedder.encoder import Encoder, Vectors
from embedder.errors import Draining, EncoderError, Overloaded
from embedder.pooling import require_dim, truncate

log = logging.getLogger(__name__)

Kind = Literal["query", "document", "spans"]

QUEUE_S = 10.0
"""Seconds of work that may wait in a line: who comes later is told to come again."""
_FIRST_TOKENS_S = 500.0
"""Assumed speed until a batch was measured: KaLM in fp32 on two cores."""
_KEPT = 0.8
"""Of the speed measured before, how much counts beside a new batch's."""
_SPECIALS = 2
"""Tokens counted for a text beside its own, so that an empty one is not free."""
_TURN = 4
"""One batch in so many begins with whoever comes last otherwise: a crowd must not starve ingestion."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was run, as whoever watches is told."""

    kind: Kind
    texts: int
    tokens: int
    waited_s: float
    """The longest of its requests."""
    took_s: float


@dataclass(eq=False, slots=True)
class _Request:
    """Texts of one caller; batches take them from the left."""

    kind: Kind
    task: str | None
    texts: Sequence[str]
    tokens: Sequence[int]
    vectors: Vectors
    spans: Sequence[tuple[int, int]] = ()
    future: Future[Vectors] = field(default_factory=Future)
    taken: int = 0
    """Texts that are in a batch or were."""
    done: int = 0
    since: float = field(default_factory=time.monotonic)

    def take(self, room: int, *, whatever_its_size: bool) -> int:
        """Take texts of at most `room` tokens, the first one also if it has more; the tokens taken."""
        tokens = 0
        while self.taken < len(self.texts):
            more = self.tokens[self.taken]
            if tokens + more > room and not (whatever_its_size and not tokens):
                break
            tokens += more
            self.taken += 1
        return tokens

    def finish(self, vectors: Vectors | Exception) -> None:
        try:
            if isinstance(vectors, Exception):
                self.future.set_exception(vectors)
            else:
                self.future.set_result(vectors)
        except InvalidStateError:
            pass  # cancelled meanwhile, or failed by an earlier batch

    def shares(self, other: "_Request") -> bool:
        """Whether the two can be in one batch."""
        return self.kind == other.kind != "spans" and self.task == other.task


class _Line:
    """Requests that wait, and how many tokens they have left."""

    def __init__(self) -> None:
        self.requests: deque[_Request] = deque()
        self.tokens = 0

    def add(self, request: _Request) -> None:
        self.requests.append(request)
        self.tokens += sum(request.tokens)

    def fill(self, batch: list["_Part"], room: int) -> int:
        """Move what fits to the batch, those that got nothing first next time; the room that is left."""
        passed, served = deque[_Request](), deque[_Request]()
        for request in self.requests:
            if request.future.done():  # cancelled, or failed
                self.tokens -= sum(request.tokens[request.taken :])
                continue
            begin = request.taken
            if not batch or batch[0].request.shares(request):
                tokens = request.take(room, whatever_its_size=not batch)
                room -= tokens
                self.tokens -= tokens
            if request.taken > begin:
                batch.append(_Part(request, begin, request.taken))
            if request.taken < len(request.texts):
                (served if request.taken > begin else passed).append(request)
        self.requests = passed + served
        return room


@dataclass(frozen=True, slots=True)
class _Part:
    """Texts [begin, end) of a request, in a batch."""

    request: _Request
    begin: int
    end: int

    @property
    def tokens(self) -> int:
        return sum(self.request.tokens[self.begin : self.end])


class QueuedEncoder:
    """An `Encoder` that joins the calls of many threads into batches of another one.

    `submit` is for servers: it never waits for room, and its future can be cancelled. `encode_queries` is
    refused like it when too many wait; `encode_documents` and `encode_spans` are bulk and wait for room.
    """

    def __init__(self, encoder: Encoder, watch: Callable[[Batch], None] = lambda _: None) -> None:
        """`watch` is told of every batch, on the thread that ran it."""
        self.card, self.dims, self.fingerprint = encoder.card, encoder.dims, encoder.fingerprint
        self.name, self.dim, self.device = encoder.name, encoder.dim, encoder.device
        self.batch_tokens, self.room = encoder.batch_tokens, encoder.room
        self.token_spans = encoder.token_spans
        self.draining = False
        self._encoder = encoder
        self.watch = watch
        self._changed = threading.Condition()
        self._queries, self._submitted, self._bulk = self._lines = (_Line(), _Line(), _Line())
        self._tokens_s = 0.0
        self._batches = 0
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Accepted and not yet in a batch."""
        return sum(line.tokens for line in self._lines)

    @property
    def waiting_requests(self) -> int:
        return sum(len(line.requests) for line in self._lines)

    @property
    def capacity_tokens(self) -> int:
        """What may wait in a line: `QUEUE_S` of work at the measured speed, a batch at least."""
        return max(self.batch_tokens, int(self._speed * QUEUE_S))

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        """Raises what the encoder does, Overloaded or Draining."""
        width = require_dim(dim, self.dims, self.name)
        future = self._accept(self._request("query", texts, task), self._queries)
        return truncate(future.result(), width)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        """Raises what the encoder does, or Draining."""
        width = require_dim(dim, self.dims, self.name)
        return truncate(self._in_bulk(self._request("document", texts)), width)

    def encode_spans(self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None) -> Vectors:
        """Raises what the encoder does, or Draining. One text is one piece of work, however long."""
        width = require_dim(dim, self.dims, self.name)
        request = self._request("spans", [text])
        request.spans = spans
        return truncate(self._in_bulk(request), width)

    def submit(
        self, kind: Literal["query", "document"], texts: Sequence[str], tokens: Sequence[int] | None = None
    ) -> Future[Vectors]:
        """Vectors of full width, later; once the future is cancelled, what was not yet run never is.

        `tokens`: how many each text has, if that is known already.

        Raises Overloaded if too much waits already, Draining if the encoder is closing; the future raises
        what the encoder does.
        """
        line = self._queries if kind == "query" else self._submitted
        return self._accept(self._request(kind, texts, tokens=tokens), line)

    def close(self) -> None:
        """Take nothing more, run what was accepted, then stop."""
        with self._changed:
            self.draining = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def _speed(self) -> float:
        """Tokens a second."""
        return self._tokens_s or _FIRST_TOKENS_S

    def _request(
        self, kind: Kind, texts: Sequence[str], task: str | None = None, tokens: Sequence[int] | None = None
    ) -> _Request:
        if tokens is None:
            tokens = [len(self.token_spans(text)) for text in texts]
        weights = [count + _SPECIALS for count in tokens]
        return _Request(kind, task, texts, weights, np.zeros((len(texts), self.dim), np.float32))

    def _in_bulk(self, request: _Request) -> Vectors:
        line = self._bulk
        with self._changed:
            self._changed.wait_for(lambda: self.draining or self._has_room(line, request))
            future = self._accept(request, line)
        return future.result()

    def _has_room(self, line: _Line, request: _Request) -> bool:
        return not line.tokens or line.tokens + sum(request.tokens) <= self.capacity_tokens

    def _accept(self, request: _Request, line: _Line) -> Future[Vectors]:
        with self._changed:
            if self.draining:
                raise Draining(f"the encoder {self.name} is shutting down: ask again in a moment")
            if not self._has_room(line, request):
                retry_after_s = math.ceil(line.tokens / self._speed)
                raise Overloaded(
                    f"{line.tokens} tokens are waiting for the encoder, at most {self.capacity_tokens} may: "
                    f"ask again in {retry_after_s} s",
                    retry_after_s,
                )
            if request.texts:
                line.add(request)
                self._changed.notify_all()
            else:
                request.finish(request.vectors)
        return request.future

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._run(batch)
        finally:  # also if this code is at fault: nobody may wait for ever
            with self._changed:
                self.draining = True
                for request in [request for line in self._lines for request in line.requests]:
                    request.finish(Draining(f"the encoder {self.name} has stopped"))
                self._changed.notify_all()

    def _next_batch(self) -> list[_Part]:
        """Wait for work; empty when there is none left and the queue is closing."""
        batch: list[_Part] = []
        with self._changed:
            while not batch:
                self._changed.wait_for(lambda: self.waiting_requests or self.draining)
                if not self.waiting_requests:
                    break
                self._batches += 1
                room = self.batch_tokens
                for line in reversed(self._lines) if self._batches % _TURN == 0 else self._lines:
                    room = line.fill(batch, room)
                self._changed.notify_all()  # there is room again
        return batch

    def _run(self, batch: list[_Part]) -> None:
        begin = time.monotonic()
        try:
            vectors = self._encode(batch)
        except EncoderError as error:
            if len(batch) == 1:
                batch[0].request.finish(error)
            else:  # one of them is at fault, the others are not
                for part in batch:
                    self._run([part])
            return
        except Exception as error:
            log.exception("a batch of %s texts failed", len(batch))
            for part in batch:
                part.request.finish(error)
            return
        took_s = time.monotonic() - begin
        row = 0
        for part in batch:
            request, texts = part.request, part.end - part.begin
            if request.kind == "spans":
                request.vectors = vectors
            else:
                request.vectors[part.begin : part.end] = vectors[row : row + texts]
            row += texts
            request.done += texts
            if request.done == len(request.texts):
                request.finish(request.vectors)
        tokens = sum(part.tokens for part in batch)
        measured = tokens / max(took_s, 1e-6)
        self._tokens_s = _KEPT * self._tokens_s + (1 - _KEPT) * measured if self._tokens_s else measured
        waited_s = begin - min(part.request.since for part in batch)
        self.watch(Batch(batch[0].request.kind, row, tokens, waited_s, took_s))

    def _encode(self, batch: list[_Part]) -> Vectors:
        first = batch[0].request
        if first.kind == "spans":
            return self._encoder.encode_spans(first.texts[0], first.spans)
        texts = [text for part in batch for text in part.request.texts[part.begin : part.end]]
        if first.kind == "query":
            return self._encoder.encode_queries(texts, first.task)
        return self._encoder.encode_documents(texts)
