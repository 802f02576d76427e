"""Qwen's layers as a CPU trains them fastest: gradients written out, products in bf16, the residual stream in
fp32, few passes over memory.

The parameters are those of transformers' own class, in an `Arena`. The gradients of matrices are added where
they belong and never made as tensors of their own: a vocabulary's would be most of a small model's time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, silu
from transformers import PreTrainedModel

from training.arena import Arena
from training.attention import attend_with_gradient


def supports(network: PreTrainedModel, arena: Arena) -> bool:
    """Whether `states` may be used: a Qwen on a CPU, all of it trained."""
    return (
        network.config.model_type in {"qwen2", "qwen3"}
        and network.device.type == "cpu"
        and all(parameter.requires_grad for parameter in network.parameters())
        and all(arena.holds(*_weights(layer.self_attn)) for layer in _layers(network))
    )


def states(network: PreTrainedModel, arena: Arena, tokens: Tensor, lengths: Sequence[int]) -> Tensor:
    """Token states of sequences laid end to end.

    tokens: (tokens,), the ids; lengths: tokens of each sequence. Returns (tokens, dim), as the parameters
    are.
    """
    embedding: Any = network.embed_tokens
    table = embedding.weight
    _, table_grad = arena.joined(table)
    low = arena.low.dtype
    stream: Tensor = _Embedding.apply(table, table_grad, tokens)  # type: ignore[no-untyped-call]
    positions = torch.cat([torch.arange(length) for length in lengths])
    cos, sin = network.rotary_emb(stream[None], positions[None])  # type: ignore[operator]
    rotation = cos[0].unsqueeze(1).to(low), sin[0].unsqueeze(1).to(low)  # (tokens, 1, head dim)
    for layer in network.layers:  # type: ignore[union-attr]
        stream = stream + _attention(
            layer.self_attn, arena, _norm(layer.input_layernorm, stream, low), rotation, lengths
        )
        stream = stream + _mlp(layer.mlp, arena, _norm(layer.post_attention_layernorm, stream, low))
    return _norm(network.norm, stream, stream.dtype)


def _attention(
    layer: Any, arena: Arena, x: Tensor, rotation: tuple[Tensor, Tensor], lengths: Sequence[int]
) -> Tensor:
    """x: (tokens, dim) -> (tokens, dim)."""
    weights = _weights(layer)
    biases = [part.bias for part in (layer.q_proj, layer.k_proj, layer.v_proj) if part.bias is not None]
    qkv = _product(x, arena, weights, biases).view(len(x), -1, layer.head_dim)
    key_heads = weights[1].shape[0] // layer.head_dim
    heads = qkv.shape[1] - 2 * key_heads
    if hasattr(layer, "q_norm"):
        query, key = layer.q_norm(qkv[:, :heads]), layer.k_norm(qkv[:, heads : heads + key_heads])
        both = torch.cat([query, key], dim=1).to(qkv.dtype)
    else:
        both = qkv[:, : heads + key_heads]
    both = _Rotation.apply(both, *rotation)  # type: ignore[no-untyped-call]
    query, key = both.split([heads, key_heads], dim=1)
    query, key, value = (part.transpose(0, 1) for part in (query, key, qkv[:, heads + key_heads :]))
    found = attend_with_gradient(
        query, key, value, lengths, causal=bool(layer.is_causal), scale=layer.scaling
    )
    return _product(found.flatten(1), arena, [layer.o_proj.weight])


def _mlp(layer: Any, arena: Arena, x: Tensor) -> Tensor:
    """x: (tokens, dim) -> (tokens, dim)."""
    gate, up = (_product(x, arena, [part.weight]) for part in (layer.gate_proj, layer.up_proj))
    gated: Tensor = _Gate.apply(gate, up)  # type: ignore[no-untyped-call]
    return _product(gated, arena, [layer.down_proj.weight])


def _product(x: Tensor, arena: Arena, weights: list[Any], biases: Sequence[Any] = ()) -> Tensor:
    """x: (tokens, in) -> (tokens, out of all weights together)."""
    bias = arena.joined(*biases) if biases else (None, None)
    out: Tensor = _Product.apply(x, *arena.joined(*weights), *bias)  # type: ignore[no-untyped-call]
    return out


def _norm(layer: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
    out: Tensor = _Norm.apply(x, layer.weight, layer.variance_epsilon, dtype)  # type: ignore[no-untyped-call]
    return out


def _layers(network: Any) -> Any:
    return network.layers


def _weights(attention: Any) -> list[Any]:
    return [part.weight for part in (attention.q_proj, attention.k_proj, attention.v_proj)]


class _Embedding(torch.autograd.Function):
    """Rows of a table. The table is an argument so that what follows has a gradient."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, table_grad: Tensor, tokens: Tensor) -> Tensor:
        ctx.grad, ctx.tokens = table_grad, tokens
        rows: Tensor = table.index_select(0, tokens)
        return rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, ...]:
        ctx.grad.index_add_(0, ctx.tokens, grad)
        return None, None, None


class _Product(torch.autograd.Function):
    """x W' + b. x: (tokens, in); weight: (out, in); bias: (out,) or None."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        weight_grad: Tensor,
        bias: Tensor | None,
        bias_grad: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.weight_grad, ctx.bias_grad = weight_grad, bias_grad
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        ctx.weight_grad.add_(grad.T @ x)
        if ctx.bias_grad is not None:
            ctx.bias_grad.add_(grad.sum(dim=0, dtype=ctx.bias_grad.dtype))
        return grad @ weight, None, None, None, None


class _Norm(torch.autograd.Function):
    """Root mean square norm, answered in `dtype`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
        scale: Tensor = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()  # (tokens, 1)
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight).to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        grad = grad.to(x.dtype)
        unit = x * scale
        of_weight = torch.linalg.vecdot(grad, unit, dim=0)
        grad = grad * weight
        along = torch.linalg.vecdot(grad, unit).unsqueeze_(1).div_(x.shape[-1])
        return grad.addcmul_(unit, along, value=-1).mul_(scale), of_weight, None, None


class _Rotation(torch.autograd.Function):
    """Rotary positions. x: (tokens, heads, head dim); cos, sin: (tokens, 1, head dim)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        left, right = x.chunk(2, dim=-1)
        return torch.cat([-right, left], dim=-1).mul_(sin).addcmul_(x, cos)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        left, right = (grad * sin).chunk(2, dim=-1)
        return torch.cat([right, -left], dim=-1).addcmul_(grad, cos), None, None


class _Gate(torch.autograd.Function):
    """silu(gate) * up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), silu(gate).mul_(grad)
