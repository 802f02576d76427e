"""Rows in tasks of neighbours."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from embedder.encoder import Vectors
from training.cluster import cluster
from training.data import Row


class Places:
    """Texts that are numbers: their place on a circle."""

    dims = (2,)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_documents(texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        angles = np.array([float(text) for text in texts]) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_groups_are_of_neighbours_and_no_larger_than_asked() -> None:
    rows = [Row(f"q{at}", (str(at),), task="qa") for at in np.random.default_rng(0).permutation(100).tolist()]

    found = cluster(rows, Places(), most=30)

    groups = defaultdict(list)
    for row in found:
        groups[row.task].append(int(row.positives[0]))
    assert sorted(map(len, groups.values())) == [25, 25, 25, 25]
    assert all(max(members) - min(members) == 24 for members in groups.values())
    assert sorted(row.query for row in found) == sorted(row.query for row in rows)


def test_rows_of_one_passage_go_to_different_groups() -> None:
    rows = [Row(f"q{turn}{at}", (str(at),), task="qa") for turn in range(2) for at in range(10)]

    found = cluster(rows, Places(), most=10)

    assert Counter(row.task for row in found) == {"qa/0/0": 10, "qa/1/0": 10}
