"""A loaded network -> the same network as a CPU runs it fastest, in fp32, bf16 or int8.

Its linear layers are kept in oneDNN's own layout, so that no forward pass reorders a weight, and
Qwen's layers run as one block each: packed sequences, the activation inside the matrix product,
the residual stream in fp32 whatever the products are in. All by operators of stock torch, the exact
version of which is pinned: those of `torch.ops.mkldnn` and `torch.ops.onednn` are not its public API.
benchmarks/encoder.py compares with what else there is.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from embedder.attention import attend
from embedder.device import Precision

ROWS = 512
"""Tokens of a matrix product: from 320 as fast as they get, from 768 their activations leave the caches."""
_product = torch.ops.mkldnn._linear_pointwise
_int8_product = torch.ops.onednn.qlinear_pointwise
_INT8_MAX = 127
_INPUT_MAX = 126
"""Rounding in bf16 on the way adds up to one; 128 would wrap around."""
_TINY = 1e-12


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's layout; computes and answers in its own dtype."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), None)
        self._bias = None if bias is None else bias.to(dtype)

    def forward(self, x: Tensor, activation: str = "none") -> Tensor:
        """x: (..., in) -> (..., out). `activation`: "none", or "swish" for SiLU."""
        out: Tensor = _product(x.to(self.dtype), self._weight, self._bias, activation, [], "")
        return out

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The layer's answer times `other`, elementwise. x: (rows, in); other and out: (rows, out)."""
        out: Tensor = _product.binary(x.to(self.dtype), other, self._weight, self._bias, "mul")
        return out


