"""kalm-nano from its data in one command: python -m training.nano PACK OUTPUT

PACK: *.jsonl.gz of {query, pos, task, lang, pos_lang, source}. What was tried, and what came of it, is in
docs/nano.md.
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from safetensors.torch import load_file, save_file

import embedder
from training.config import MineConfig, ScratchConfig, StaticConfig, TrainConfig
from training.data import Row, files, lines_of, write_rows
from training.export import finish
from training.grow import grow
from training.mine import mine
from training.reader import Reader
from training.scratch import scratch
from training.soup import soup
from training.static import static
from training.train import train

LEFT_OUT = frozenset(
    {
        "vi-mailong25",
        "tquad",
        "chinesesquad-mt",
        "china-laws",
        "squadshifts-amazon",
        "squadshifts-reddit",
        "poquad",  # GPL, which says nothing of data
        "banking77",  # classes, not passages
    }
)
"""Sources without a licence, and two more."""
DIMS = 256, 128
CORE = frozenset(
    "ar cs da de el en es fa fr he hi id it ja ko nl pl pt ro ru sv th tr uk vi zh zh-Hant".split()
)
"""Languages the vocabulary is for; of the others it takes a seventh as much."""
SHARES = {"qa": 0.42, "law": 0.08, "docs": 0.10, "parallel": 0.15, "parallel_section": 0.03, "spans": 0.22}
"""Of the rows the layers learn from."""
FEWEST = 128
"""Rows of a language's task; those of smaller ones are put together."""
FEWEST_MINED = 60
"""Rows of a task that has negatives to be found."""
WINDOW = 48
"""Tokens of a passage that the layer learns from: what the product encodes at a time."""
LEARNED = 0.3
"""How far to go from the base to what the layers learned: all of it forgets words (docs/nano.md)."""
MOST_CHARS = 900
"""Of a passage: more than a batch reads."""
SHORT_CHARS = 300
"""The teacher reads all English texts up to so many characters, and `LONG_TEXTS` of the longer ones."""
LONG_TEXTS = 30_000


def main(pack: Path, output: Path, teacher: str = "all-MiniLM-L6-v2", small: bool = False) -> None:
    """Make everything in `output`, the model in its folder kalm-nano. `small`: to see that all steps run."""
    output.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, languages, terms = _rows(pack)
    data, letters, taught = (output / f"{name}.jsonl" for name in ("data", "letters", "taught"))
    write_rows(data, rows)
    write_rows(letters, _letters(languages, rng, chars=200_000 if small else 16_000_000))
    english = _taught(languages["en"], terms, rng)
    taught.write_text("".join(json.dumps({"text": text}) + "\n" for text in english), encoding="utf-8")
    shape = ScratchConfig(
        data=(letters,),
        output=output / "scratch",
        layers=0,
        width=512,
        heads=8,
        key_heads=2,
        inner=1024,
        vocabulary=2048 if small else 32_000,
        tokenizer_texts=10**9,
        epsilon=0.04,
        reader="multilingual",
        dims=DIMS,
    )
    table = static(
        StaticConfig(
            str(scratch(shape)),
            (data,),
            output / "static",
            steps=3 if small else 1500,
            dims=DIMS,
            teacher=teacher,
            taught=(taught,),
            cache=output / "cache",
        )
    )
    reader = Reader(embedder.load(str(table), "cpu"))
    chosen = _nearest_windows(_chosen(rows, languages, rng, count=3000 if small else 26_000), reader)
    counts = Counter(row.task for row in chosen)
    chosen = [row for row in chosen if counts[row.task] >= FEWEST_MINED]
    mined = output / "mined.jsonl"
    write_rows(mined, mine(chosen, reader, MineConfig(ranks=(1, 30), keep_within=30, scores=False))[0])
    base = grow(table, output / "grown", layers=1)
    learned = train(
        TrainConfig(
            model=str(base),
            data=(mined,),
            output=output / "layers",
            steps=2 if small else 300,
            batch_size=64,
            learning_rate=1e-3,
            embedding_rate=0.0,
            weight_decay=0.0,
            focal=0.0,
            mixed_pairs=0,
            mixed_lists=0,
            temperature=0.05,
            false_negative_margin=0.0,
            dims=DIMS,
            dim_weights=(1.0, 0.5, 1.0),
            query_tokens=32,
            passage_tokens=60,
            kept_tokens=60_000,
            task_exponent=0.7,
            device="cpu",
            precision="bf16",
            save_every=50,
        )
    )
    halve(soup((learned, base), (LEARNED, 1 - LEARNED), output / "soup"), output / "kalm-nano")


def halve(model: Path, output: Path) -> Path:
    """A folder in fp16, its tokenizer without spaces: what is shipped. Its golden vectors are made anew;
    config.json still says float32, which is what readers are to compute in."""
    shutil.copytree(model, output, ignore=shutil.ignore_patterns("model.safetensors", "golden.json"))
    weights = {name: value.half() for name, value in load_file(model / "model.safetensors").items()}
    save_file(weights, output / "model.safetensors", metadata={"format": "pt"})
    tokenizer = json.loads((output / "tokenizer.json").read_text(encoding="utf-8"))
    compact = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (output / "tokenizer.json").write_text(compact, encoding="utf-8")
    finish(output, (model / "README.md").read_text(encoding="utf-8"))
    return output


