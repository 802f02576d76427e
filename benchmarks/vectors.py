"""Vectors as an encoder makes them, without encoding: a tree of topics in KaLM's 896 dims.

Real passages lie in topics within topics, of uneven size; a query lies beside the passages that answer it.
Every topic is its parent and a shift, `RATIO` times as long at each level; a passage is a topic of the last
level and noise, a query a passage and noise. The energy of both falls with the dimension, as training on
prefixes makes it (Matryoshka). All vectors share a common part, as real ones do.

What comes out, over 100,000 passages and 200 queries: the first hit has a cosine of 0.82, the tenth 0.70,
the hundredth 0.63, the median passage 0.13; the ten nearest by 512, 256, 128, 64 dims alone are to 89, 80,
71, 57 % the ten nearest by all 896. No topic stands apart, so nothing is easier than with texts; only real
vectors can say how near to it they are, which is why `kalm collections tune` measures every collection by
itself.
"""

import numpy as np
import numpy.typing as npt

DIM = 896
Vectors = npt.NDArray[np.float32]

BRANCHES = 8
"""Topics in a topic."""
LEAF = 16
"""Passages in a topic of the last level, on average; the sizes are uneven (Pareto, 1.5)."""
RATIO = 0.9
SHARED = 0.8
"""Length of the common part, in shifts of the first level."""
NOISE = 0.8
QUERY_NOISE = 0.7
"""Between a query and the passage that it is made from."""
DECAY = 0.5
"""Energy of dimension i falls by (1 + i / 32) to this power, twice."""
_BLOCK = 20_000


def clustered(passages: int, queries: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """(passages, DIM) and (queries, DIM), length 1; the same for the same seed."""
    chance = np.random.default_rng(seed)
    decay = (1 + np.arange(DIM, dtype=np.float32) / 32) ** -DECAY
    decay /= np.linalg.norm(decay)

    def draw(number: int) -> Vectors:
        return chance.standard_normal((number, DIM), dtype=np.float32) * decay

    topics, shift = SHARED * draw(1), 1.0
    for _ in range(max(1, round(np.log(passages / LEAF) / np.log(BRANCHES)))):
        topics = np.repeat(topics, BRANCHES, axis=0) + shift * draw(len(topics) * BRANCHES)
        shift *= RATIO
    sizes = chance.pareto(1.5, len(topics)) + 0.2
    sizes /= sizes.sum()
    found = np.empty((passages, DIM), np.float32)
    for at in range(0, passages, _BLOCK):
        number = min(_BLOCK, passages - at)
        found[at : at + number] = unit(
            topics[chance.choice(len(topics), number, p=sizes)] + NOISE * draw(number)
        )
    asked = found[chance.integers(passages, size=queries)] + QUERY_NOISE * draw(queries)
    return found, unit(asked)


def unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
