"""Our encoder against what users would pick instead, on the same weights: python -m benchmarks.encoder

The weights are a random Qwen2 of KaLM-0.5B's exact shape (and all-MiniLM-L6-v2's, which are real), the texts
cuts of the sample library with lengths as they come in practice. Sides that pad pay for it, the more the
fewer texts they have to sort, so one table is of texts of one length. All sides take turns in one process
with the same threads, so that whatever else the machine does hits all of them. Beside every speed stands
what it costs: the worst cosine to fp32. Memory is measured in a process of its own for each precision.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import tyro
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

import embedder
from benchmarks.machine import describe, percentile
from benchmarks.texts import MOST_TOKENS, cuts
from embedder.cpu import ROWS, Int8Linear, PackedLinear
from embedder.encoder import Vectors
from embedder.locate import locate

Encode = Callable[[Sequence[str]], Vectors]
Sides = dict[str, Encode]
PRECISIONS = ("fp32", "bf16", "int8")
REFERENCE = "sentence-transformers"
EVALPACK = Path(__file__).parents[2] / "shared" / "data" / "evalpack" / "dev"

_KALM = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "is_causal": False,
}
"""facts of KaLM-Embedding's config.json."""
_LINEAR_WEIGHTS = 24 * (896 * (896 + 2 * 128) + 896 * 896 + 3 * 896 * 4864)


