"""A collection's points a second time, with another encoder's vectors: filled beside those that are served,
then served in their place.

The ledger says what belongs into an index, so a filled one can be brought up to date at any time, and the way
back is the same as the way there. Searches and ingestion go on; only for the moment of the switch does a
change wait.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import embedder
from embedder.encoder import Encoder
from ingest import labels
from ingest.errors import IndexDamaged, NotPossible
from ingest.index.contract import Beside, Contract, Index
from ingest.pipeline import Shelf, batches, contract_of, encode, write

WAIT_S = 60.0
"""For documents that are being ingested at the switch."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """An index that is filled and not served."""

    index: Index
    encoder: Encoder
    shown: dict[str, tuple[list[str], Beside]] = field(default_factory=dict, compare=False, repr=False)
    """Version -> documents (ids) it was published for since this was opened, and what is said of them."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of some sentences find their own document among 10 hits: whether an index works at all."""

    asked: int
    served: int
    shadow: int


def contract_like(served: Contract, encoder: Encoder) -> Contract:
    """The same chunks and, where the encoder has them, the same prefixes. Raises NotPossible."""
    dims = [dim for dim in served.dims[1:] if dim in encoder.dims and dim < encoder.dim]
    return contract_of(encoder, served.chunking, dims)


def fill(shadow: Shadow, served: Shelf, tell: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Make the shadow hold and show what the ledger publishes, encoding what it lacks.

    `tell` gets the chunks that are there and all that are to be, after every batch; what it raises stops the
    filling, and the next one goes on. Raises what encoding and writing do.
    """
    wanted = served.ledger.versions(served.name)
    there = dict(shadow.index.versions())
    for version in there.keys() - wanted.keys():
        shadow.index.delete(version)
        shadow.shown.pop(version, None)
    done, total = 0, sum(wanted.values())
    for version, chunks in wanted.items():
        if there.get(version) != chunks:
            done = _copy(version, shadow, served, done, lambda now: tell(now, total))
        else:
            done += chunks
            tell(done, total)
    cited = served.ledger.documents_of(wanted)
    for version in wanted:
        rows = cited.get(version, [])
        shows = [row.id for row in rows], labels.beside([row.said for row in rows])
        if rows and shadow.shown.get(version) != shows:
            shadow.index.publish(version, *shows)
            shadow.shown[version] = shows


def _copy(version: str, shadow: Shadow, served: Shelf, done: int, tell: Callable[[int], None]) -> int:
    for batch in batches(served.index.chunks(version)):
        vectors, _ = encode(batch, shadow.encoder, shadow.index.contract)
        write(batch, vectors, shadow.index)
        done += len(batch)
        tell(done)
    return done


@contextmanager
def switching(shadow: Shadow, served: Shelf) -> Iterator[None]:
    """Nothing changes in the collection while the caller makes the shadow the served index, which is up to
    date; afterwards whoever still holds `served` is told to open the collection again.

    Raises NotPossible if a document that is being ingested does not end in time, IndexDamaged if the shadow
    does not hold what it should.
    """
    fill(shadow, served)  # most of what came meanwhile: nobody waits yet
    with served.written:
        if not served.written.wait_for(lambda: not served.writing, WAIT_S):
            raise NotPossible(
                f"{served.name!r} is being ingested into: pause the job for the switch, or wait for its end"
            )
        with served.change():
            fill(shadow, served)
            _require_whole(shadow, served)
            yield
            served.retired.set()


def _require_whole(shadow: Shadow, served: Shelf) -> None:
    wanted = served.ledger.versions(served.name)
    shown = shadow.index.visible_versions()
    short = [version for version, chunks in wanted.items() if shown.get(version) != chunks]
    if short:
        raise IndexDamaged(
            f"of {len(wanted)} contents of {served.name!r} {len(short)} are not whole in the new index: "
            "build it again"
        )


def agree(shadow: Shadow, served: Shelf, questions: Sequence[tuple[str, str]]) -> Agreement:
    """Search both indexes; questions: (text, version that holds it)."""
    sides = []
    for index, encoder in ((served.index, served.encoder), (shadow.index, shadow.encoder)):
        vectors = encoder.encode_queries([embedder.fit(text, encoder)[0] for text, _ in questions])
        sides.append(
            sum(
                any(hit.chunk.version == version for hit in index.search(vector, limit=10))
                for vector, (_, version) in zip(vectors, questions, strict=True)
            )
        )
    return Agreement(len(questions), *sides)
