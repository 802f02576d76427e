"""The operators of a step and an encoding, padded as on NPUs: no new one unnoticed, none in a wrong dtype.

The list is what was recorded on a CPU; it is no proof that an NPU has them all. A new operator fails here so
that somebody looks it up in Ascend's table of native APIs before it is added.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from tests.training.conftest import WORDS
from training import gradcache, train
from training.batches import Groups
from training.config import TrainConfig
from training.data import Row
from training.distributed import World
from training.objective import Objective, label, passages_of
from training.student import Student

LOOKED_AT = frozenset(
    """
    _foreach_add_ _local_scalar_dense _log_softmax _log_softmax_backward_data _safe_softmax _softmax
    _softmax_backward_data _to_copy _unsafe_view add add_ addcdiv_ addcmul_ addmm alias all any arange argmax
    bernoulli_ bitwise_and bitwise_not bitwise_or bmm cat clamp_min clone copy_ cos cumsum detach div div_
    embedding embedding_dense_backward empty_like eq expand expm1 full gather ge gelu gelu_backward gt index
    index_add index_copy_ index_put index_put_ index_select isnan lerp_ lift_fresh linalg_vector_norm lt
    masked_fill masked_fill_ mean mm mul mul_ nan_to_num native_layer_norm native_layer_norm_backward ne neg
    new_full new_ones new_zeros ones_like permute pow promote_types repeat repeat_interleave rsqrt rsub
    scalar_tensor scatter scatter_add select select_backward silu silu_backward sin slice slice_backward split
    sqrt squeeze stack sub sum t tanh transpose unsqueeze view where zeros zeros_like
    """.split()
)
ATTENTION = frozenset(
    ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention_for_cpu_backward")
)
"""The CPU's kernels of scaled_dot_product_attention; an NPU has its own."""
NO_BF16 = frozenset(("_log_softmax", "_log_softmax_backward_data", "logsumexp", "nll_loss_forward", "sort"))
"""Ascend's native APIs of torch 2.11 list fp16 and fp32 for them, A2."""
NEVER = frozenset(("kl_div", "_all_to_all_single"))
"""No gradient for kl_div's target; all_to_all takes fp32 only."""


class Recorder(TorchDispatchMode):
    """Operator -> dtypes of the tensors it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
        if func.namespace == "aten":
            name = func.overloadpacket.__name__
            self.seen.setdefault(name, set()).update(tensor.dtype for tensor in tensors)
        return func(*args, **(kwargs or {}))


class Masks(TorchFunctionMode):
    """The masks that attention is given."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype | None] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") == "scaled_dot_product_attention":
            mask = given.get("attn_mask")
            self.dtypes.add(None if mask is None else mask.dtype)
        return func(*args, **given)


@contextmanager
def as_on_npu(config: TrainConfig) -> Iterator[Student]:
    """A student that pads and takes PyTorch's own attention, as `embedder.model` has it outside CPU and
    CUDA."""
    student = Student(config)
    student._by_hand = False
    student._model = replace(student._model, packs=False)
    student.network.config._attn_implementation = "sdpa"
    yield student


@pytest.mark.parametrize("kind", ["qwen2", "bert"])
def test_a_step_and_an_encoding_use_what_was_looked_at(folder: Callable[[str], Path], kind: str) -> None:
    config = TrainConfig(
        model=str(folder(kind)),
        device="cpu",
        precision="bf16",
        stage="distill",
        dims=(16,),
        dim_weights=(1.0, 0.3),
        both_ways=True,
        false_negative_margin=0.1,
    )
    rows = [
        Row(word, (f"{word} road",), ("tree moon", "bread x y"), (0.9,), (0.1, 0.2), task="t")
        for word in WORDS[:8]
    ]
    with as_on_npu(config) as student:
        draw = Groups(rows, config, student.template, student.document_prefix)
        groups = [draw.draw(at, 0) for at in range(len(rows))]
        objective = Objective(config, student.dims, student.dim_weights, World())
        labels = label(groups, torch.device("cpu"))
        texts = [*(group.query for group in groups), *passages_of(groups)]
        sequences = student.tokenise(texts, 64)
        optimizer = train._optimizer(student, config)
        for group in optimizer.param_groups:
            group["fused"] = False  # as `_optimizer` has it on an NPU

        with Masks() as masks, Recorder() as recorder:
            gradcache.step(
                student,
                sequences,
                lambda vectors: objective(vectors[:8], vectors[8:], labels),
                batch_tokens=60,
                seed=1,
            )
            student.arena.clip(1.0)
            optimizer.step()
            student.arena.updated()
            student.encode_queries(["a", "b c d"])

    used = recorder.seen.keys() - ATTENTION
    assert sorted(used - LOOKED_AT) == []
    assert not used & NEVER
    for name in used & NO_BF16:
        assert torch.bfloat16 not in recorder.seen[name], name
    wide = [name for name, dtypes in recorder.seen.items() if torch.float64 in dtypes]
    assert wide == []
    assert masks.dtypes <= {None, torch.bool}
    assert masks.dtypes, "no attention was seen"


def test_what_is_gathered_is_in_dtypes_that_hccl_has(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[torch.Tensor] = []

    def all_gather(parts: list[torch.Tensor], x: torch.Tensor) -> None:
        sent.append(x)
        for part in parts:
            part.copy_(x)

    monkeypatch.setattr("training.distributed.dist.all_gather", all_gather)
    monkeypatch.setattr("training.distributed.dist.get_world_size", lambda: 2)
    config = TrainConfig(dims=(), dim_weights=(), mixed_pairs=0, mixed_lists=0)
    rows = [Row(word, (f"{word} road",), ("tree moon",), task="t") for word in WORDS[:4]]
    draw = Groups(rows, config, "", "")
    groups = [draw.draw(at, 0) for at in range(4)]
    vectors = torch.randn(12, 8)

    with torch.no_grad():
        objective = Objective(config, (8,), (1.0,), World(0, 2))
        objective._board(vectors[:4], vectors[4:], label(groups, torch.device("cpu")), None)

    assert {x.dtype for x in sent} <= {torch.float32, torch.int32}
    assert all(x.is_contiguous() for x in sent)
