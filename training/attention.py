"""Packed attention with a gradient that is fast on CPUs: the scores of each run of equal lengths are made,
used and forgotten, in batched matrix products.

The gradient of torch's own attention takes ten times as long on a CPU for texts of up to a hundred tokens.
Registered with transformers as one of its attention functions, so that its stock models train packed.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface

from embedder.attention import attend

TRAINED = "kalm_trained"
"""What a config's `_attn_implementation` must say."""
LONGEST = 2048
"""Tokens of a text whose scores are made at once; for longer ones torch's own is used."""
_CAUSAL = -1e4
"""Added to the score of a later token; as low as half precision needs."""


def attend_with_gradient(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], *, causal: bool, scale: float
) -> Tensor:
    """As `embedder.attention.attend`: (heads, tokens, head dim) three times -> (tokens, heads, head dim)."""
    query, key = query.to(value.dtype), key.to(value.dtype)  # autocast leaves rotated ones in fp32
    if query.device.type != "cpu" or max(lengths) > LONGEST:
        return attend(query, key, value, lengths, causal=causal, scale=scale)
    found: Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), tuple(lengths), causal, scale
    )
    return found


class _Attention(torch.autograd.Function):
    """(tokens, heads, head dim), twice (tokens, key heads, head dim) -> (tokens, heads, head dim)."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, lengths: tuple[int, ...], causal: bool, scale: float
    ) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.runs, ctx.causal, ctx.scale = _runs(lengths), causal, scale
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        for begin, count, length in ctx.runs:
            part = slice(begin, begin + count * length)
            queries = _by_key_head(q[part], count, k.shape[1])
            keys, values = (_by_key_head(x[part], count, k.shape[1]) for x in (k, v))
            shares = _shares(queries, keys, length, causal, scale)
            out[part] = _by_token(torch.bmm(shares, values), count, length)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
        for begin, count, length in ctx.runs:
            part = slice(begin, begin + count * length)
            queries, wanted = (_by_key_head(x[part], count, k.shape[1]) for x in (q, grad))
            keys, values = (_by_key_head(x[part], count, k.shape[1]) for x in (k, v))
            shares = _shares(queries, keys, length, ctx.causal, ctx.scale)
            dv[part] = _by_token(torch.bmm(shares.transpose(1, 2), wanted), count, length)
            of_shares = torch.bmm(wanted, values.transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype).mul_(ctx.scale)
            dq[part] = _by_token(torch.bmm(of_scores, keys), count, length)
            dk[part] = _by_token(torch.bmm(of_scores.transpose(1, 2), queries), count, length)
        return dq, dk, dv, None, None, None


def _runs(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first token, sequences, tokens of each) for every run of equal lengths."""
    runs, begin = [], 0
    for length, run in groupby(lengths):
        count = len(list(run))
        runs.append((begin, count, length))
        begin += count * length
    return runs


def _by_key_head(x: Tensor, count: int, key_heads: int) -> Tensor:
    """(tokens, heads, head dim) -> (sequences x key heads, heads per key head x tokens of one, head dim)."""
    groups = x.view(count, -1, key_heads, x.shape[1] // key_heads, x.shape[2])
    return groups.permute(0, 2, 3, 1, 4).reshape(count * key_heads, -1, x.shape[2])


def _by_token(x: Tensor, count: int, length: int) -> Tensor:
    """The way back from `_by_key_head`."""
    groups = x.view(count, x.shape[0] // count, -1, length, x.shape[2])
    return groups.permute(0, 3, 1, 2, 4).reshape(count * length, -1, x.shape[2])


def _shares(queries: Tensor, keys: Tensor, length: int, causal: bool, scale: float) -> Tensor:
    """What each token takes of each other: (batch, groups x length, length)."""
    scores = torch.bmm(queries * scale, keys.transpose(1, 2))
    if causal:
        later = torch.full((length, length), _CAUSAL, dtype=scores.dtype).triu_(1)
        scores = (scores.view(len(scores), -1, length, length) + later).view_as(scores)
    return torch.softmax(scores, dim=-1)


def _packed(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    lengths: Sequence[int],
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it: (1, heads, tokens, head dim) three times -> (1, tokens, heads, head dim)."""
    assert attention_mask is None, "a mask was made for sequences that need none"
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    causal = bool(module.is_causal)
    return attend_with_gradient(query[0], key[0], value[0], lengths, causal=causal, scale=scale)[None], None


AttentionInterface.register(TRAINED, _packed)
