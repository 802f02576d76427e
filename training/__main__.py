"""`python -m training COMMAND`: from nothing, or from a model, to one of your own; `--help` lists them."""

import json
import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional

from embedder.errors import EncoderError
from training.adaptation import AdaptConfig
from training.config import (
    RECIPES,
    MineConfig,
    ScratchConfig,
    StaticConfig,
    SynthesizeConfig,
    TaskSettings,
    TrainConfig,
)
from training.errors import TrainingError

Train = tyro.extras.subcommand_type_from_defaults(
    {name: config for name, (_, config) in RECIPES.items()},
    {name: told for name, (told, _) in RECIPES.items()},
)


@dataclass(frozen=True)
class TrainCommand:
    """Train an encoder. The same command goes on where a killed run was."""

    recipe: OmitArgPrefixes[Train]  # type: ignore[valid-type]
    tasks_file: Path | None = None
    """JSON: task -> its settings (in_batch, symmetric, instruction, weight)."""

    def run(self) -> None:
        from training.train import train

        config: TrainConfig = self.recipe
        if self.tasks_file is not None:
            told = json.loads(self.tasks_file.read_text(encoding="utf-8"))
            config = replace(
                config, tasks={task: TaskSettings(**settings) for task, settings in told.items()}
            )
        say(f"the model is in {train(config)}")


@dataclass(frozen=True)
class MineCommand:
    """Give pairs hard negatives, and drop those whose positive is not found."""

    model: Positional[str]
    """Whose ranking is used: a catalog name or folder."""
    output: Positional[Path]
    """.jsonl or .jsonl.gz."""
    data: Positional[tuple[Path, ...]]
    """Files and folders of pairs."""
    pool: tuple[Path, ...] = ()
    """Files of more passages: lines with "text"."""
    cache: Path | None = None
    """A folder for vectors, so that a second run need not encode again."""
    order: OmitArgPrefixes[MineConfig] = field(default_factory=MineConfig)
    device: str = "auto"

    def run(self) -> None:
        import embedder
        from training.data import read, read_texts, write_rows
        from training.mine import mine
        from training.reader import Reader

        encoder = embedder.load(self.model, self.device)
        rows, pool = list(read(self.data)), [text for path in self.pool for text in read_texts(path)]
        device = encoder.device.partition(",")[0]
        mined, account = mine(rows, Reader(encoder, self.cache), self.order, pool, device)
        write_rows(self.output, iter(mined))
        say(f"{self.output}: {len(mined)} rows of {len(rows)}")
        say(
            f"dropped, as the positive was not found: {sum(account.dropped.values())} {dict(account.dropped)}"
        )
        say(f"rank of the positive: {dict(sorted(account.ranks.items()))}; too few negatives: {account.few}")


