"""`kalm search`, `kalm similar` and `kalm ask`."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from app.cli.filters import Listing, Narrow
from app.cli.terminal import LIBRARY, connect, encoder_line, line, note

if TYPE_CHECKING:
    from app.schemas import Answer, Explanation, Hit, SearchResponse


def search(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    ranking: Literal["hybrid", "dense", "lexical"] = "hybrid",
    rerank: bool = True,
    listing: OmitArgPrefixes[Listing] = Listing(),  # noqa: B008 frozen
    filters: OmitArgPrefixes[Narrow] = Narrow(),  # noqa: B008 frozen
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """Find the passages nearest to a question.

    Args:
        ranking: By meaning and words together, or by one of them.
        rerank: By the reranker, where the service has one.
        json_: Print the service's answer as it is.
    """
    from app.schemas import SearchRequest

    asked = {"query": question, "collection": collection, "ranking": ranking, "rerank": rerank}
    request = SearchRequest.model_validate({**asked, **listing.fields(), **filters.fields()})
    with connect() as client:
        _print(client.search(request), encoder_line(client), as_json=json_)


def similar(
    document: Positional[str],
    passage: Positional[int],
    *,
    same_document: bool = False,
    listing: OmitArgPrefixes[Listing] = Listing(),  # noqa: B008 frozen
    filters: OmitArgPrefixes[Narrow] = Narrow(),  # noqa: B008 frozen
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """Find more like a passage, by its stored vectors.

    Args:
        document: Its id, as `kalm documents` lists it.
        passage: Its number, from 0.
        same_document: Other passages of its document may be found.
        json_: Print the service's answer as it is.
    """
    from app.schemas import SimilarRequest

    asked = {"document": document, "passage": passage, "same_document": same_document}
    request = SimilarRequest.model_validate({**asked, **listing.fields(), **filters.fields()})
    with connect() as client:
        _print(client.similar(request), encoder_line(client), as_json=json_)


def _print(response: "SearchResponse", encoder: str, *, as_json: bool) -> None:
    if as_json:
        print(response.model_dump_json(indent=1))
        return
    for problem in (response.warning, response.reranker_problem):
        if problem:
            note(problem)
    for number, hit in enumerate(response.hits, 1):
        page = f", page {hit.page}" if hit.page else ""
        page += ", hidden in the document" if hit.unseen else ""
        print(f"{number:>2}. {hit.score:.2f}  {hit.title}  [{hit.language}] {hit.sources[0].name}{page}")
        print(f"    {line(hit.text, 300)}")
        if response.explain:
            print(f"    {_legs(hit)}  {hit.sources[0].document} {hit.position}")
        for other in hit.more:
            print(f"    + {other.score:.2f}  {line(other.text, 120)}")
        if hit.others > len(hit.more):
            print(f"    + {hit.others - len(hit.more)} more")
        print()
    if not response.hits:
        print("Nothing found.")
    if response.explain:
        _print_explanation(response.explain)
    by = f", reranked by {response.reranker}" if response.reranker else ""
    note(f"{encoder}, {response.dim} dims, {response.mode}{by}, {response.timing.total_ms:.0f} ms")


def _legs(hit: "Hit") -> str:
    legs = {"meaning": hit.dense, "words": hit.lexical, "reranker": hit.rerank, "diversity": hit.diverse}
    return ", ".join(f"{name} {leg.rank} ({leg.score:.3f})" for name, leg in legs.items() if leg)


def _print_explanation(said: "Explanation") -> None:
    print(f"candidates {said.candidates} in {said.levels} rounds, dims {said.dims}, found by {said.finder}")
    if said.filters:
        print(f"filters {said.filters}")
    if said.join:
        print("joined by " + ", ".join(f"{name} {value:.3g}" for name, value in said.join.items()))
    print(", ".join(f"{step} {took_ms:.1f} ms" for step, took_ms in said.steps_ms.items()))


def ask(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    filters: OmitArgPrefixes[Narrow] = Narrow(),  # noqa: B008 frozen
) -> None:
    """Answer a question from the documents, with citations; sentences that these don't bear out are named."""
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
            for doubt in doubts(answer):
                print(doubt)
            for citation in answer.citations:
                page = f", page {citation.hit.page}" if citation.hit.page else ""
                print(f"[{citation.number}] {citation.hit.title}: {citation.hit.sources[0].name}{page}")
        note(encoder_line(client))


def doubts(answer: "Answer") -> list[str]:
    """A line for each sentence that is not known to be borne out by what it cites."""
    return [
        f"{sentence.support}: {line(sentence.text, 200)}"
        + (f" (not in the source: {', '.join(sentence.missing)})" if sentence.missing else "")
        for sentence in answer.sentences
        if sentence.support != "supported"
    ]
