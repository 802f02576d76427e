"""`kalm search` and `kalm ask`."""

from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from app.cli.filters import Narrow
from app.cli.terminal import LIBRARY, connect, encoder_line, line, note


def search(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    limit: int = 5,
    dim: int | None = None,
    exact: bool = False,
    ranking: Literal["hybrid", "dense", "lexical"] = "hybrid",
    by_document: bool = False,
    filters: OmitArgPrefixes[Narrow] = Narrow(),  # noqa: B008 frozen
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """Find the passages nearest to a question.

    Args:
        dim: Width of the vectors to search with; the full one if not given.
        exact: Compare with every full vector.
        ranking: By meaning and words together, or by one of them.
        by_document: Show each document once, by its best passage.
        json_: Print the service's answer as it is.
    """
    from app.schemas import SearchRequest

    request = SearchRequest.model_validate(
        {
            "query": question,
            "collection": collection,
            "ranking": ranking,
            "limit": limit,
            "dim": dim,
            "exact": exact,
            "group": "document" if by_document else None,
            **filters.fields(),
        }
    )
    with connect() as client:
        response = client.search(request)
        encoder = encoder_line(client)
    if json_:
        print(response.model_dump_json(indent=1))
        return
    if response.warning:
        note(response.warning)
    for number, hit in enumerate(response.hits, 1):
        page = f", page {hit.page}" if hit.page else ""
        print(f"{number:>2}. {hit.score:.2f}  {hit.title}  [{hit.language}] {hit.sources[0].name}{page}")
        print(f"    {line(hit.text, 300)}")
        for other in hit.more:
            print(f"    + {other.score:.2f}  {line(other.text, 120)}")
        if hit.others > len(hit.more):
            print(f"    + {hit.others - len(hit.more)} more")
        print()
    if not response.hits:
        print("Nothing found.")
    note(f"{encoder}, {response.dim} dims, {response.mode}, {response.timing.total_ms:.0f} ms")


def ask(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    filters: OmitArgPrefixes[Narrow] = Narrow(),  # noqa: B008 frozen
) -> None:
    """Answer a question from the documents, with citations."""
    from app.schemas import AnswerRequest

    asked = {"question": question, "collection": collection, **filters.fields()}
    with connect() as client:
        for event in client.answer(AnswerRequest.model_validate(asked)):
            if event.text:
                print(event.text, end="", flush=True)
            if (answer := event.answer) is None:
                continue
            print()
            if answer.mode == "nothing_found":
                print("Nothing in this collection answers that well enough.")
            if answer.warning:
                note(answer.warning)
            for citation in answer.citations:
                page = f", page {citation.hit.page}" if citation.hit.page else ""
                print(f"[{citation.number}] {citation.hit.title}: {citation.hit.sources[0].name}{page}")
        note(encoder_line(client))
