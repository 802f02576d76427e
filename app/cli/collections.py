"""`kalm collections`."""

from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from app.cli.terminal import connect, given

if TYPE_CHECKING:
    from app.client import Client
    from app.schemas import Funnel, Quantisation, Tuning

KEPT = 0.99
"""Of the exact hits."""
KINDS = {"none": "16 bit", "int8": "8 bit", "binary": "1 bit"}


def collections(
    action: Positional[Literal["list", "create", "delete", "tune", "dims", "apply", "undo"]] = "list",
    name: Positional[str] = "",
    *,
    mode: Literal["windows", "late"] | None = None,
    chunk_tokens: int | None = None,
    window_tokens: int | None = None,
    dims: list[int] | None = None,
    quantisation: Literal["none", "int8", "binary"] = "int8",
    candidates: int | None = None,
) -> None:
    """List, create or delete collections; measure and set their dims.

    `tune` measures, on the collection's own sentences, what each width, kind of code and number of candidates
    gives, and applies the best; `apply` another measured one, by --dims, --quantisation and --candidates;
    `undo` goes back. Codes are made in the background.
    `dims` stores the prefixes given by --dims, and no others; nothing is encoded again.

    Args:
        mode: Encode windows by themselves, or late, pooled from the text read as a whole.
        chunk_tokens: Longest passage, in tokens.
        window_tokens: Longest part of it with a vector of its own.
        dims: Matryoshka prefixes stored beside the full vector; to `apply`, the one that finds candidates.
        quantisation: How its numbers are kept: 16, 8 or 1 bit.
        candidates: How many it finds for ten results; the fewest measured to keep 99 %, unless given.
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
        elif action == "apply":
            if not dims:
                raise ValueError("which width? --dims 256")
            apply(client, given(name, "collection"), dims[0], quantisation, candidates)
        elif action == "undo":
            print_use(client.undo_funnel(given(name, "collection")))
        elif action == "dims":
            client.set_dims(given(name, "collection"), dims or [])
        for one in client.collections():
            print(f"{one.name:<20} {one.documents:>6} documents {one.chunks:>8} passages  {one.encoder}")
            print(f"  dims {', '.join(map(str, one.dims))}")
            if one.problem:
                print(f"  {one.problem}")


def apply(
    client: "Client", name: str, dim: int, quantisation: "Quantisation", candidates: int | None
) -> None:
    from app.schemas import Funnel

    found = client.tuning(name)
    ways = (
        [one for one in found.settings if (one.dim, one.quantisation) == (dim, quantisation)] if found else []
    )
    enough = [one for one in ways if one.agreement >= KEPT] or ways[-1:]
    chosen = candidates or next((one.candidates for one in enough), None)
    if chosen is None:
        raise SystemExit(
            f"{dim} dims {quantisation} was not measured in {name!r}: kalm collections tune {name}"
        )
    print_use(client.apply_funnel(name, Funnel(dim=dim, candidates=chosen, quantisation=quantisation)))


def print_tuning(tuning: "Tuning") -> None:
    print(f"{tuning.queries} sentences against {tuning.chunks} passages; agreement with exact search")
    for one in tuning.settings:
        way = "alone" if one.candidates is None else f"picks {one.candidates}"
        times = "" if one.p50_ms is None else f"p50 {one.p50_ms:.2f} ms  p95 {one.p95_ms:.2f} ms  "
        kind = KINDS[one.quantisation or "none"]
        print(
            f"{one.dim:>5} {kind:<7} {way:<10} {one.agreement:>6.1%}  {times}{one.memory_bytes / 1e6:.1f} MB"
        )
    chosen = tuning.chosen
    print(f"best: {in_words(chosen)}" if chosen else "best: exact search")
    print_use(tuning)


def print_use(tuning: "Tuning") -> None:
    if tuning.applying:
        print(f"being made: {in_words(tuning.applying)}; searches go as before until then")
    elif tuning.applied:
        print(f"in use: {in_words(tuning.applied)}")


def in_words(funnel: "Funnel") -> str:
    return f"{funnel.dim} dims {KINDS[funnel.quantisation or 'none']} pick {funnel.candidates}"
