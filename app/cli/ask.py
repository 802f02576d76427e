"""`kalm search` and `kalm ask`."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from app.cli.terminal import LIBRARY, connect, encoder_line, line, note

if TYPE_CHECKING:
    from app.schemas import Answer


def search(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    limit: int = 5,
    dim: int | None = None,
    exact: bool = False,
    ranking: Literal["hybrid", "dense", "lexical"] = "hybrid",
    language: UseAppendAction[tuple[str, ...]] = (),
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """Find the passages nearest to a question.

    Args:
        dim: Width of the vectors to search with; the full one if not given.
        exact: Compare with every full vector.
        ranking: By meaning and words together, or by one of them.
        language: Only passages in this language (en, de, zh …); may be given more than once.
        json_: Print the service's answer as it is.
    """
    from app.schemas import SearchRequest

    request = SearchRequest(
        query=question,
        collection=collection,
        ranking=ranking,
        limit=limit,
        dim=dim,
        exact=exact,
        languages=list(language),
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
        print(f"    {line(hit.text, 300)}\n")
    if not response.hits:
        print("Nothing found.")
    note(f"{encoder}, {response.dim} dims, {response.mode}, {response.timing.total_ms:.0f} ms")


def ask(question: Positional[str], *, collection: str = LIBRARY) -> None:
    """Answer a question from the documents, with citations; sentences that these don't bear out are named."""
    from app.schemas import AnswerRequest

    with connect() as client:
        for event in client.answer(AnswerRequest(question=question, collection=collection)):
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
