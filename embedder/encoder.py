"""The contract every encoder keeps: texts in, unit vectors out, queries and documents apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""`(n, dim)`, every row of length 1, rows in the order of the texts."""

Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True, slots=True)
class Floor:
    """From where on a passage answers a question, rather than being the nearest by chance."""

    score: float
    """Least cosine, with `words` times the passage's BM25 score as a share of the best there could be."""
    words: float = 0.0
    abroad: float | None = None
    """Least cosine where passage and question are in two languages, and share no words; None: `score`."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What people must know about a model before they trust its vectors."""

    name: str
    languages: str
    """In words, as shown to people: "English only", "100+ languages"."""
    language_codes: tuple[str, ...]
    """ISO 639-1 codes of what it was trained for, if they can be listed; empty for "many"."""
    licence: str
    pooling: Pooling
    causal: bool
    """Whether a token sees only those before it."""
    instruction: str
    """The query instruction in use; empty where the model has none."""
    floor: Floor | None
    """None where nobody measured it."""
    support: tuple[float, float] | None
    """Cosines of two sentences from which one is weakly and surely borne out by the other."""
    window: int
    """Tokens of the texts it was trained on, special tokens included; longer ones are described less well."""
    max_tokens: int
    """Longest text it takes, special tokens included."""
    worth: float = 0.7
    """In hybrid search, of the best BM25 score, in cosines: the less the encoder knows, the more."""
    crosses: float = 0.85
    """How far it finds what is in another language than the query, 0 for not at all: a passage that can't
    share words with the query gets so much of what its cosine suggests."""


class Encoder(Protocol):
    """Turn texts into vectors.

    No texts are `(0, dim)`; an empty text is encoded like any other. A text longer than `max_tokens`
    raises `TextTooLong`: nothing is cut silently. Whoever wants it cut calls `embedder.fit` first, which
    says how much is lost; whoever wants it whole calls `encode_spans`.
    """

    card: ModelCard
    dims: tuple[int, ...]
    """Widths the vectors can be cut to, longest first; the first is the full width."""
    fingerprint: str
    """Changes whenever the vectors may: sha256 over weights, config, tokenizer, pooling and prompts."""
    device: str
    """Where it runs, in words, as shown to people: "cpu, 2 threads"."""
    batch_tokens: int
    """Tokens that fill a forward pass; more at once only keep others waiting."""
    room: int
    """Tokens of a text's own that fit beside special tokens and prompt, for queries and documents alike."""

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int:
        """The full width, `dims[0]`."""
        ...

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        """Encode questions. `task` replaces the model's own instruction, where it takes one.

        Raises UnknownDim if `dim` is not in `dims`, TextTooLong if a text does not fit.
        """
        ...

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        """Encode passages, without instruction. Raises as `encode_queries` does."""
        ...

    def encode_spans(self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None) -> Vectors:
        """Late chunking: read the whole of `text` once, then pool each span's own tokens.

        spans: characters of `text`, [begin, end), in any order, overlapping or not. A vector knows what
        stands around its span. `text` may be of any length: beyond `max_tokens` it is read in overlapping
        windows. One span over all of a text that fits gives the vector of `encode_documents`. Raises
        EmptySpan for a span without a token, UnsupportedModel if the pooling is not by tokens.
        """
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token of `text` begins and ends, in characters, without special tokens."""
        ...
