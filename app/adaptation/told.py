"""What is known of a training -> what is told about it; and what was ordered -> how the recipe is to go."""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from app.adaptation.schemas import Gain, Score, Shadow, Step, Training, TrainingDetail
from app.adaptation.store import ShadowRow, TrainingRow
from training.adaptation import Adaptation, AdaptConfig

if TYPE_CHECKING:
    from app.adaptation.trainings import Means

CURVE_POINTS = 300
_LAST_STEPS = 20
"""That the time left is reckoned by."""


def order_of(row: TrainingRow, folder: Path, means: "Means") -> AdaptConfig:
    """The adaptation's settings; files that were sent along lie in the folder."""
    settings, corpus = row.settings, folder / "corpus.jsonl"
    pairs, personas = folder / "pairs", folder / "personas.txt"
    order = AdaptConfig(
        output=folder,
        name=settings.name,
        model=row.base,
        corpus=(corpus,) if corpus.is_file() else (),
        pairs=(pairs,) if pairs.is_dir() else (),
        minutes=settings.minutes,
        keep=settings.keep,
        llm_url=means.llm_url if settings.language_model else "",
        llm_model=means.llm_model,
        personas=personas if personas.is_file() else None,
        count=settings.count,
        languages=tuple(settings.query_languages),
        threads=means.threads,
    )
    return replace(order, train=replace(order.train, steps=settings.steps, device=means.device))


def training_of(row: TrainingRow, shadow: ShadowRow | None, adaptation: Adaptation) -> Training:
    steps = [line for line in adaptation.log() if "loss" in line]
    done, total = (int(steps[-1]["step"]) if steps else 0), adaptation.steps()
    stage = adaptation.stage()
    left = None
    if steps and total and stage == "training" and row.state == "running":
        left = (total - done) * median(float(line["seconds"]) for line in steps[-_LAST_STEPS:])
    return Training(
        id=row.id,
        settings=row.settings,
        base=Path(row.base).name,
        state=row.state,
        stage=stage,
        steps=done,
        total_steps=total,
        left_s=left,
        problem=row.problem,
        created=row.created,
        finished=row.finished,
        shadow=_shadow(shadow) if shadow else None,
    )


def detail_of(training: Training, adaptation: Adaptation) -> TrainingDetail:
    lines = adaptation.log()
    steps = [line for line in lines if "loss" in line]
    every = -(-len(steps) // CURVE_POINTS) or 1
    return TrainingDetail(
        training=training,
        figures=adaptation.done(),
        curve=[
            Step(step=line["step"], loss=line["loss"], accuracy=line["accuracy"])
            for line in [*steps[:-1:every], *steps[-1:]]
        ],
        scores=[
            Score(step=line["step"], dim=int(name.removeprefix("mean@")), value=value)
            for line in lines
            for name, value in line.get("evaluation", {}).items()
            if name.startswith("mean@")
        ],
        gains=[Gain(**gain) for gain in adaptation.comparison() or []],
        folder=str(adaptation.candidate) if training.state == "done" else "",
    )


def _shadow(row: ShadowRow) -> Shadow:
    found = row.agreement
    return Shadow(
        state=row.state,
        problem=row.problem,
        done=row.done,
        total=row.total,
        asked=found.asked if found else None,
        found_before=found.served if found else None,
        found_after=found.shadow if found else None,
        served=row.served,
    )
