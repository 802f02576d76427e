"""How each command goes: every number with its source, and named recipes of training."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.errors import BadConfig

Stage = Literal["pretrain", "finetune", "distill"]


@dataclass(frozen=True)
class TaskSettings:
    """What holds for the rows of one task."""

    in_batch: bool = True
    """Other rows' passages are negatives. Not for classes: a batch holds many of the same."""
    symmetric: bool = False
    """Passages get the instruction as well."""
    instruction: str = "retrieval"
    """One of `embedder.prompts.TASKS`, or its own words."""
    weight: float = 1.0
    """How much more often its rows come."""


@dataclass(frozen=True)
class TrainConfig:
    """One run."""

    model: str = "kalm-v2.5"
    """What to start from: a catalog name or a folder (`python -m training scratch` makes one of random
    weights)."""
    data: tuple[Path, ...] = ()
    """Files and folders, see `training.data`."""
    output: Path = Path("trained")
    """A folder for checkpoints, the log and the exported model."""
    stage: Stage = "finetune"
    """pretrain: in-batch negatives only; finetune: hard negatives too, mixed ones, focal weights; distill:
    also a teacher's scores."""

    steps: int = 0
    """Optimizer steps; 0 for `epochs`."""
    epochs: int = 1
    batch_size: int = 256
    """Queries of a step, over all machines. KaLM v1.5: 48 on each of 24 devices."""
    learning_rate: float = 1e-5
    """KaLM-Embedding train.sh; 1e-4 for its pre-training."""
    embedding_rate: float = 1.0
    """Of the vocabulary's vectors, in learning rates: less where they are trained and the layers are new."""
    warmup: float = 0.1
    """Share of the steps; KaLM-Embedding train.sh."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Of the learning rate after the warmup, down to 0. KaLM: DeepSpeed's WarmupDecayLR, linear."""
    weight_decay: float = 0.01
    """Of matrices."""
    largest_gradient: float = 1.0
    """Norm the gradient is cut to."""
    seed: int = 0

    negatives: int = 7
    """Hard negatives per query at most; KaLM-Embedding train.sh, train_group_size 8."""
    query_tokens: int = 512
    """Texts are cut there; KaLM-Embedding train.sh. Prompt included."""
    passage_tokens: int = 512
    instructions: bool = True
    """Queries get the base model's prompt; a base without one stays without."""
    bidirectional: bool = True
    """Every token sees every other, also where the base was causal. Encoders always do."""

    temperature: float = 0.01
    """KaLM-Embedding train.sh."""
    focal: float = 0.5
    """Exponent of the focal weights; KaLM V2. 0 for plain InfoNCE. Not in pretrain."""
    mixed_pairs: int = 1
    """Negatives mixed of two for each query; the paper's number is not known."""
    mixed_lists: int = 1
    """Negatives mixed of all of a query's; 0 or 1."""
    mixing_temperature: float = 1.0
    """Of the softmax that weighs a list; the paper says similarity-weighted and no more."""
    mixing_gradient: bool = False
    """Whether a mixture pulls at what it was mixed of; MoCHi detaches, the paper does not say."""
    false_negative_margin: float = -1.0
    """Candidates that score more than this above the positive don't count (Qwen3-Embedding: 0.1). Below 0
    all do: a model that does not rank well yet would never be told of its worst mistakes."""
    both_ways: bool = False
    """Positives also look for their queries; for pairs that are alike, as translations."""
    dims: tuple[int, ...] = (896, 512, 256, 128, 64)
    """Matryoshka widths; those above the model's width are left out, and the full width is always in."""
    dim_weights: tuple[float, ...] = (1.0, 0.3, 0.2, 0.1, 0.1)
    """KaLM-Embedding train.sh; a sum, not a mean. Longest width first, the rest of the list falls away."""

    teacher: str = ""
    """distill: a model or folder; empty for the scores in the data."""
    distill_share: float = 0.7
    """Of the divergence from the teacher, the rest is the contrastive loss; KaLM V2.5."""
    distill_temperature: float = 0.05
    """KaLM V2.5. No factor of its square."""
    scored_temperature: float = 0.05
    """CoSENT's 1/20."""

    homogeneous: float = 1.0
    """Share of a batch that is of one task; the rest is exchanged with other batches."""
    task_fields: tuple[str, ...] = ("task",)
    """What makes a task: names of fields of the data, e.g. task lang."""
    task_exponent: float = 1.0
    """Rows of a task come by its size to this power; below 1 small tasks come more often."""
    tasks: dict[str, TaskSettings] = field(default_factory=dict)
    """Per task, where it is not as its kind would have it."""

    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the products; weights, loss and optimizer are in fp32."""
    batch_tokens: int = 4096
    """Of one forward pass: memory grows with it and not with `batch_size`."""
    kept_tokens: int = 0
    """Tokens whose activations are kept, so that they need no second forward pass; at least one pass's."""
    lora: int = 0
    """Rank of LoRA's matrices; 0 trains all weights. KaLM's script: 8."""
    lora_alpha: float = 16.0
    """KaLM-Embedding's arguments."""
    freeze_embeddings: bool = False
    """Leave the vocabulary's vectors as they are."""

    log_every: int = 10
    save_every: int = 500
    """Steps; 0 for the end only."""
    evaluate_every: int = 0
    """Steps; 0 for never."""
    evaluate_on: tuple[Path, ...] = ()
    """BEIR folders."""

    def __post_init__(self) -> None:
        if self.stage == "distill" and not 0 <= self.distill_share <= 1:
            raise BadConfig(f"distill_share is a share, 0 to 1, not {self.distill_share}")
        if not 0 <= self.homogeneous <= 1:
            raise BadConfig(f"homogeneous is a share, 0 to 1, not {self.homogeneous}")
        if self.mixed_lists not in (0, 1):
            raise BadConfig(f"mixed_lists is 0 or 1, not {self.mixed_lists}")
        if len(self.dim_weights) < len(self.dims):
            raise BadConfig(f"{len(self.dims)} dims, {len(self.dim_weights)} weights for them")

    def widths(self, width: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """(Matryoshka widths of a model, longest first; their weights)."""
        dims = (width, *(dim for dim in self.dims if dim < width))
        return dims, self.dim_weights[: len(dims)]


@dataclass(frozen=True)
class SynthesizeConfig:
    output: Path
    """.jsonl or .jsonl.gz; the journal stands beside it."""
    corpus: tuple[Path, ...] = ()
    """Files of lines with "text" and perhaps "title"; may be left out with a language model."""
    llm_url: str = ""
    """An OpenAI-compatible server; empty for no language model."""
    llm_model: str = ""
    api_key_file: Path | None = None
    personas: Path | None = None
    """A file of personas: one a line, or JSON with "persona" (Persona Hub)."""
    count: int = 1000
    """Pairs to ask a language model for."""
    instructions: int = 5
    """That a persona thinks up for a type of task at a time."""
    languages: tuple[str, ...] = ("English",)
    """That queries are written in, in turn."""
    judge: int = 4
    """Pairs below this mark, of 5, are dropped; 0 asks for no marks."""
    workers: int = 8
    """Requests at once."""
    prompt_price: float = 0.0
    """Per million tokens, for the account."""
    completion_price: float = 0.0
    least_chars: int = 100
    """Shorter passages are left out."""
    per_passage: int = 3
    """Queries for a passage, without a language model."""
    seed: int = 0


@dataclass(frozen=True)
class MineConfig:
    """Which negatives, and which pairs stay."""

    ranks: tuple[int, int] = (50, 100)
    """From and to, counted from 0; KaLM-Embedding hn_mine.sh."""
    negatives: int = 7
    """Per query; KaLM-Embedding hn_mine.sh."""
    keep_within: int = 50
    """A pair is dropped unless its best positive is among so many; 0 keeps all. KaLM-Embedding:
    filter_topk."""
    relative_margin: float = 0.05
    """A negative scores at most the positive's score less this share of it; NV-Retriever keeps 95 %."""
    absolute_margin: float = 0.0
    """And at most the positive's score less this."""
    choice: Literal["random", "top"] = "random"
    """Which of those that qualify; KaLM: random."""
    scores: bool = True
    """Write the model's scores beside the texts, for distillation."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.ranks[0] < self.ranks[1]:
            raise BadConfig(f"ranks go from one to a larger one, not {self.ranks[0]} to {self.ranks[1]}")


@dataclass(frozen=True)
class ScratchConfig:
    """The shape of a model. The default is 12.6 M weights besides the vocabulary's."""

    data: tuple[Path, ...] = ()
    """Files and folders, see `training.data`: what the tokenizer is made from."""
    output: Path = Path("scratch")
    layers: int = 8
    width: int = 384
    heads: int = 6
    key_heads: int = 2
    """As Qwen2-0.5B: 2."""
    inner: int = 1024
    """Width between the two halves of a layer's feed-forward part; a multiple of 64 is fastest."""
    vocabulary: int = 32_000
    tokenizer: Path | None = None
    """A folder whose tokenizer to take instead."""
    tokenizer_texts: int = 400_000
    """Read that many texts at most, evenly spread."""
    max_tokens: int = 512
    theta: float = 10_000.0
    """Base of the rotary positions; Qwen2's million is for texts of 32,768 tokens."""
    epsilon: float = 1e-6
    """Of the norms, as Qwen. 0.04 before `static`: the length of a token's vector, 0.1 to 0.3 a number, then
    says how much it weighs."""
    reader: Literal["qwen", "multilingual"] = "qwen"
    """qwen: Qwen2's words and bytes; multilingual: lower case, no spaces, for a small vocabulary
    (`training.multilingual`), which makes the model a Qwen3."""
    dims: tuple[int, ...] = (256, 128, 64)
    """Matryoshka widths below the full one."""
    seed: int = 0


@dataclass(frozen=True)
class StaticConfig:
    """How a table of token vectors is trained. The numbers are those of kalm-nano (docs/nano.md)."""

    model: str
    """A folder without layers: `scratch --layers 0 --epsilon 0.04`."""
    data: tuple[Path, ...]
    output: Path
    steps: int = 1000
    blocks: int = 14
    """Of a step; each of one task."""
    block: int = 256
    """Pairs of a block; spans come twice as many."""
    learning_rate: float = 0.03
    """Of Adam, up over 50 steps and down to a fiftieth."""
    temperature: float = 0.05
    dims: tuple[int, ...] = (192, 96)
    """Matryoshka widths below the full one; one of them in each step, in turn."""
    dim_weights: tuple[float, ...] = (1.0, 1.5)
    query_tokens: int = 48
    passage_tokens: int = 128
    spans: float = 0.3
    """Share of blocks in which parts of texts look for their text."""
    contrast: float = 1.4
    """How long the rarest token's vector is at first, in lengths of `scratch`'s; the commonest: a tenth."""
    exponent: float = 0.75
    """Blocks of a task come by its size to this power."""
    alike: tuple[str, ...] = ("parallel", "parallel_section", "term")
    """Tasks whose two sides say the same: either asks, half of the time without a prompt."""
    teacher: str = ""
    """A model of no more dims, whose vectors the texts in `taught` and what is alike are drawn to."""
    taught: tuple[Path, ...] = ()
    """Files of texts that the teacher reads well: lines with "text"."""
    teacher_weight: float = 6.0
    """Of 1 - cosine to its vectors, beside the contrast's weight of 1."""
    word_share: float = 0.9
    """Of the teacher's vector of a word, in that of a token which is a word, at the beginning."""
    cache: Path | None = None
    """A folder for the teacher's vectors."""
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.dim_weights) != len(self.dims):
            raise BadConfig(f"{len(self.dims)} dims, {len(self.dim_weights)} weights for them")


