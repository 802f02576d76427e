"""`kalm documents`: what a collection holds, what failed and why."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from app.cli.filters import Say
from app.cli.terminal import LIBRARY, connect, given

if TYPE_CHECKING:
    from app.client import Client
    from app.schemas import Documents, NewLabels

_PAGE = 1000
"""Documents asked for at once, the most the service gives."""


def documents(
    action: Positional[Literal["list", "show", "delete", "label"]] = "list",
    document: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    text: str = "",
    json_: Annotated[bool, arg(name="json")] = False,
    say: OmitArgPrefixes[Say] = Say(),  # noqa: B008 frozen
) -> None:
    """List the documents of a collection; show, delete or label one by its id.

    Args:
        document: Id of the one to show, delete or label.
        text: Only those whose name or title contains it.
        json_: Print the service's answer as it is.
    """
    with connect() as client:
        if action == "delete":
            client.delete_document(given(document, "document"))
            return
        if action == "label":
            client.label_documents(_labels(given(document, "document"), collection, say))
            return
        if action == "show":
            shown = client.document(given(document, "document"))
            print(f"{shown.document.title or ''}  {shown.document.name}\n")
            for passage in shown.passages:
                page = f" page {passage.page}" if passage.page else ""
                print(
                    " ".join([f"[{passage.language}]{page}", *passage.heading[-1:]]), passage.text, sep="\n"
                )
                print()
            return
        found = _all_documents(client, collection, text)
    if json_:
        print(found.model_dump_json(indent=1))
        return
    for one in found.documents:
        print(f"{one.id}  {one.state:<6} {one.language or '':<8} {one.chunks:>5}  {one.name}")
        said = [f"{key}={value}" for key, values in one.labels.items() for value in values]
        said += [f"for {', '.join(one.access)} only"] if one.access else []
        if said:
            print(f"  {'  '.join(said)}")
        if one.error:
            print(f"  {one.error}")
    print(f"{found.total} documents")


def _labels(document: str, collection: str, say: Say) -> "NewLabels":
    from app.schemas import NewLabels

    return NewLabels.model_validate({"collection": collection, "documents": [document], **say.fields()})


def _all_documents(client: "Client", collection: str, text: str) -> "Documents":
    found = client.documents(collection, text=text, limit=_PAGE)
    documents = list(found.documents)
    while len(documents) < found.total and (
        page := client.documents(collection, text=text, limit=_PAGE, offset=len(documents)).documents
    ):
        documents += page
    return found.model_copy(update={"documents": documents})
