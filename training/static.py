"""Pairs of texts -> a table of token vectors whose mean describes a text: a model without layers.

What is learned here costs a hundredth of what it costs a transformer, and `training.grow` makes a transformer
of it that begins where this ends. A Qwen without layers is its table, the final norm of each token, and their
mean; the norm's epsilon, large in such models (`ScratchConfig.epsilon`), lets a vector's length count: common
words are short and weigh little. They begin as short as they are common.

A step takes blocks of pairs, each of one task, so that languages are not what sets passages apart. Pairs look
for each other both ways. Beside the pairs, spans of a text look for the text: any language, every word. A
teacher of one language gives targets to its texts and to their translations (arXiv:2004.09813), and the words
of its language begin where it sees them (as Model2Vec's tables do). Its vectors lie in the first numbers.
"""

import logging
import math
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize
from transformers import AutoConfig

import embedder
from embedder.layout import Layout, read_layout
from embedder.tokens import clean, load_tokenizer
from training.config import StaticConfig
from training.data import Row, read, read_texts
from training.errors import BadConfig, BadData, Diverged
from training.reader import Reader

log = logging.getLogger(__name__)
Numbers = NDArray[np.int64]
_SPAN = (4, 16)
"""Tokens of a span, fewest and most."""
_LEAST = 24
"""Tokens of a text that spans are taken from."""
_COMMON = 20
"""Occurrences of a word among the teacher's texts, from which on it begins where the teacher sees it."""
_TABLE = "embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids of texts, one after the other."""

    ids: NDArray[np.uint32]
    begins: Numbers
    sizes: Numbers


@dataclass(frozen=True, slots=True)
class Block:
    """Pairs of texts that are compared with each other; a query may be a part of its text."""

    queries: Numbers
    passages: Numbers
    begins: Numbers
    """Of the queries, in tokens."""
    sizes: Numbers
    """Of the queries; 0 for whole texts."""
    prompted: bool
    alike: bool
    """Each side says what the other says."""


def static(config: StaticConfig) -> Path:
    """Train the table of `config.model`, which has no layers; returns the new folder. Raises TrainingError,
    EncoderError."""
    layout = read_layout(Path(config.model), None)
    shape = AutoConfig.from_pretrained(layout.folder, local_files_only=True)
    if shape.num_hidden_layers:
        raise BadConfig(f"{config.model} has layers: make one with `scratch --layers 0`")
    rng = np.random.default_rng(config.seed)
    rows = [row for row in read(config.data) if row.kind == "retrieval"]
    places: dict[str, int] = {}
    pairs = _pairs(rows, places)
    texts = _tokenised(list(places), layout, max(config.query_tokens, config.passage_tokens))
    prompt = load_tokenizer(layout).encode(layout.query_prompt, add_special_tokens=False).ids
    draw = _Draw(config, pairs, texts, rng)
    table = load_file(layout.folder / "model.safetensors")[_TABLE].float()
    table *= torch.from_numpy(_rarity(texts, pairs, len(table))).float().unsqueeze(1) * config.contrast
    targets, taught = _taught(config, places, layout, table)
    table.requires_grad_()
    optimizer = torch.optim.Adam([table], lr=config.learning_rate, fused=True)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min((step + 1) / 50, max(0.02, 1 - step / config.steps))
        blocks = [draw() for _ in range(config.blocks)]
        vectors = _vectors(table, shape.rms_norm_eps, texts, blocks, prompt, config)
        loss = _contrast(vectors, blocks, config, step)
        if len(targets):
            loss = loss + config.teacher_weight * _distance(vectors, blocks, targets, taught)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the loss of step {step} is {value}: lower --learning-rate")
        optimizer.step()
        if step % 50 == 49:
            log.info("step %d of %d, loss %.3f", step + 1, config.steps, value)
    shutil.copytree(layout.folder, config.output, ignore=shutil.ignore_patterns("*.safetensors"))
    weights = {**load_file(layout.folder / "model.safetensors"), _TABLE: table.detach().contiguous()}
    save_file(weights, config.output / "model.safetensors", metadata={"format": "pt"})
    return config.output


