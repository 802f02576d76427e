"""An adaptation's folder: what was ordered, how far it is, what it gained. Loads no model."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from training.config import MineConfig, TrainConfig, from_fields
from training.errors import BadCheckpoint, BadConfig

Stage = Literal["queries", "negatives", "training", "soup", "comparison"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In their order."""
PROBLEM = "problem.txt"
"""Why the last try ended, for people."""
Figures = dict[str, float]
"""What a stage counted, by name."""


@dataclass(frozen=True)
class AdaptConfig:
    """From documents or pairs to a model that knows them. KaLM's recipe, with what suits a small corpus."""

    output: Path = Path("adapted")
    """A folder for all that arises; the model is in it under its name."""
    name: str = "candidate"
    """The model's, as people will see it."""
    model: str = "kalm-v2.5"
    """What to start from: a catalog name or a folder."""
    corpus: tuple[Path, ...] = ()
    """Files of lines with "text", perhaps "title", "document" and "language". A document is learned from
    or asked about, never both; without the field each passage is one."""
    pairs: tuple[Path, ...] = ()
    """Training data that is there already, see `training.data`."""
    held_out: float = 0.1
    """Share of the documents that are only asked about."""
    most_queries: int = 500
    """Asked about what was held out."""
    most_passages: int = 10_000
    """Searched for their answers."""
    minutes: float = 0.0
    """At most, for the steps of training; 0 for no limit."""
    keep: float = 0.5
    """Share of the base's weights in the candidate, against forgetting; 0 for the trained ones alone. On
    German law half was the best of 0, 25 and 50 %, in the domain and elsewhere (docs/recipe.md)."""

    llm_url: str = ""
    """An OpenAI-compatible server; empty makes queries from the corpus's own structure."""
    llm_model: str = ""
    personas: Path | None = None
    """See `SynthesizeConfig`."""
    count: int = 1000
    """Pairs to ask a language model for."""
    languages: tuple[str, ...] = ("English",)
    """That a language model writes queries in, in turn."""

    mine: MineConfig = field(default_factory=lambda: MineConfig(negatives=3, scores=False))
    """Ranks are narrowed where the corpus is small."""
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            epochs=2,
            learning_rate=1e-4,
            batch_size=64,
            negatives=3,
            query_tokens=64,
            passage_tokens=192,
            save_every=20,
            log_every=10,
        )
    )
    """Model, data and output are filled in. The rate is that of KaLM's pre-training; MiniLM learned German
    law at twice that, and at half of it no differently from what seeds do. With three hard negatives it
    learned more than without in the mean, not beyond the spread of three seeds (docs/recipe.md)."""
    threads: int = 0
    """Of the CPU; 0 leaves it to torch."""

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise BadConfig(f"held_out is a share between 0 and 1, not {self.held_out}")
        if not 0 <= self.keep < 1:
            raise BadConfig(f"keep is a share, 0 to below 1, not {self.keep}")


class Adaptation:
    """The folder. Written by one process, read by any."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def order(self) -> AdaptConfig:
        return load(self._file("order.json"))

    @property
    def run(self) -> Path:
        """Of training: its log, its checkpoint."""
        return self.folder / "run"

    @property
    def held_out(self) -> list[Path]:
        """BEIR folders of what was held out: of the documents, of the pairs."""
        return sorted(path.parent for path in self.folder.glob("held-out/*/qrels.tsv"))

    @property
    def live(self) -> list[Path]:
        """Smaller ones, to evaluate on between steps."""
        return sorted(path.parent for path in self.folder.glob("live/*/qrels.tsv"))

    def begin(self, order: AdaptConfig) -> None:
        """Write the order down. Raises BadCheckpoint if the folder is another one's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._file("order.json").is_file():
            if self.order != order:
                raise BadCheckpoint(f"{self.folder} is of another adaptation: give another --output")
            return
        self._write("order.json", asdict(order))

    @property
    def candidate(self) -> Path:
        """The model that comes out."""
        return self.folder / "models" / self.order.name

    def done(self) -> dict[Stage, Figures]:
        """Finished stages and what they counted."""
        found: dict[Stage, Figures] = self._read("done.json") or {}
        return found

    def finish(self, stage: Stage, figures: Figures) -> None:
        self._write("done.json", {**self.done(), stage: figures})

    def stage(self) -> Stage | None:
        """The one at work or next; None once all are done."""
        done = self.done()
        return next((stage for stage in STAGES if stage not in done), None)

    def say_steps(self, steps: int) -> None:
        """Fix how many steps training has: a run that goes on must not count anew."""
        self._write("steps.json", {"steps": steps})

    def steps(self) -> int | None:
        found = self._read("steps.json")
        return None if found is None else int(found["steps"])

    def log(self) -> list[Mapping[str, Any]]:
        """Training's lines so far: of steps, and of evaluations between them."""
        path = self.run / "log.jsonl"
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be half written

    def compare(self, gains: list[dict[str, Any]]) -> None:
        self._write("comparison.json", gains)

    def comparison(self) -> list[dict[str, Any]] | None:
        """What `training.compare.compare` found, as JSON has it."""
        found: list[dict[str, Any]] | None = self._read("comparison.json")
        return found

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _read(self, name: str) -> Any:
        path = self._file(name)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def _write(self, name: str, content: Any) -> None:
        """In one go: whoever reads sees the old file or the new one."""
        fresh = self._file(f"{name}.new")
        fresh.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        fresh.replace(self._file(name))


def load(path: Path) -> AdaptConfig:
    """Read what `Adaptation.begin` wrote."""
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name in ("corpus", "pairs"):
        fields[name] = tuple(map(Path, fields[name]))
    fields["languages"] = tuple(fields["languages"])
    fields["output"] = Path(fields["output"])
    fields["personas"] = Path(fields["personas"]) if fields["personas"] else None
    mine = fields["mine"]
    fields["mine"] = replace(MineConfig(), **{**mine, "ranks": tuple(mine["ranks"])})
    fields["train"] = from_fields(fields["train"])
    return AdaptConfig(**fields)
