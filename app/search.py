"""A question -> hits with their sources: one function for the page, the API, the command line and answers."""

import time

from app.marks import marks
from app.schemas import Hit, SearchRequest, SearchResponse, SourceInfo, Timing
from ingest import language
from ingest.index.contract import Where
from ingest.pipeline import Shelf


def search(request: SearchRequest, shelf: Shelf) -> SearchResponse:
    """Find the chunks nearest to the query.

    A chunk whose version no document is served from (it is being replaced just now) is left out, so
    nobody sees a half-written or an outdated document. Raises UnknownDim for a width that is not stored.
    """
    begin = time.perf_counter()
    vector = shelf.encoder.encode_queries([request.query])[0]
    encoded = time.perf_counter()
    found = shelf.index.search(
        vector,
        limit=request.limit,
        offset=request.offset,
        dim=request.dim,
        exact=request.exact,
        where=Where(tuple(request.languages), tuple(request.documents)),
    )
    searched = time.perf_counter()
    sources = shelf.ledger.documents_of(hit.chunk.version for hit in found)
    hits = [
        Hit(
            score=hit.score,
            text=hit.chunk.text,
            marks=marks(hit.chunk.text, request.query),
            title=hit.chunk.title,
            heading=list(hit.chunk.heading),
            page=hit.chunk.page,
            position=hit.chunk.position,
            language=hit.chunk.language,
            sources=[SourceInfo(document=row.id, name=row.name) for row in sources[hit.chunk.version]],
        )
        for hit in found
        if hit.chunk.version in sources
    ]
    dims = shelf.index.contract.dims
    dim = request.dim or dims[0]
    return SearchResponse(
        hits=hits,
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
