"""`kalm collections`."""

from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from app.cli.terminal import connect, given

if TYPE_CHECKING:
    from app.schemas import Tuning


def collections(
    action: Positional[Literal["list", "create", "delete", "tune", "dims"]] = "list",
    name: Positional[str] = "",
    *,
    mode: Literal["windows", "late"] | None = None,
    chunk_tokens: int | None = None,
    window_tokens: int | None = None,
    dims: list[int] | None = None,
) -> None:
    """List, create or delete collections; measure and set their dims.

    `tune` measures, on the collection's own sentences, what each width and funnel gives, and keeps the best.
    `dims` stores the prefixes given by --dims, and no others; nothing is encoded again.

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
        elif action == "tune":
            print_tuning(client.tune(given(name, "collection")))
        elif action == "dims":
            client.set_dims(given(name, "collection"), dims or [])
        for one in client.collections():
            print(f"{one.name:<20} {one.documents:>6} documents {one.chunks:>8} passages  {one.encoder}")
            print(f"  dims {', '.join(map(str, one.dims))}")
            if one.problem:
                print(f"  {one.problem}")


def print_tuning(tuning: "Tuning") -> None:
    print(f"{tuning.queries} sentences against {tuning.chunks} passages; agreement with exact search")
    for one in tuning.settings:
        way = "alone" if one.candidates is None else f"picks {one.candidates}"
        print(
            f"{one.dim:>5} {way:<10} {one.agreement:>6.1%}  p50 {one.p50_ms:.2f} ms  p95 {one.p95_ms:.2f} ms"
        )
    chosen = tuning.chosen
    print(f"chosen: {chosen.dim} dims pick {chosen.candidates}" if chosen else "chosen: exact search")