RECIPES: dict[str, tuple[str, TrainConfig]] = {
    "pretrain": (
        "Weak pairs, in-batch negatives; KaLM's first stage.",
        TrainConfig(
            stage="pretrain",
            learning_rate=1e-4,
            focal=0.0,
            batch_size=1024,
            query_tokens=256,
            passage_tokens=256,
        ),
    ),
    "finetune": ("Hard negatives, focal weights, mixing; KaLM V2.", TrainConfig()),
    "distill": ("A teacher's scores beside the data's; KaLM V2.5.", TrainConfig(stage="distill")),
    "smoke": (
        "Twenty small steps, to see the loop run.",
        TrainConfig(steps=20, batch_size=16, query_tokens=64, passage_tokens=64, log_every=1),
    ),
}


def save(config: TrainConfig, path: Path) -> None:
    path.write_text(json.dumps(asdict(config), indent=2, default=str), encoding="utf-8")


def load(path: Path) -> TrainConfig:
    """Read what `save` wrote."""
    return from_fields(json.loads(path.read_text(encoding="utf-8")))


def from_fields(fields: dict[str, Any]) -> TrainConfig:
    """From what JSON made of one."""
    fields = dict(fields)
    for name in ("data", "evaluate_on"):
        fields[name] = tuple(map(Path, fields[name]))
    for name in ("dims", "dim_weights", "task_fields"):
        fields[name] = tuple(fields[name])
    fields["output"] = Path(fields["output"])
    fields["tasks"] = {task: TaskSettings(**settings) for task, settings in fields["tasks"].items()}
    return TrainConfig(**fields)
