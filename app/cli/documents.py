"""`kalm documents`: what a collection holds, what failed and why."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from app.cli.terminal import LIBRARY, connect, given

if TYPE_CHECKING:
    from app.client import Client
    from app.schemas import Documents

_PAGE = 1000
"""Documents asked for at once, the most the service gives."""


def documents(
    action: Positional[Literal["list", "show", "delete"]] = "list",
    document: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    text: str = "",
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """List the documents of a collection, or show or delete one by its id.

    Args:
        document: Id of the one to show or delete.
        text: Only those whose name or title contains it.
        json_: Print the service's answer as it is.
    """
    with connect() as client:
        if action == "delete":
            client.delete_document(given(document, "document"))
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
        if one.error:
            print(f"  {one.error}")
    print(f"{found.total} documents")


def _all_documents(client: "Client", collection: str, text: str) -> "Documents":
    found = client.documents(collection, text=text, limit=_PAGE)
    documents = list(found.documents)
    while len(documents) < found.total and (
        page := client.documents(collection, text=text, limit=_PAGE, offset=len(documents)).documents
    ):
        documents += page
    return found.model_copy(update={"documents": documents})
