"""Does a loaded model do what it says? Asked of every model before its first vector is given."""

from collections.abc import Sequence

from embedder.errors import BrokenModel
from embedder.model import Model

_SAME = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.1}
"""Largest difference, relative, that neighbours in a batch may make to token states. In KaLM's shape
rounding makes 1e-6 in fp32 and 0.02 in bf16, neighbours that are seen 1.3."""
_MOVED = 1e-6
"""Smallest change of the first token's state that shows it has seen the last."""


def probe(model: Model, tokens: Sequence[int], name: str) -> None:
    """Warm up, and refuse a model that would give wrong vectors. `tokens`: any text's, more than one.

    What else is in a batch must not change a vector, and the last token must reach the first one's
    state, or not, as the model was trained. Raises BrokenModel.
    """
    text = list(tokens)
    changed = [*text[:-1], text[-1] + 1 if text[-1] == text[0] else text[0]]
    alone = model.run([text]).float()  # (tokens, dim)
    beside = model.run([[*text, *text], text])[2 * len(text) :].float()
    if not alone.isfinite().all():
        raise BrokenModel(f"{name} gives numbers that are not finite; its weights are damaged")
    if (alone - beside).norm() > _SAME[model.device.precision] * alone.norm():
        raise BrokenModel(
            f"{name}: a text's vector depends on its neighbours; their tokens are not kept apart"
        )
    moved = (model.run([changed])[0].float() - alone[0]).abs().max() > _MOVED
    if bool(moved) == model.causal:
        seen = "sees" if moved else "does not see"
        trained = "causal" if model.causal else "bidirectional"
        raise BrokenModel(f"{name} is {trained}, but its first token {seen} the last one")
