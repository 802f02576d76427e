"""`kalm train`: an encoder of a collection's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional, UseAppendAction

from app.cli.terminal import LIBRARY, connect, given

if TYPE_CHECKING:
    from app.adaptation.schemas import Training, TrainingDetail


def train(
    action: Positional[
        Literal["list", "start", "show", "cancel", "resume", "index", "promote", "rollback", "delete"]
    ] = "list",
    training: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    name: str = "",
    base: str = "",
    documents: bool = True,
    pairs: UseAppendAction[tuple[Path, ...]] = (),
    language_model: bool = False,
    personas: Path | None = None,
    count: int = 1000,
    minutes: float = 30.0,
    steps: int = 0,
    keep: float = 0.5,
) -> None:
    """Train an encoder on a collection's documents, compare it with the one in use, and put it in its place.

    `start` queues one; `show` says how far it is and what it gained; `index` encodes the collection with it
    beside the index in use, `promote` switches to that, `rollback` goes back for --collection.

    Args:
        training: Its id, as `kalm train` lists it.
        collection: Whose documents, and which collection to roll back.
        name: Of the model that comes out; the collection's by default.
        base: What to start from; the encoder in use by default.
        documents: Make queries from the documents.
        pairs: Training data, see docs/training.md. May be given several times.
        language_model: Let the service's language model write the queries.
        personas: For it: a file with one a line.
        count: Pairs to ask it for.
        minutes: For the steps of training.
        steps: At most; 0 for as many as the minutes allow.
        keep: Share of the base's weights in the result, against forgetting.
    """
    with connect() as client:
        if action == "start":
            from contextlib import ExitStack

            from app.adaptation.schemas import NewTraining

            new = NewTraining(
                collection=collection,
                name=name or collection,
                base=base,
                documents=documents,
                language_model=language_model,
                count=count,
                minutes=minutes,
                steps=steps,
                keep=keep,
            )
            with ExitStack() as opened:
                files = [(path.name, opened.enter_context(path.open("rb"))) for path in pairs]
                who = opened.enter_context(personas.open("rb")) if personas else None
                print(_line(client.train(new, files, who)))
            return
        if action == "show":
            _show(client.training(given(training, "train")))
            return
        if action == "rollback":
            found = client.roll_back(collection)
            print(f"{found.name} is served by {found.encoder}")
            return
        if action == "delete":
            client.delete_training(given(training, "train"))
        elif action != "list":
            client.act_on_training(given(training, "train"), action)
        for one in client.trainings():
            print(_line(one))
            for problem in (one.problem, one.shadow.problem if one.shadow else None):
                if problem:
                    print(f"  {problem}")


def _line(one: "Training") -> str:
    settings = one.settings
    steps = f", step {one.steps} of {one.total_steps}" if one.total_steps else ""
    left = "" if one.left_s is None else f", {one.left_s / 60:.0f} min left"
    at = f" ({one.stage}{steps}{left})" if one.state == "running" else ""
    index = ""
    if shadow := one.shadow:
        index = ", serves" if shadow.served else f", index {shadow.state} {shadow.done}/{shadow.total}"
    return f"{one.id}  {one.state:<9} {settings.collection}: {settings.name} from {one.base}{at}{index}"


def _show(detail: "TrainingDetail") -> None:
    print(_line(detail.training))
    for stage, figures in detail.figures.items():
        print(f"{stage:<10} {', '.join(f'{name} {figure:g}' for name, figure in figures.items())}")
    for gain in detail.gains:
        whose = gain.language or "all"
        print(
            f"{gain.task:<10} {gain.dim:>5} {whose:<8}{gain.queries:>5}  nDCG@10 {gain.base:.3f} -> "
            f"{gain.candidate:.3f}  {gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        )
    if detail.folder:
        print(f"model: {detail.folder}")
