"""A trained model -> a folder that sentence-transformers, transformers and our embedder load and agree on.

Written by hand in sentence-transformers' old layout, which its versions 3 to 6 read; what version 6 writes
itself version 5.1 can't read. `is_causal` is in config.json, which transformers obeys from 5.2 on: before, a
bidirectional Qwen2 silently runs causal. So the folder carries golden vectors, and `verify` asks every
reader for them.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import embedder
from embedder.catalog import name_of
from embedder.encoder import Pooling, Vectors
from embedder.locate import file_sha256
from embedder.prompts import TASKS, query_prefix
from training import lora
from training.config import TrainConfig
from training.data import Row, files
from training.errors import BadExport
from training.student import Student

GOLDEN = "golden.json"
TEXTS = (
    "This is an example sentence",
    "Wie lange dauert eine Rückerstattung?",
    "电池应放在阴凉干燥的地方。",
    "كم تستغرق عملية استرداد الأموال؟",
    "a",
)
SAME = 0.99999
"""Cosine from which a reader agrees, in fp32."""
TRANSFORMERS_MIN = "5.2.0"
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_POOLING: dict[Pooling, str] = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}


def export(student: Student, config: TrainConfig, folder: Path, *, rows: Sequence[Row], steps: int) -> Path:
    """Write the model as it is now, its golden vectors and its card. Raises BadExport if the folder's own
    vectors are not the student's."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.float().cpu().contiguous() for name, value in lora.merged(student.network).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    settings = student.network.config.to_dict()
    settings = {name: value for name, value in settings.items() if not name.startswith("_")}
    settings |= {"dtype": "float32", "architectures": [type(student.network).__name__]}
    settings["transformers_min"] = TRANSFORMERS_MIN
    _json(folder / "config.json", settings)
    for name in _TOKENIZER:
        if (student.layout.folder / name).is_file():
            shutil.copyfile(student.layout.folder / name, folder / name)
    write_layout(
        folder,
        pooling=student.pooling,
        width=student.width,
        max_tokens=student.max_tokens,
        prompts=prompts_of(student.template, student.document_prefix),
        dims=student.dims,
        lower_case=student.layout.lower_case,
        base=name_of(student.entry) if student.entry else student.layout.base,
    )
    finish(folder, _card(student, config, rows, steps))
    golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    found = student.encode_documents(golden["texts"])
    cosine = float(np.min((found * np.array(golden["documents"])).sum(axis=1)))
    if cosine < 0.99:  # bf16 against fp32
        raise BadExport(f"{folder} gives other vectors than the model that was trained: cosine {cosine:.4f}")
    return folder


def finish(folder: Path, card: str) -> None:
    """Give a folder its golden vectors and its card."""
    encoder = embedder.load(str(folder), "cpu", "fp32")
    texts = [embedder.fit(text, encoder)[0] for text in TEXTS]
    golden = {
        "texts": texts,
        "queries": encoder.encode_queries(texts).round(7).tolist(),
        "documents": encoder.encode_documents(texts).round(7).tolist(),
        "sha256": file_sha256(folder / "model.safetensors"),
    }
    _json(folder / GOLDEN, golden)
    (folder / "README.md").write_text(card, encoding="utf-8")


def verify(folder: Path) -> dict[str, float]:
    """Reader -> least cosine of its vectors to the golden ones. Raises BadExport if one does not agree, or
    if the weights are not those the vectors were made with."""
    golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    found = file_sha256(folder / "model.safetensors")
    if found != golden["sha256"]:
        raise BadExport(
            f"{folder}: model.safetensors has sha256 {found}, golden.json is of {golden['sha256']}"
        )
    readers: dict[str, Callable[[Path, list[str]], tuple[Vectors, Vectors]]] = {"embedder": _by_embedder}
    readers["transformers"] = _by_transformers
    if find_spec("sentence_transformers") is not None:
        readers["sentence-transformers"] = _by_sentence_transformers
    agreement = {}
    for name, reader in readers.items():
        queries, documents = reader(folder, golden["texts"])
        both = [(queries, golden["queries"]), (documents, golden["documents"])]
        agreement[name] = float(min((ours * np.array(theirs)).sum(axis=1).min() for ours, theirs in both))
    wrong = {name: cosine for name, cosine in agreement.items() if cosine < SAME}
    if wrong:
        told = ", ".join(f"{name} at a cosine of {cosine:.5f}" for name, cosine in wrong.items())
        raise BadExport(f"{folder} gives other vectors than golden.json: {told}")
    return agreement


