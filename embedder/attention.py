"""Attention over sequences laid end to end: each sees only itself, nothing is padded.

Registered with transformers as one of its attention functions, so that its stock models run packed.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

PACKED = "kalm_packed"
"""What a config's `_attn_implementation` must say. Unknown to transformers' mask functions on purpose:
they then make no mask, and there is nothing to mask but the borders."""


def attend(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], *, causal: bool, scale: float | None
) -> Tensor:
    """Attention within each sequence.

    query: (heads, tokens, head dim); key, value: (key heads, tokens, head dim), where key heads divides
    heads; lengths: tokens of each sequence, their sum is `tokens`. Returns (tokens, heads, head dim).
    """
    if query.device.type == "cuda" and query.dtype in {torch.bfloat16, torch.float16}:
        return _on_cuda(query, key, value, lengths, causal=causal, scale=scale)
    heads, key_heads = query.shape[0], key.shape[0]
    runs = [(length, len(list(run))) for length, run in groupby(lengths)]  # sorted by length: few
    cuts = [length * count for length, count in runs]
    found = []
    # split and cat, not slices: each slice's gradient would be as large as the whole
    parts = [torch.split(x, cuts, dim=1) for x in (query, key, value)]
    for (length, count), *part in zip(runs, *parts, strict=True):
        q, k, v = (x.reshape(len(x), count, length, -1).transpose(0, 1) for x in part)
        if causal or heads == key_heads:
            seen = scaled_dot_product_attention(
                q, k, v, is_causal=causal, scale=scale, enable_gqa=heads != key_heads
            )
        else:  # the query heads of a key head become more queries of it: no key is copied
            folded = q.reshape(count, key_heads, -1, q.shape[-1])
            seen = scaled_dot_product_attention(folded, k, v, scale=scale).view(q.shape)
        found.append(seen.transpose(1, 2).flatten(0, 1))  # (tokens of the run, heads, head dim)
    return torch.cat(found)


def _on_cuda(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], *, causal: bool, scale: float | None
) -> Tensor:
    """One flash kernel for all sequences, whatever their lengths."""
    from torch.nn.attention.varlen import varlen_attn

    borders = torch.tensor([0, *lengths], device=query.device).cumsum(0).to(torch.int32)
    found = varlen_attn(
        query.transpose(0, 1),
        key.transpose(0, 1),
        value.transpose(0, 1),
        cu_seq_q=borders,
        cu_seq_k=borders,
        max_q=max(lengths),
        max_k=max(lengths),
        scale=scale,
        window_size=(-1, 0) if causal else (-1, -1),
        enable_gqa=query.shape[0] != key.shape[0],
    )
    assert isinstance(found, Tensor)
    return found


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
    causal = bool(module.is_causal)
    return attend(query[0], key[0], value[0], lengths, causal=causal, scale=scaling)[None], None


AttentionInterface.register(PACKED, _packed)
