"""A question -> hits with their sources: one function for the page, the API, the command line and answers."""

import time
from collections.abc import Sequence

from app import schemas
from app.filters import where_of
from app.fusion import WORTH, WORTH_UNSPOKEN, Fused, Leg
from app.marks import marks
from app.ranking import Entry, Question, Trail, as_they_are, cited, rank
from app.schemas import Asking, Hit, SearchRequest, SearchResponse, SourceInfo, Timing
from ingest import language
from ingest.index.contract import Where
from ingest.ledger import DocumentRow
from ingest.lexical import encode_queries
from ingest.pipeline import Shelf


def search(request: SearchRequest, shelf: Shelf) -> SearchResponse:
    """Find the chunks nearest to the query, among those that the shelf's caller sees.

    A chunk whose version no document is served from (it is being replaced just now) is left out, so
    nobody sees a half-written or an outdated document. Raises UnknownDim for a width that is not stored,
    UnknownField for a filter that names nothing.
    """
    begin = time.perf_counter()
    trail = Trail()
    where = where_of(request, shelf)
    warning = language_warning(request.query, shelf)
    with trail.step("encode"):
        question = _question(request, shelf, spoken=warning is None)
    entries = rank(question, request, where, shelf, as_they_are, trail)
    hits = _hits(entries, request, request.query, where, shelf, trail)
    dims = shelf.index.contract.dims
    dim = request.dim or dims[0]
    total_ms = (time.perf_counter() - begin) * 1000
    return SearchResponse(
        hits=hits,
        ranking=request.ranking,
        sureness=trail.sureness,
        dim=dim,
        mode="prefix" if dim < dims[0] else "exact" if request.exact or len(dims) == 1 else "funnel",
        encoder=shelf.encoder.name,
        warning=warning,
        timing=Timing(
            encode_ms=trail.steps_ms["encode"],
            search_ms=round(total_ms - trail.steps_ms["encode"], 2),
            total_ms=round(total_ms, 2),
        ),
    )


def _question(request: SearchRequest, shelf: Shelf, *, spoken: bool) -> Question:
    """`spoken`: whether the encoder knows the query's language."""
    dense, lexical = request.ranking != "lexical", request.ranking != "dense"
    return Question(
        request.ranking,
        shelf.encoder.encode_queries([request.query])[0] if dense else None,
        encode_queries([request.query])[0] if lexical else None,
        worth=WORTH if spoken else WORTH_UNSPOKEN,
        crosses=len(shelf.encoder.card.language_codes) != 1,
    )


def _hits(
    entries: Sequence[Entry], asked: Asking, query: str, where: Where, shelf: Shelf, trail: Trail
) -> list[Hit]:
    """The page that was asked for, with what the caller may see of each text's documents."""
    page = entries[asked.offset : asked.offset + asked.limit]
    with trail.step("documents"):
        rows = shelf.ledger.documents_of({entry[0].chunk.version for entry in page}, shelf.sees)
    hits = []
    for best, *others in page:
        if sources := cited(rows.get(best.chunk.version, []), where):
            more = [_hit(one, query, sources) for one in others[: asked.passages - 1]]
            hit = _hit(best, query, sources)
            hits.append(hit.model_copy(update={"more": more, "others": len(others)}))
    return hits


def _hit(found: Fused, query: str, sources: Sequence[DocumentRow]) -> Hit:
    chunk = found.chunk
    return Hit(
        score=found.score,
        dense=_leg(found.dense),
        lexical=_leg(found.lexical),
        text=chunk.text,
        marks=marks(chunk.text, query),
        title=chunk.title,
        heading=list(chunk.heading),
        page=chunk.page,
        position=chunk.position,
        language=chunk.language,
        sources=[SourceInfo(document=row.id, name=row.name) for row in sources],
    )


def _leg(leg: Leg | None) -> schemas.Leg | None:
    return None if leg is None else schemas.Leg(rank=leg.rank, score=leg.score)


def language_warning(question: str, shelf: Shelf) -> str | None:
    """Say so when the question is in a language that the encoder was not trained for."""
    spoken = shelf.encoder.card.language_codes
    asked = language.detect(question)
    if not spoken or asked == "unknown" or asked in spoken:
        return None
    return (
        f"{shelf.encoder.name} speaks {', '.join(spoken)} only and this seems to be {asked!r}: "
        "expect few good hits. KALM_MODEL=kalm-v2.5 searches across languages."
    )