def write_layout(
    folder: Path,
    *,
    pooling: Pooling,
    width: int,
    max_tokens: int,
    prompts: dict[str, str],
    dims: Sequence[int],
    lower_case: bool = False,
    base: str = "",
) -> None:
    """The files of sentence-transformers, as its version 3 wrote them. prompts: "query", "document" and
    tasks'. base: the catalog's name of the model it comes from."""
    kind = "sentence_transformers.models"
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    _json(
        folder / "modules.json",
        [
            {"idx": at, "name": str(at), "path": path, "type": f"{kind}.{name}"}
            for at, (path, name) in enumerate(modules)
        ],
    )
    modes = (*_POOLING.values(), "max_tokens", "mean_sqrt_len_tokens")
    flags = {f"pooling_mode_{mode}": mode == _POOLING[pooling] for mode in modes}
    for name in ("1_Pooling", "2_Normalize"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "2_Normalize" / ".keep").touch()  # git keeps no empty folder
    _json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": width, **flags, "include_prompt": True},
    )
    _json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": lower_case})
    settings = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    known = {"base_model": base} if base else {}
    _json(folder / "config_sentence_transformers.json", {**settings, "matryoshka_dims": list(dims), **known})


def prompts_of(template: str, document_prefix: str) -> dict[str, str]:
    """Role or task -> what stands before a text."""
    prompts = {"query": query_prefix(template, TASKS["retrieval"]), "document": document_prefix}
    if "{instruction}" in template:
        prompts |= {task: query_prefix(template, text) for task, text in TASKS.items()}
    return prompts


def _card(student: Student, config: TrainConfig, rows: Sequence[Row], steps: int) -> str:
    """Markdown: what it is, how to use it, what it learned from."""
    counts = Counter(row.task for row in rows)
    hashes = {file: file_sha256(file) for path in config.data for file in files(path)}
    learned = "\n".join(f"| {task} | {count} |" for task, count in sorted(counts.items()))
    came = "\n".join(f"- `{file.name}` sha256 {digest}" for file, digest in hashes.items())
    settings = {
        name: value for name, value in asdict(config).items() if name not in {"data", "output", "evaluate_on"}
    }
    settings["model"] = Path(config.model).name
    longest = max(student.query_tokens, student.passage_tokens)
    direction = "causal" if getattr(student.network.config, "is_causal", False) else "bidirectional"
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, feature-extraction, kalm]
---
# {config.output.resolve().name}

Made from `{Path(config.model).name}` in {steps} steps of stage `{config.stage}`: {student.width} dims,
Matryoshka {", ".join(map(str, student.dims))}; {direction}, {student.pooling} pooling. It learned from texts
of up to {longest} tokens and takes {student.max_tokens}. It needs transformers {TRANSFORMERS_MIN} or later:
before, its attention would silently be causal.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{config.output.resolve().name}", truncate_dim={student.dims[-1]})
queries = model.encode(["..."], prompt_name="query")
documents = model.encode(["..."])
```

Query prompt: `{student.query_prompt}`. `golden.json` holds vectors that every reader must give; \
`python -m training verify FOLDER` asks them.

## Data

| task | rows |
|---|---|
{learned}

{came}

## Settings

```json
{json.dumps(settings, indent=1, default=str)}
```
"""


def _by_embedder(folder: Path, texts: list[str]) -> tuple[Vectors, Vectors]:
    encoder = embedder.load(str(folder), "cpu", "fp32")
    return encoder.encode_queries(texts), encoder.encode_documents(texts)


def _by_sentence_transformers(folder: Path, texts: list[str]) -> tuple[Vectors, Vectors]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    queries: Vectors = model.encode(texts, prompt=model.prompts.get("query", ""))
    documents: Vectors = model.encode(texts, prompt=model.prompts.get("document", ""))
    return queries, documents


def _by_transformers(folder: Path, texts: list[str]) -> tuple[Vectors, Vectors]:
    """As the card of any model says: AutoModel, padding, pooling by hand."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    network = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    prompts = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))[
        "prompts"
    ]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))

    def encode(prompt: str) -> Vectors:
        read = tokenizer(
            [prompt + text for text in texts], padding=True, padding_side="right", return_tensors="pt"
        )
        with torch.no_grad():
            hidden = network(
                input_ids=read["input_ids"], attention_mask=read["attention_mask"]
            ).last_hidden_state
        mask = read["attention_mask"][..., None]
        vectors = (hidden * mask).sum(1) / mask.sum(1)
        if pooling.get("pooling_mode_cls_token"):
            vectors = hidden[:, 0]
        if pooling.get("pooling_mode_lasttoken"):
            vectors = hidden[torch.arange(len(texts)), mask[..., 0].sum(1) - 1]
        found: Vectors = torch.nn.functional.normalize(vectors, dim=-1).numpy()
        return found

    return encode(prompts.get("query", "")), encode(prompts.get("document", ""))


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
