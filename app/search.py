"""A question -> hits with their sources: one function for the page, the API, the command line and answers."""

import time
from collections.abc import Sequence
from dataclasses import replace

from app import schemas
from app.diversity import middle
from app.filters import applied, where_of
from app.fusion import WORTH_UNSPOKEN, Fused, Leg
from app.marks import marks
from app.order import Entry
from app.ranking import Question, Trail, cited, rank
from app.schemas import (
    Asking,
    Explanation,
    Hit,
    Mode,
    SearchRequest,
    SearchResponse,
    SimilarRequest,
    SourceInfo,
    Timing,
)
from embedder.pooling import require_dim
from ingest import language
from ingest.errors import UnknownDocument
from ingest.index.contract import Funnel, Where
from ingest.ledger import DocumentRow
from ingest.lexical import encode_queries
from ingest.pipeline import Shelf
from ingest.records import identity


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
    return _respond(question, request, request.query, where, shelf, trail, begin, warning)


def similar(request: SimilarRequest, shelf: Shelf) -> SearchResponse:
    """Find the chunks nearest to one that is stored; nothing is encoded.

    A chunk of several windows is asked for by their mean. Raises UnknownDocument, also for a passage that is
    not there or that the shelf's caller does not see.
    """
    begin = time.perf_counter()
    trail = Trail()
    where = where_of(request, shelf)
    row = shelf.ledger.document(request.document, shelf.sees)
    point = str(identity("point", row.version or "", request.passage))
    with trail.step("stored vectors"):
        stored = shelf.index.vectors([point])
    if point not in stored:
        raise UnknownDocument(f"{row.name} has no passage {request.passage}; it may have changed")
    if request.same_document:
        where = replace(where, not_points=(point,))
    else:
        where = replace(where, not_versions=(row.version or "",))
    question = Question("dense", middle(stored[point]), None)
    return _respond(question, request, "", where, shelf, trail, begin, None)


def _respond(
    question: Question,
    asked: Asking,
    query: str,
    where: Where,
    shelf: Shelf,
    trail: Trail,
    begin: float,
    warning: str | None,
) -> SearchResponse:
    dims = shelf.index.contract.dims
    dim = require_dim(asked.dim, dims, "this collection")
    entries = rank(question, asked, where, shelf, trail)
    hits = _hits(entries, asked, query, where, shelf, trail)
    mode = _mode(asked, dim, dims)
    encode_ms = trail.steps_ms.get("encode", 0.0)
    total_ms = (time.perf_counter() - begin) * 1000
    return SearchResponse(
        hits=hits,
        ranking=question.ranking,
        sureness=trail.sureness,
        dim=dim,
        mode=mode,
        encoder=shelf.encoder.name,
        warning=warning,
        reranker=shelf.reranker.name if trail.reranked and shelf.reranker else None,
        reranker_problem=trail.problem,
        timing=Timing(
            encode_ms=encode_ms,
            search_ms=round(total_ms - encode_ms, 2),
            total_ms=round(total_ms, 2),
        ),
        explain=_explain(question, asked, dim, mode, where, shelf, trail) if asked.explain else None,
    )


def _mode(asked: Asking, dim: int, dims: Sequence[int]) -> Mode:
    return "prefix" if dim < dims[0] else "exact" if asked.exact or len(dims) == 1 else "funnel"


def _explain(
    question: Question, asked: Asking, dim: int, mode: Mode, where: Where, shelf: Shelf, trail: Trail
) -> Explanation:
    dense = question.vector is not None
    finder = shelf.index.finder(shelf.funnel) if dense and mode == "funnel" else None
    counted = {"dense": (dense, trail.dense), "lexical": (question.terms is not None, trail.lexical)}
    join = {}
    if question.ranking == "hybrid":
        join = {"worth": trail.worth, "bound": trail.bound, "sureness": trail.sureness or 0.0}
    return Explanation(
        dims=[*([finder.dim] if finder else []), dim] if dense else [],
        candidates={name: number for name, (used, number) in counted.items() if used},
        levels=trail.levels,
        finder=_finder(finder) if finder else None,
        filters=applied(where),
        join=join,
        reranked=trail.reranked,
        diversity=asked.diversity,
        steps_ms=trail.steps_ms,
    )


def _finder(funnel: Funnel) -> str:
    return f"codes, {funnel.quantisation}" if funnel.quantisation else "prefix"


def _question(request: SearchRequest, shelf: Shelf, *, spoken: bool) -> Question:
    """`spoken`: whether the encoder knows the query's language."""
    dense, lexical = request.ranking != "lexical", request.ranking != "dense"
    return Question(
        request.ranking,
        shelf.encoder.encode_queries([request.query])[0] if dense else None,
        encode_queries([request.query])[0] if lexical else None,
        worth=shelf.encoder.card.worth if spoken else WORTH_UNSPOKEN,
        crosses=shelf.encoder.card.crosses,
        language=language.detect(request.query),
        text=request.query if request.rerank else "",
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
        rerank=_leg(found.rerank),
        diverse=_leg(found.diverse),
        text=chunk.text,
        marks=marks(chunk.text, query),
        title=chunk.title,
        heading=list(chunk.heading),
        page=chunk.page,
        position=chunk.position,
        language=chunk.language,
        unseen=chunk.unseen,
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
    larger = "kalm-nano searches across languages" if len(spoken) == 1 else "kalm-v2.5 knows more languages"
    return (
        f"{shelf.encoder.name} speaks {', '.join(spoken)} only and this seems to be {asked!r}: "
        f"expect few good hits. KALM_MODEL={larger}."
    )