class Int8Linear(nn.Module):
    """A linear layer of int8 weights, one scale for each output, on inputs of 8 bits, scaled row by row.

    A row's range is its own, so that a text's vector does not depend on what it is batched with.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        weight = weight.float()
        self._scales = (weight.abs().amax(dim=1) / _INT8_MAX).clamp_min(_TINY)
        rounded = (weight / self._scales.unsqueeze(1)).round_()
        self._weight = torch.ops.onednn.qlinear_prepack(rounded.to(torch.int8), None)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._sums = (rounded.sum(dim=1) * self._scales).to(torch.bfloat16)  # what an input of ones gives
        self._bias = None if bias is None else bias.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) -> (..., out), bf16. Steps are counted from the middle of a row's range."""
        rows = x.reshape(-1, x.shape[-1]).float()
        least, largest = rows.amin(dim=1, keepdim=True), rows.amax(dim=1, keepdim=True)
        middle = (least + largest) / 2
        # in bf16, as the product will be: what rounds here divides and multiplies alike
        scales = ((largest - middle) / _INPUT_MAX).clamp_min_(_TINY).to(torch.bfloat16)
        steps = ((rows - middle) / scales).round_().to(torch.int8)
        out = self._product(steps).mul_(scales).addmm_(middle.to(torch.bfloat16), self._sums.unsqueeze(0))
        if self._bias is not None:
            out.add_(self._bias)
        return out.view(*x.shape[:-1], -1)

    def unscaled(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows: (n, in) -> the answer less the rows' scales and the bias, (n, out); those scales, (n, 1).

        For inputs that lie around 0: from minus to plus a row's largest, which is quicker.
        """
        rows = rows.to(torch.bfloat16)
        # bits of what is not negative rank as the numbers do, and faster
        largest = rows.abs().view(torch.int16).amax(dim=1, keepdim=True).view(torch.bfloat16)
        scales = (largest / _INPUT_MAX).clamp_min_(_TINY)
        return self._product((rows / scales).round_().to(torch.int8)), scales

    def _product(self, steps: Tensor) -> Tensor:
        """steps: (n, in), int8 -> (n, out), bf16."""
        one, zero = 1.0, 0  # oneDNN takes one scale for all rows: theirs follow
        out: Tensor = _int8_product(
            steps, one, zero, self._weight, self._scales, self._zeros, None, one, zero, torch.bfloat16,
            "none", [], "",
        )  # fmt: skip
        return out


class PackedMlp(nn.Module):
    """down(silu(gate(x)) * up(x)), the elementwise steps inside the products. No biases: Qwen has none."""

    def __init__(self, gate: Tensor, up: Tensor, down: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self._gate, self._up, self._down = (PackedLinear(part, None, dtype) for part in (gate, up, down))

    def forward(self, x: Tensor) -> Tensor:
        """x: (rows, dim) -> (rows, dim)."""
        x = x.to(self._gate.dtype)
        out: Tensor = self._down(self._up.times(x, self._gate(x, "swish")))
        return out


class Int8Mlp(nn.Module):
    """down(silu(gate(x)) * up(x)), gate and up as one product."""

    def __init__(self, gate: Tensor, up: Tensor, down: Tensor) -> None:
        super().__init__()
        self._gate_up, self._down = Int8Linear(torch.cat([gate, up]), None), Int8Linear(down, None)

    def forward(self, x: Tensor) -> Tensor:
        """x: (rows, dim) -> (rows, dim), bf16."""
        both, scales = self._gate_up.unscaled(x)
        gate, up = both.chunk(2, dim=-1)
        out, more_scales = self._down.unscaled(silu(gate.mul_(scales), inplace=True).mul_(up))
        return out.mul_(scales * more_scales)  # up's scales: a row's own, so they may come last


class Kit(NamedTuple):
    """What layers are made of in one precision."""

    linear: Callable[[Tensor, Tensor | None], nn.Module]
    mlp: Callable[[Tensor, Tensor, Tensor], nn.Module]
    """Of the weights of gate, up and down."""


_KITS: dict[Precision, Kit] = {
    "fp32": Kit(partial(PackedLinear, dtype=torch.float32), partial(PackedMlp, dtype=torch.float32)),
    "bf16": Kit(partial(PackedLinear, dtype=torch.bfloat16), partial(PackedMlp, dtype=torch.bfloat16)),
    "int8": Kit(Int8Linear, Int8Mlp),
}


class QwenLayer(nn.Module):
    """A decoder layer of Qwen2 or Qwen3, over sequences laid end to end. `layer` is transformers' own."""

    def __init__(self, layer: Any, kit: Kit) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [part.bias for part in parts if part.bias is not None]
        first, second = layer.input_layernorm, layer.post_attention_layernorm
        self._epsilon = first.variance_epsilon
        self._head_dim: int = attention.head_dim
        self._heads = attention.q_proj.out_features // self._head_dim
        self._key_heads = attention.k_proj.out_features // self._head_dim
        self._causal = bool(attention.is_causal)
        self._scale: float = attention.scaling
        self._norms = (getattr(attention, "q_norm", None), getattr(attention, "k_norm", None))  # Qwen3's
        # a norm's weight and the product after it are one matrix: W (w * x) = (W w) x
        weight = torch.cat([part.weight.float() for part in parts]) * first.weight
        self._qkv = kit.linear(weight, torch.cat(biases) if biases else None)
        self._out = kit.linear(attention.o_proj.weight, attention.o_proj.bias)
        gate, up = (part.weight.float() * second.weight for part in (mlp.gate_proj, mlp.up_proj))
        self._mlp = kit.mlp(gate, up, mlp.down_proj.weight)

    def forward(
        self, hidden: Tensor, *, position_embeddings: tuple[Tensor, Tensor], lengths: Sequence[int], **_: Any
    ) -> Tensor:
        """hidden: (1, tokens, dim); position_embeddings: cosines and sines, both (1, tokens, head dim)."""
        stream = hidden[0].float()  # (tokens, dim); from the second layer on this is `hidden` itself
        qkv = torch.cat([self._qkv(self._norm(rows)) for rows in torch.split(stream, ROWS)])
        attended = self._attend(qkv.view(len(qkv), -1, self._head_dim), position_embeddings, lengths)
        for rows, found in zip(torch.split(stream, ROWS), torch.split(attended, ROWS), strict=True):
            rows += self._out(found)
            rows += self._mlp(self._norm(rows))
        return stream[None]

    def _norm(self, rows: Tensor) -> Tensor:
        """Root mean square norm; its weight is in the product that follows."""
        return rms_norm(rows, rows.shape[-1:], None, self._epsilon)

    def _attend(self, qkv: Tensor, positions: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
        """qkv: (tokens, heads + 2 key heads, head dim) -> (tokens, heads x head dim)."""
        query, key, value = torch.split(qkv, [self._heads, self._key_heads, self._key_heads], dim=1)
        if self._norms[0] is not None and self._norms[1] is not None:
            query, key = self._norms[0](query), self._norms[1](key)
            both = torch.cat([query, key], dim=1)
        else:
            both = qkv[:, : self._heads + self._key_heads]
        cos, sin = (part[0].unsqueeze(1).to(both.dtype) for part in positions)  # (tokens, 1, head dim)
        left, right = both.chunk(2, dim=-1)
        both = both * cos + torch.cat([-right, left], dim=-1) * sin
        query, key = torch.split(both, [self._heads, self._key_heads], dim=1)
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))  # heads first
        return attend(query, key, value, lengths, causal=self._causal, scale=self._scale).flatten(1)


def kit_of(precision: Precision) -> Kit:
    return _KITS[precision]


@torch.inference_mode()
def quicken(network: nn.Module, precision: Precision) -> None:
    """Replace a network's linear layers by those above."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, _KITS[precision].linear(child.weight, child.bias))
