"""A question -> hits with their sources: one function for the page, the API, the command line and answers."""

import time

from app import schemas
from app.fusion import CANDIDATES, WORTH, WORTH_UNSPOKEN, Fused, Leg, alone, fuse
from app.marks import marks
from app.schemas import Hit, SearchRequest, SearchResponse, SourceInfo, Timing
from embedder.encoder import Vectors
from ingest import language
from ingest.index.contract import Where
from ingest.lexical import bound as highest
from ingest.lexical import encode_queries
from ingest.pipeline import Shelf
from ingest.records import Hit as Found


def search(request: SearchRequest, shelf: Shelf) -> SearchResponse:
    """Find the chunks nearest to the query.

    A chunk whose version no document is served from (it is being replaced just now) is left out, so
    nobody sees a half-written or an outdated document. Raises UnknownDim for a width that is not stored.
    """
    begin = time.perf_counter()
    vector = None if request.ranking == "lexical" else shelf.encoder.encode_queries([request.query])[0]
    encoded = time.perf_counter()
    found, sureness = _rank(request, vector, shelf)
    page = found[request.offset : request.offset + request.limit]
    searched = time.perf_counter()
    sources = shelf.ledger.documents_of(one.chunk.version for one in page)
    hits = [
        Hit(
            score=one.score,
            dense=_leg(one.dense),
            lexical=_leg(one.lexical),
            text=one.chunk.text,
            marks=marks(one.chunk.text, request.query),
            title=one.chunk.title,
            heading=list(one.chunk.heading),
            page=one.chunk.page,
            position=one.chunk.position,
            language=one.chunk.language,
            unseen=one.chunk.unseen,
            sources=[SourceInfo(document=row.id, name=row.name) for row in sources[one.chunk.version]],
        )
        for one in page
        if one.chunk.version in sources
    ]
    dims = shelf.index.contract.dims
    dim = request.dim or dims[0]
    return SearchResponse(
        hits=hits,
        ranking=request.ranking,
        sureness=sureness,
        dim=dim,
        mode="prefix" if dim < dims[0] else "exact" if request.exact or len(dims) == 1 else "funnel",
        encoder=shelf.encoder.name,
        warning=language_warning(request.query, shelf),
        timing=Timing(
            encode_ms=_ms(encoded - begin),
            search_ms=_ms(searched - encoded),
            total_ms=_ms(time.perf_counter() - begin),
        ),
    )


def _rank(request: SearchRequest, vector: Vectors | None, shelf: Shelf) -> tuple[list[Fused], float | None]:
    """All candidates, best first; and the best lexical score as a share of what the query could reach."""
    where = Where(tuple(request.languages), tuple(request.documents))
    wanted = request.offset + request.limit
    if request.ranking == "dense":
        assert vector is not None
        return alone(_dense(request, vector, wanted, where, shelf), "dense"), None
    (terms,) = encode_queries([request.query])
    most = max(CANDIDATES, wanted)
    words = shelf.index.search_terms(terms, limit=most, where=where)
    bound = highest(terms, shelf.index.count())
    sureness = words[0].score / bound if words else 0.0
    if vector is None:
        return alone(words, "lexical"), sureness
    crosses = len(shelf.encoder.card.language_codes) != 1
    worth = WORTH if language_warning(request.query, shelf) is None else WORTH_UNSPOKEN
    near = _dense(request, vector, most, where, shelf)
    return fuse(near, words, bound, crosses=crosses, worth=worth), sureness


def _dense(request: SearchRequest, vector: Vectors, limit: int, where: Where, shelf: Shelf) -> list[Found]:
    return shelf.index.search(
        vector, limit=limit, dim=request.dim, exact=request.exact, funnel=shelf.funnel, where=where
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


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