def _pairs(rows: Sequence[Row], places: dict[str, int]) -> dict[str, Numbers]:
    """Task -> (n, 2), query and positive, as places among the distinct texts."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        query = places.setdefault(row.query, len(places))
        for positive in row.positives:
            found.setdefault(row.task, []).append((query, places.setdefault(positive, len(places))))
    return {task: np.array(pairs, np.int64) for task, pairs in found.items()}


def _tokenised(texts: Sequence[str], layout: Layout, most: int) -> Texts:
    tokenizer = load_tokenizer(layout)
    ids: list[NDArray[np.uint32]] = []
    for begin in range(0, len(texts), 10_000):
        part = [clean(text) for text in texts[begin : begin + 10_000]]
        encodings = tokenizer.encode_batch_fast(part, add_special_tokens=False)
        ids += [np.array(encoding.ids[:most] or [0], np.uint32) for encoding in encodings]
    sizes = np.array([len(one) for one in ids], np.int64)
    return Texts(np.concatenate(ids), sizes.cumsum() - sizes, sizes)


def _rarity(texts: Texts, pairs: dict[str, Numbers], vocabulary: int) -> NDArray[np.float64]:
    """Of each token, 0.1 to 1: the logarithm of how few texts have it, in the task where most do (a
    language's little words are rare among all languages)."""
    share = np.full(vocabulary, 1e-4)
    for numbers in pairs.values():
        chosen = np.unique(numbers)[:: max(1, numbers.size // 20_000)]
        if len(chosen) < 300:
            continue
        counts = np.zeros(vocabulary)
        for at in chosen:
            counts[np.unique(texts.ids[texts.begins[at] : texts.begins[at] + texts.sizes[at]])] += 1
        share = np.maximum(share, counts / len(chosen))
    rarity: NDArray[np.float64] = (np.log(share) / math.log(1e-4)).clip(0.1, 1.0)
    return rarity


def _taught(
    config: StaticConfig, places: dict[str, int], layout: Layout, table: Tensor
) -> tuple[Tensor, Tensor]:
    """(the teacher's vectors, turned so that the first numbers say most; each text's row, -1 for none). Moves
    the vectors of its words in `table`."""
    rows = torch.full((len(places),), -1, dtype=torch.long)
    if not config.teacher:
        return torch.empty(0, table.shape[1]), rows
    texts = sorted({text for path in config.taught for text in read_texts(path)} & places.keys())
    if not texts:
        raise BadData("none of the --taught texts is in the data")
    reader = Reader(embedder.load(config.teacher), config.cache)
    if reader.encoder.dim > table.shape[1]:
        raise BadConfig(f"{config.teacher} has {reader.encoder.dim} dims, {config.model} {table.shape[1]}")
    vectors = np.asarray(reader.encode_documents(texts))
    _, directions = np.linalg.eigh(vectors.T @ vectors)  # the least first
    turned = directions[:, ::-1].copy()
    _begin_at_words(table, reader, turned, texts, layout, config.word_share)
    rows[[places[text] for text in texts]] = torch.arange(len(texts))
    return torch.from_numpy(vectors @ turned), rows


def _begin_at_words(
    table: Tensor,
    reader: Reader,
    turned: NDArray[np.float32],
    texts: Sequence[str],
    layout: Layout,
    share: float,
) -> None:
    """Mix `share` of the teacher's vectors of single words into those of tokens that are words; their lengths
    stay."""
    counts = Counter(word for text in texts for word in re.findall(r"[^\W\d_]{2,}", text.lower()))
    vocabulary = load_tokenizer(layout).get_vocab()
    words = sorted(word for word, count in counts.items() if count >= _COMMON and word in vocabulary)
    if not words:
        return
    vectors = reader.encode_documents(words) @ turned
    apart = normalize(torch.from_numpy(vectors - vectors.mean(axis=0)), dim=1)
    at = torch.tensor([vocabulary[word] for word in words])
    lengths = table[at].norm(dim=1, keepdim=True)
    mixed = table[at] * (1 - share)
    mixed[:, : apart.shape[1]] += apart * lengths * share
    table[at] = normalize(mixed, dim=1) * lengths


class _Draw:
    """Blocks of tasks, by their size to the power of `exponent`, and of spans."""

    def __init__(
        self, config: StaticConfig, pairs: dict[str, Numbers], texts: Texts, rng: np.random.Generator
    ) -> None:
        self._config, self._texts, self._rng = config, texts, rng
        self._tasks = list(pairs)
        self._pairs = [pairs[task] for task in self._tasks]
        shares = np.array([len(part) ** config.exponent for part in self._pairs])
        self._shares = shares / shares.sum()
        self._long = [
            np.unique(part)[texts.sizes[np.unique(part)] >= _LEAST].astype(np.int64) for part in self._pairs
        ]
        spans = np.array([len(part) ** config.exponent if len(part) > 1 else 0 for part in self._long])
        self._span_shares = spans / max(spans.sum(), 1)

    def __call__(self) -> Block:
        config, rng = self._config, self._rng
        if self._span_shares.any() and rng.random() < config.spans:
            return self._spans(self._long[rng.choice(len(self._long), p=self._span_shares)])
        number = rng.choice(len(self._pairs), p=self._shares)
        rows = self._pairs[number]
        chosen = rows[rng.choice(len(rows), min(config.block, len(rows)), replace=False)]
        alike = self._tasks[number] in config.alike
        if alike:  # either side asks
            swapped = rng.random(len(chosen)) < 0.5
            chosen[swapped] = chosen[swapped, ::-1]
        whole = np.zeros(len(chosen), np.int64)
        prompted = not alike or bool(rng.random() < 0.5)
        return Block(chosen[:, 0], chosen[:, 1], whole, whole, prompted=prompted, alike=alike)

    def _spans(self, held: Numbers) -> Block:
        rng = self._rng
        texts = held[rng.choice(len(held), min(2 * self._config.block, len(held)), replace=False)]
        room = np.minimum(self._texts.sizes[texts], self._config.passage_tokens)
        sizes = np.minimum(rng.integers(_SPAN[0], _SPAN[1] + 1, len(texts)), room // 2)
        begins = (rng.random(len(texts)) * (room - sizes)).astype(np.int64)
        return Block(texts, texts, begins, sizes, prompted=True, alike=False)


def _vectors(
    table: Tensor,
    epsilon: float,
    texts: Texts,
    blocks: Sequence[Block],
    prompt: Sequence[int],
    config: StaticConfig,
) -> Tensor:
    """(2 n, dim): the queries of all blocks, then their passages. Not normalised."""
    ids, sizes = [], []
    for block in blocks:
        whole = np.minimum(texts.sizes[block.queries], config.query_tokens)
        before = np.array(prompt if block.prompted else [], np.int64)
        part = _gather(texts, block.queries, block.begins, np.where(block.sizes, block.sizes, whole), before)
        ids.append(part)
        sizes.append(np.where(block.sizes, block.sizes, whole) + len(before))
    for block in blocks:
        room = np.minimum(texts.sizes[block.passages], config.passage_tokens)
        ids.append(_gather(texts, block.passages, np.zeros_like(room), room, np.array([], np.int64)))
        sizes.append(room)
    counts = torch.from_numpy(np.concatenate(sizes))
    normed = table * torch.rsqrt(table.square().mean(dim=1, keepdim=True) + epsilon)  # as the final norm does
    sums = embedding_bag(torch.from_numpy(np.concatenate(ids)), normed, counts.cumsum(0) - counts, mode="sum")
    return sums / counts.unsqueeze(1)


def _gather(texts: Texts, chosen: Numbers, begins: Numbers, sizes: Numbers, before: Numbers) -> Numbers:
    """Ids of the texts, laid end to end, with `before` in front of each."""
    totals = sizes + len(before)
    starts = totals.cumsum() - totals
    from_ = texts.begins[chosen] + begins - starts - len(before)
    found: Numbers = texts.ids[np.maximum(np.repeat(from_, totals) + np.arange(totals.sum()), 0)].astype(
        np.int64
    )
    for at, token in enumerate(before):
        found[starts + at] = token
    return found


def _contrast(vectors: Tensor, blocks: Sequence[Block], config: StaticConfig, step: int) -> Tensor:
    """InfoNCE both ways within each block, at full width and at one of the others in turn. The gradient is
    written out: cosines are at most 1, so no maximum need be found, and the exponentials are made once."""
    pairs = len(vectors) // 2
    widths = [vectors.shape[1], config.dims[step % len(config.dims)]]
    weights = [1.0, config.dim_weights[step % len(config.dims)]]
    total = torch.zeros(())
    for width, weight in zip(widths, weights, strict=True):
        unit = normalize(vectors[:, :width], dim=1)
        with torch.no_grad():
            low, gradient, value, begin = unit.bfloat16(), torch.empty_like(unit), 0.0, 0
            for block in blocks:
                end = begin + len(block.queries)
                queries, passages = low[begin:end], low[pairs + begin : pairs + end]
                scores = (queries @ passages.T).float()
                own = scores.diagonal().clone()
                likely = scores.sub_(1).div_(config.temperature).exp_()
                likely[_same(block)] = 0
                by_query, by_passage = likely.sum(dim=1), likely.sum(dim=0)
                value += float((by_query.log() + by_passage.log() - 2 * (own - 1) / config.temperature).sum())
                likely.mul_((1 / by_query).unsqueeze(1) + 1 / by_passage)
                likely.diagonal().sub_(2)
                likely = likely.bfloat16()
                gradient[begin:end] = (likely @ passages).float()
                gradient[pairs + begin : pairs + end] = (likely.T @ queries).float()
                begin = end
            factor = weight / (2 * pairs)
            gradient *= factor / config.temperature
        carried = (unit * gradient).sum()
        total = total + carried - carried.detach() + factor * value
    return total


def _same(block: Block) -> tuple[Tensor, Tensor]:
    """(rows, columns) of pairs that share a text, their own place left out: no negatives of each other."""
    both = np.concatenate([block.queries, block.passages])
    order = np.argsort(both, kind="stable")
    edges = np.flatnonzero(np.diff(both[order])) + 1
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for run in np.split(order, edges):
        members = np.unique(run % len(block.queries))
        if len(members) > 1:
            first, second = np.meshgrid(members, members)
            rows.append(first[first != second])
            columns.append(second[first != second])
    return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(columns))


def _distance(vectors: Tensor, blocks: Sequence[Block], targets: Tensor, taught: Tensor) -> Tensor:
    """Mean of 1 - cosine to the teacher's vector, over all texts; 0 for those without. What is alike shares a
    target. Vectors are compared in as many numbers as the teacher has."""
    wanted: list[Tensor] = [torch.empty(0, dtype=torch.long)] * (2 * len(blocks))
    for at, block in enumerate(blocks):
        queries, passages = taught[block.queries], taught[block.passages]
        if block.alike:
            queries, passages = (
                torch.where(queries < 0, passages, queries),
                torch.where(passages < 0, queries, passages),
            )
        parts = torch.from_numpy(block.sizes) > 0
        wanted[at], wanted[len(blocks) + at] = queries.masked_fill(parts, -1), passages
    target = torch.cat(wanted)
    known = (target >= 0).nonzero().squeeze(1)
    ours = vectors[known, : targets.shape[1]]
    cosines = (normalize(ours, dim=1) * normalize(targets[target[known]], dim=1)).sum(dim=1)
    return (1 - cosines).sum() / len(vectors)
