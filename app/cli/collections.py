"""`kalm collections`."""

from typing import Literal

from tyro.conf import Positional

from app.cli.terminal import connect, given


def collections(
    action: Positional[Literal["list", "create", "delete"]] = "list",
    name: Positional[str] = "",
    *,
    mode: Literal["windows", "late"] | None = None,
    chunk_tokens: int | None = None,
    window_tokens: int | None = None,
    dims: list[int] | None = None,
) -> None:
    """List, create or delete collections.

    Args:
        mode: Encode windows by themselves, or late, pooled from the text read as a whole.
        chunk_tokens: Longest passage, in tokens.
        window_tokens: Longest part of it with a vector of its own.
        dims: Matryoshka prefixes stored beside the full vector.
    """
    from app.schemas import ChunkingChoice

    with connect() as client:
        if action == "create":
            chunking = ChunkingChoice(mode=mode, chunk_tokens=chunk_tokens, window_tokens=window_tokens)
            client.create_collection(given(name, "collection"), chunking, dims)
        elif action == "delete":
            client.delete_collection(given(name, "collection"))
        for one in client.collections():
            print(f"{one.name:<20} {one.documents:>6} documents {one.chunks:>8} passages  {one.encoder}")
            if one.problem:
                print(f"  {one.problem}")