def main(rounds: int = 3, texts: int = 128, memory: bool = True, only_nano: bool = False) -> None:
    """Print all tables: the 0.5B shape, memory, and the small models. A quarter of an hour on 2 cores."""
    print(f"{describe()}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as scratch:
        folder = _random_kalm(Path(scratch) / "kalm-shape")
        _nano(folder, rounds, texts)
        if only_nano:
            return
        _speed(folder, rounds, texts)
        if memory:
            _memory(folder)
    if EVALPACK.is_dir():
        _real(rounds)


def _speed(folder: Path, rounds: int, texts: int) -> None:
    sides = _sides(folder)
    tokenizer = embedder.load(str(folder), "cpu", "bf16")
    batch = list(cuts(tokenizer, texts))
    tokens = sum(len(tokenizer.token_spans(text)) + 2 for text in batch)
    query = next(text for text in batch if len(tokenizer.token_spans(text)) >= 14)
    query = query[: tokenizer.token_spans(query)[13][1]]  # 16 with special tokens
    peaks = {"fp32": _peak(PackedLinear, torch.float32), "bf16": _peak(PackedLinear, torch.bfloat16)}
    peaks["int8"] = _peak(Int8Linear, None)
    print(f"\nKaLM-0.5B's shape, {texts} texts of {tokens / texts:.0f} tokens on average, {rounds} rounds")
    _table(sides, batch, rounds, tokens, "tokens/s", peaks)
    longest = list(cuts(tokenizer, 8, exactly=MOST_TOKENS))
    print(f"\n8 texts of {MOST_TOKENS + 2} tokens each: nobody pads")
    _table(sides, longest, rounds, 8 * (MOST_TOKENS + 2), "tokens/s", peaks)
    print("\none query of 16 tokens")
    _table(sides, [query], max(15, 3 * rounds), 1000, "ms", {})


def _table(
    sides: Sides, batch: Sequence[str], rounds: int, work: float, unit: str, peaks: dict[str, float]
) -> None:  # fmt: skip
    vectors = {name: encode(batch) for name, encode in sides.items()}  # also the warm-up
    cosines = {name: float((found * vectors[REFERENCE]).sum(axis=1).min()) for name, found in vectors.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            begin = time.perf_counter()
            sides[name](batch)
            times[name].append(time.perf_counter() - begin)
    print(f"{'':<30} {unit:>9} {'ratio':>6} {'p10-p90':>11}  worst cosine  of the GEMM peak")
    for name, seconds in times.items():
        ratios = [slow / fast for fast, slow in zip(seconds, times[REFERENCE], strict=True)]
        figure = work / median(seconds) if unit == "tokens/s" else work * median(seconds)
        spread = f"{percentile(ratios, 10):.2f}-{percentile(ratios, 90):.2f}"
        peak = peaks.get(name.removeprefix("ours "))
        share = f"{figure * 2 * _LINEAR_WEIGHTS / 1e9 / peak:.0%} of {peak:.0f} GFLOP/s" if peak else ""
        print(
            f"{name:<30} {figure:>9.1f} {median(ratios):>6.2f} {spread:>11}  {cosines[name]:>12.6f}  {share}",
            flush=True,
        )


def _sides(folder: Path) -> Sides:
    """Everybody who takes part, by name."""
    theirs = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"}
    )
    for module in theirs.modules():  # they leave the layers' own flags causal
        if hasattr(module, "is_causal"):
            module.is_causal = False
    sides: Sides = {}
    for precision in PRECISIONS:
        sides[f"ours {precision}"] = embedder.load(str(folder), "cpu", precision).encode_documents
    sides[REFERENCE] = lambda batch: theirs.encode(
        list(batch), normalize_embeddings=True, show_progress_bar=False
    )
    try:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    except ImportError:
        print("LlamaIndex's HuggingFaceEmbedding is not installed: left out")
    else:
        other = HuggingFaceEmbedding(str(folder), device="cpu", model_kwargs={"dtype": "float32"})
        for module in other._model.modules():
            if hasattr(module, "is_causal"):
                module.is_causal = False
        sides["llama-index HuggingFace"] = lambda batch: np.array(other.get_text_embedding_batch(list(batch)))
    return sides


def _random_kalm(folder: Path) -> Path:
    """A model of KaLM's shape in bf16, as the authors ship v2, with a small tokenizer."""
    torch.manual_seed(0)
    with torch.device("meta"):
        network = Qwen2Model(Qwen2Config(**_KALM))
    network = network.to(torch.bfloat16).to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02) if parameter.dim() > 1 else torch.nn.init.ones_(parameter)
    for name, parameter in network.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.zeros_(parameter)
    network.save_pretrained(folder)
    bert = PreTrainedTokenizerFast(tokenizer_file=str(locate("all-MiniLM-L6-v2")[1] / "tokenizer.json"))
    bert.save_pretrained(folder)
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [
        {
            "idx": at,
            "name": str(at),
            "path": f"{at}_{kind}" if at else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for at, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"embedding_dimension": 896, "pooling_mode": "mean"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16384}')
    return folder


def _peak(layer: Any, dtype: torch.dtype | None) -> float:
    """The fastest matrix product in KaLM's shapes, GFLOP/s: gate and up, the largest."""
    named = {} if dtype is None else {"dtype": dtype}
    product = layer(torch.randn(4864, 896), None, **named)
    x = torch.randn(ROWS, 896, dtype=torch.bfloat16 if dtype is None else dtype)
    steps = (x * 20).to(torch.int8)
    run = (lambda: product._product(steps)) if dtype is None else (lambda: product(x))
    with torch.inference_mode():
        run()
        best = min(_seconds(run) for _ in range(20))
    return 2 * ROWS * 896 * 4864 / best / 1e9


def _seconds(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _nano(folder: Path, rounds: int, texts: int) -> None:
    """kalm-nano beside the 0.5B shape, in turns: tokens/s of each one's own tokens; a query; loading."""
    begin = time.perf_counter()
    nano = embedder.load("kalm-nano", "cpu")
    print(f"\nkalm-nano, loaded in {time.perf_counter() - begin:.2f} s")
    encoders = {"kalm-nano": nano, "0.5B": embedder.load(str(folder), "cpu")}
    batch = list(cuts(encoders["0.5B"], texts))
    tokens = {
        name: sum(len(one.token_spans(embedder.fit(text, one)[0])) for text in batch)
        for name, one in encoders.items()
    }
    speeds: dict[str, list[float]] = {name: [] for name in encoders}
    for number in range(rounds + 1):
        for name in sorted(encoders, reverse=bool(number % 2)):
            fitted = [embedder.fit(text, encoders[name])[0] for text in batch]
            speeds[name].append(tokens[name] / _seconds(lambda: encoders[name].encode_documents(fitted)))  # noqa: B023
    ratios = [fast / slow for fast, slow in zip(speeds["kalm-nano"], speeds["0.5B"], strict=True)][1:]
    for name, found in speeds.items():
        print(f"{name:<12}{median(found[1:]):>10.0f} tokens/s")
    print(f"ratio {median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f}")
    queries = [f"how long do refunds take for order {number}?" for number in range(100)]
    times = [_seconds(lambda: nano.encode_queries([query])) for query in queries]  # noqa: B023
    print(f"a query of kalm-nano: p50 {1000 * median(times):.2f} ms, p95 {1000 * percentile(times, 95):.2f}")


def _memory(folder: Path) -> None:
    """Peak memory with texts of 8,000 tokens among others, for each precision in a process of its own."""
    print("\npeak memory in bulk, texts of 8,000 tokens included, MB")
    weights = {"fp32": 4, "bf16": 2, "int8": 1}
    for precision, each in weights.items():
        command = [sys.executable, "-m", "benchmarks.texts", str(folder), precision]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        embedding = _KALM["vocab_size"] * 896 * max(2, each)  # type: ignore[operator]
        size = (embedding + _LINEAR_WEIGHTS * each) / 1e6
        limit = 1.3 * size + 500
        print(f"{precision}: {float(run.stdout):.0f}; weights {size:.0f}; 1.3 x weights + 500 is {limit:.0f}")


def _real(rounds: int) -> None:
    """all-MiniLM-L6-v2 on a task of the evaluation pack: speed, and whether the same passages are found."""
    task = EVALPACK / "en_xquad"
    exact = embedder.load("all-MiniLM-L6-v2", "cpu", "fp32")
    rows = [json.loads(line) for line in (task / "corpus.jsonl").read_text().splitlines()]
    passages = [embedder.fit(row["text"], exact)[0] for row in rows]
    questions = [json.loads(line)["text"] for line in (task / "queries.jsonl").read_text().splitlines()]
    tokens = sum(len(exact.token_spans(text)) + 2 for text in passages)
    sides = _sides(locate("all-MiniLM-L6-v2")[1])
    print(f"\nall-MiniLM-L6-v2, en_xquad: {len(passages)} passages, {len(questions)} questions")
    _table(sides, passages, rounds, tokens, "tokens/s", {})
    best = _top_10(exact, questions, passages)
    for precision in PRECISIONS[1:]:
        found = _top_10(embedder.load("all-MiniLM-L6-v2", "cpu", precision), questions, passages)
        same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, found, strict=True)])
        print(f"{precision}: {same:.1%} of the ten passages nearest to a question are those of fp32")


def _top_10(encoder: embedder.Encoder, questions: Sequence[str], passages: Sequence[str]) -> Any:
    scores = encoder.encode_queries(questions) @ encoder.encode_documents(passages).T
    return np.argsort(-scores, axis=1)[:, :10]


if __name__ == "__main__":
    tyro.cli(main)
