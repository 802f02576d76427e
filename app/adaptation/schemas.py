"""What travels between the service and its clients about trainings."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from app.schemas import CollectionName, Model

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
TrainingState = Literal["queued", "running", "done", "cancelled", "stopped"]
"""stopped: it failed, or somebody must act; both of the last go on when resumed."""
TrainingStage = Literal["queries", "negatives", "training", "soup", "comparison"]
STAGES: tuple[TrainingStage, ...] = get_args(TrainingStage)
"""In their order."""
ShadowState = Literal["queued", "building", "ready", "stopped"]
TrainingAction = Literal["cancel", "resume", "index", "promote"]


class NewTraining(Model):
    """What to learn from and for how long."""

    collection: CollectionName
    name: ModelName
    """Of the model that comes out."""
    base: str = ""
    """A catalog name or a folder on the server; empty for the encoder that serves the collection."""
    documents: bool = True
    """Whether queries are made from the collection's documents; pairs can be sent along."""
    language_model: bool = False
    """Whether the service's language model writes them, else they come from headings and sentences."""
    count: int = Field(default=1000, ge=10, le=1_000_000)
    """Pairs to ask the language model for."""
    query_languages: list[str] = Field(default=["English"], min_length=1)
    """That it writes queries in, in turn."""
    minutes: float = Field(default=30, gt=0, le=7 * 24 * 60)
    """For the steps of training, on this machine."""
    steps: int = Field(default=0, ge=0)
    """At most; 0 for as many as the minutes allow."""
    keep: float = Field(default=0.5, ge=0, lt=1)
    """Share of the base's weights in the candidate, against forgetting."""


class Shadow(Model):
    """The collection's index with the candidate's vectors."""

    state: ShadowState
    problem: str | None
    done: int
    """Passages."""
    total: int
    asked: int | None
    """Sentences that were looked for once it was built, and how many found their own document among 10."""
    found_before: int | None
    found_after: int | None
    served: bool
    """Whether searches use it."""


class Training(Model):
    id: str
    settings: NewTraining
    base: str
    """By its name."""
    state: TrainingState
    stage: TrainingStage | None
    """The one at work or next; None once all are done."""
    steps: int
    """Of training, done."""
    total_steps: int | None
    """None until they are counted."""
    left_s: float | None
    """Of training; None before its first steps and after its last."""
    problem: str | None
    created: datetime
    finished: datetime | None
    shadow: Shadow | None


class Step(Model):
    step: int
    loss: float
    accuracy: dict[str, float]
    """Task -> share of queries whose own passage came first in the batch."""


class Score(Model):
    """nDCG@10 between the steps, on some of what was held out."""

    step: int
    dim: int
    value: float


class Gain(Model):
    """Base and candidate on what was held out: means of nDCG@10, 0 to 1."""

    task: str
    """"documents": asked in the documents' own words; "pairs": as the pairs ask."""
    dim: int
    language: str
    """Of the queries; empty for all."""
    queries: int
    base: float
    candidate: float
    difference: float
    low: float
    """With `high`: where the difference lies with 95 %."""
    high: float


class TrainingDetail(Model):
    training: Training
    figures: dict[TrainingStage, dict[str, float]]
    """What finished stages counted."""
    curve: list[Step]
    """Evenly drawn from all steps."""
    scores: list[Score]
    gains: list[Gain]
    folder: str
    """Of the model, on the server; empty until there is one."""
