"""The model in training against transformers' own, padded and eager."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModel

import embedder
from training import cpu
from training.config import TrainConfig
from training.student import Student

SEQUENCES = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19], [20], [21, 22, 23]]


def student(folder: Path, **settings: object) -> Student:
    return Student(TrainConfig(model=str(folder), **{"precision": "fp32", "device": "cpu", **settings}))  # type: ignore[arg-type]


def eager(folder: Path, sequences: list[list[int]], wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Vectors and gradients as the stock class gives them for a padded batch, mean pooled."""
    network = AutoModel.from_pretrained(folder, attn_implementation="eager", use_cache=False)
    network.eval()
    longest = max(map(len, sequences))
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids in sequences])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in sequences])
    hidden = network(input_ids=tokens, attention_mask=mask).last_hidden_state
    vectors = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    (vectors * wanted).sum().backward()
    return vectors.detach(), {
        name: p.grad
        for name, p in network.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }


@pytest.mark.parametrize("kind", ["qwen2", "bert"])
def test_packed_vectors_and_gradients_are_those_of_a_padded_eager_batch(
    folder: Callable[[str], Path], kind: str
) -> None:
    ours = student(folder(kind))
    ours.network.eval()
    wanted = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))

    vectors = ours.vectors(SEQUENCES)
    (vectors * wanted).sum().backward()

    expected, gradients = eager(folder(kind), SEQUENCES, wanted)
    assert torch.allclose(vectors, expected, atol=1e-5)
    found = {name: p.grad for name, p in ours.network.named_parameters()}
    for name, gradient in gradients.items():
        assert found[name] is not None
        assert torch.allclose(found[name], gradient, atol=1e-5 * float(gradient.abs().max()) + 1e-6), name


def test_the_layers_written_by_hand_are_used_for_qwen_and_only_where_all_is_trained(qwen: Path) -> None:
    whole, part = student(qwen), student(qwen, lora=4)

    assert cpu.supports(whole.network, whole.arena)
    assert not cpu.supports(part.network, part.arena)


def test_in_bf16_gradients_point_where_those_in_fp32_do(qwen: Path) -> None:
    wanted = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))
    gradients = []
    for precision in ("fp32", "bf16"):
        ours = student(qwen, precision=precision)
        (ours.vectors(SEQUENCES) * wanted).sum().backward()
        gradients.append(ours.arena.grads.clone())

    assert torch.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.999


def test_a_causal_base_becomes_bidirectional_unless_told_otherwise(qwen: Path) -> None:
    first = []
    for bidirectional in (True, False):
        ours = student(qwen, bidirectional=bidirectional)
        ours.pooling = "cls"
        first.append([ours.vectors([[5, 6, last]])[0].detach() for last in (7, 8)])

    assert not torch.equal(*first[0])
    assert torch.equal(*first[1])


def test_lora_starts_as_the_base_and_trains_little(qwen: Path) -> None:
    base, ours = student(qwen), student(qwen, lora=2)

    assert torch.allclose(base.vectors(SEQUENCES), ours.vectors(SEQUENCES), atol=1e-6)
    assert len(ours.arena.values) < len(base.arena.values) / 2


def test_its_encoder_is_the_products(qwen: Path) -> None:
    texts = ["red cat", "blue dog house tree", "rain"]

    ours, theirs = student(qwen), embedder.load(str(qwen), "cpu", "fp32")

    assert abs(ours.encode_queries(texts) - theirs.encode_queries(texts)).max() < 1e-5
    assert abs(ours.encode_documents(texts) - theirs.encode_documents(texts)).max() < 1e-5