def _rows(pack: Path) -> tuple[list[Row], dict[str, dict[str, None]], set[str]]:
    """(all rows, their tasks told apart by language; language -> its texts; English terms)."""
    rows: list[Row] = []
    terms: set[str] = set()
    languages: dict[str, dict[str, None]] = defaultdict(dict)
    for file in files(pack):
        for _, fields in lines_of(file):
            if fields.get("source") in LEFT_OUT or "pos" not in fields:
                continue
            asked, told = _language(fields["lang"]), fields["pos_lang"]
            rows.append(Row(fields["query"], tuple(fields["pos"][:3]), task=_task(file.name, fields)))
            if fields["task"] not in {"term", "synonyms"}:
                languages[asked][fields["query"]] = None
                languages[told].update(dict.fromkeys(fields["pos"][:3]))
            else:
                terms.update(
                    fields["pos"][:3] if told == "en" else (), [fields["query"]] if asked == "en" else ()
                )
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.task] += 1
    few = {task for task, count in counts.items() if "/" in task and count < FEWEST}
    return (
        [replace(row, task=f"{row.task.partition('/')[0]}/few") if row.task in few else row for row in rows],
        languages,
        terms,
    )


def _taught(english: Collection[str], terms: set[str], rng: np.random.Generator) -> list[str]:
    long = sorted(text for text in english if len(text) > SHORT_CHARS)
    chosen = {long[at] for at in rng.permutation(len(long))[:LONG_TEXTS]}
    return sorted(chosen | terms | {text for text in english if len(text) <= SHORT_CHARS})


def _language(code: str) -> str:
    """Of the asking side, where `sw-en` is a Swahili question about an English passage."""
    return code.removesuffix("-en")


def _task(file: str, fields: dict[str, Any]) -> str:
    """Translations are one task, so that no language gives a passage away; all else has one by language."""
    if fields["task"] in {"parallel", "parallel_section"}:
        return str(fields["task"])
    if fields["task"] in {"term", "synonyms"}:
        return "term"
    if fields["source"] == "tldr-pages":
        return f"tldr/{fields['lang']}"
    return f"{file.partition('.')[0]}/{fields['lang']}"


def _letters(languages: dict[str, dict[str, None]], rng: np.random.Generator, chars: int) -> Iterator[Row]:
    """Texts for the tokenizer, each language's by its size to the power of 0.4."""
    sizes = {language: sum(map(len, texts)) for language, texts in languages.items()}
    shares = {name: size**0.4 * (1 if name in CORE else 0.15) for name, size in sizes.items()}
    for language, texts in languages.items():
        left = chars * shares[language] / sum(shares.values())
        held = list(texts)
        for text in (held[at] for at in rng.permutation(len(held))):
            if left <= 0:
                break
            left -= len(text[:600])
            yield Row(text[:600], (text[:600],), task=language)


def _chosen(
    rows: Iterable[Row], languages: dict[str, dict[str, None]], rng: np.random.Generator, count: int
) -> Iterator[Row]:
    """Rows for the layers, by `SHARES`, and within them by a task's size to the power of 0.6."""
    kinds: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        kinds[row.task.partition("/")[0]][row.task].append(row)
    for language, texts in languages.items():
        spans = [span for text in texts if len(text) > 60 and (span := _span(text, language, rng))]
        if len(spans) >= FEWEST:
            kinds["spans"][f"spans/{language}"] = spans
    for kind, share in SHARES.items():
        sizes = {task: len(held) ** 0.6 for task, held in kinds[kind].items()}
        for task, held in kinds[kind].items():
            wanted = min(len(held), int(count * share * sizes[task] / sum(sizes.values())))
            for row in (held[at] for at in rng.choice(len(held), wanted, replace=False)):
                first, second = row.query, row.positives[0][:MOST_CHARS]
                if kind.startswith("parallel") and rng.random() < 0.5:
                    first, second = second, first
                yield replace(row, query=first, positives=(second,))


def _nearest_windows(rows: Iterable[Row], reader: Reader) -> list[Row]:
    """The rows, each with that window of its passage that is nearest to its query."""
    rows = list(rows)
    parts, owners = [], []
    for at, row in enumerate(rows):
        found = windows(row.positives[0], reader.encoder.token_spans)
        parts += found
        owners += [at] * len(found)
    queries = reader.encode_queries([row.query for row in rows])
    near = (queries[owners] * reader.encode_documents(parts)).sum(axis=1)
    best: dict[int, int] = {}
    for part, owner in enumerate(owners):
        if owner not in best or near[part] > near[best[owner]]:
            best[owner] = part
    return [replace(row, positives=(parts[best[at]],)) for at, row in enumerate(rows)]


def windows(text: str, token_spans: Callable[[str], Sequence[tuple[int, int]]]) -> list[str]:
    """Parts of `WINDOW` tokens at most, equally long."""
    spans = token_spans(text)
    count = max(1, -(-len(spans) // WINDOW))
    cuts = [len(spans) * number // count for number in range(count + 1)]
    return [text[spans[begin][0] : spans[end - 1][1]] for begin, end in pairwise(cuts) if end > begin] or [
        text
    ]


def _span(text: str, language: str, rng: np.random.Generator) -> Row | None:
    """A few words of a text, or characters where it has no spaces, that look for the text."""
    text = text[:600]
    words = text.split()
    if len(words) > 12:
        size = int(rng.integers(3, min(12, len(words) // 2) + 1))
        begin = int(rng.integers(len(words) - size))
        span = " ".join(words[begin : begin + size])
    else:
        size = int(rng.integers(8, max(9, min(30, len(text) // 2)) + 1))
        begin = int(rng.integers(max(1, len(text) - size)))
        span = text[begin : begin + size].strip()
    return Row(span, (text,), task=f"spans/{language}") if len(span) > 3 and span != text else None


if __name__ == "__main__":
    torch.set_num_threads(1)
    tyro.cli(main)