@dataclass(frozen=True)
class EvaluateCommand:
    """nDCG@10, recall and MRR per width, with 95 % intervals."""

    models: Positional[tuple[str, ...]]
    """Catalog names or folders; of two, the second is also compared with the first, query by query."""
    on: tuple[Path, ...]
    """BEIR folders."""
    dims: tuple[int, ...] = ()
    """The models' own by default."""
    output: Path | None = None
    """A file for the figures, as JSON."""
    cache: Path | None = None
    device: str = "auto"

    def run(self) -> None:
        import embedder
        from training.evaluate import as_json, difference, evaluate, table
        from training.reader import Reader

        found = {}
        for model in self.models:
            reader = Reader(embedder.load(model, self.device), self.cache)
            found[model] = evaluate(reader, self.on, self.dims)
            say(f"{model}\n{table(found[model])}")
        if len(self.models) == 2:
            first, second = found.values()
            others = {(result.task, result.dim): result for result in second}
            for one in first:
                if other := others.get((one.task, one.dim)):
                    gain, low, high = difference(one, other)
                    say(f"{one.task}, {one.dim} dims: {gain:+.4f} ({low:+.4f} to {high:+.4f})")
        if self.output is not None:
            figures = {model: as_json(results) for model, results in found.items()}
            self.output.write_text(json.dumps(figures, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class SoupCommand:
    """Average the weights of models of one shape."""

    output: Positional[Path]
    models: Positional[tuple[Path, ...]]
    weights: tuple[float, ...] = ()
    """One for each; equal by default."""

    def run(self) -> None:
        from training.soup import soup

        say(f"the model is in {soup(self.models, self.weights or (1.0,) * len(self.models), self.output)}")


@dataclass(frozen=True)
class ExportCommand:
    """Write the model of a run as it is at its last checkpoint, while it goes on or after it was killed."""

    run_folder: Positional[Path]
    """The --output of `train`."""
    output: Positional[Path]

    def run(self) -> None:
        from training.train import export_checkpoint

        say(f"the model is in {export_checkpoint(self.run_folder, self.output)}")


@dataclass(frozen=True)
class VerifyCommand:
    """Ask embedder, transformers and sentence-transformers for a folder's golden vectors."""

    folder: Positional[Path]

    def run(self) -> None:
        from training.export import verify

        for reader, cosine in verify(self.folder).items():
            say(f"{reader}: cosine {cosine:.7f}")


@dataclass(frozen=True)
class AdaptCommand:
    """From documents or pairs to a model that finds them better, compared with its base. The same command
    goes on where a killed one was."""

    order: Annotated[AdaptConfig, tyro.conf.arg(name="")]
    api_key_file: Path | None = None
    """The language model's."""

    def run(self) -> None:
        from training.adapt import adapt
        from training.adaptation import Adaptation

        key = self.api_key_file.read_text(encoding="utf-8").strip() if self.api_key_file else ""
        folder = adapt(self.order, api_key=key)
        for gain in Adaptation(self.order.output).comparison() or []:
            whose = gain["language"] or "all"
            means = f"{gain['base']:.4f} -> {gain['candidate']:.4f}"
            difference = f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
            say(f"{gain['task']:<10}{gain['dim']:>5}  {whose:<8}{means}  {difference}")
        say(f"the model is in {folder}")


@dataclass(frozen=True)
class ScratchCommand:
    """Make a small model of random weights, with a tokenizer of its own, to pretrain."""

    shape: OmitArgPrefixes[ScratchConfig] = field(default_factory=ScratchConfig)

    def run(self) -> None:
        from training.scratch import scratch

        say(f"the model is in {scratch(self.shape)}")


@dataclass(frozen=True)
class StaticCommand:
    """Train a model without layers: a table of token vectors, in minutes on a CPU."""

    order: OmitArgPrefixes[StaticConfig]

    def run(self) -> None:
        from training.static import static

        say(f"the model is in {static(self.order)}")


@dataclass(frozen=True)
class GrowCommand:
    """Give a Qwen more layers, which change nothing until they are trained."""

    model: Positional[Path]
    output: Positional[Path]
    layers: int = 2
    seed: int = 0

    def run(self) -> None:
        from training.grow import grow

        say(f"the model is in {grow(self.model, self.output, self.layers, self.seed)}")


@dataclass(frozen=True)
class SynthesizeCommand:
    """Make queries for passages: by a language model that plays personas, or from the corpus's own
    structure."""

    order: OmitArgPrefixes[SynthesizeConfig]

    def run(self) -> None:
        from training.synthesize import synthesize

        account = synthesize(self.order)
        say(f"{self.order.output}: {account}")


Command = (
    Annotated[SynthesizeCommand, tyro.conf.subcommand("synthesize")]
    | Annotated[MineCommand, tyro.conf.subcommand("mine")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[SoupCommand, tyro.conf.subcommand("soup")]
    | Annotated[ExportCommand, tyro.conf.subcommand("export")]
    | Annotated[VerifyCommand, tyro.conf.subcommand("verify")]
    | Annotated[AdaptCommand, tyro.conf.subcommand("adapt")]
    | Annotated[ScratchCommand, tyro.conf.subcommand("scratch")]
    | Annotated[StaticCommand, tyro.conf.subcommand("static")]
    | Annotated[GrowCommand, tyro.conf.subcommand("grow")]
)


def say(text: str) -> None:
    print(text)  # noqa: T201 a command line


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 1 with the reason on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    command = tyro.cli(Command, args=arguments, prog="training", config=(OmitSubcommandPrefixes,))
    try:
        command.run()
    except (TrainingError, EncoderError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
