"""Rows -> cells of rows that are near one another, so that a search looks into the nearest cells only.

An inverted file (IVF). Built in a child process, `python -m ingest.index.cells`, from files that only grow,
into a folder that appears whole or not at all: whatever is killed, what was there before still serves.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedder.encoder import Vectors
from embedder.pooling import normalise
from ingest.index import codes
from ingest.index.codes import Rows
from ingest.index.contract import Compression

CELL_ROWS = 128
"""Rows of a cell, on average: as many as are scored in the time that it takes to turn to another cell."""
MOST_CELLS = 4096
"""Comparing a query with each takes 0.2 ms."""
_SAMPLE = 40
"""Rows for each cell that k-means learns from."""
_ROUNDS = 8
"""Of k-means; more moved the recall by less than 0.1 points."""
_BLOCK = 8192
_NICE = 15


class Cells:
    """A finished base: rows sorted by cell, memory-mapped."""

    def __init__(self, folder: Path, compression: Compression) -> None:
        self.centroids: Vectors = np.load(folder / "centroids.npy")
        """(cells, key dim), length 1."""
        self.counts: npt.NDArray[np.int64] = np.load(folder / "counts.npy")
        """(cells, languages): rows of each; a cell's rows lie together, in it those of a language."""
        self._ends = self.counts.cumsum().reshape(self.counts.shape)
        kind = codes.row_type(compression)
        rows = folder / "rows"
        self.rows: Rows = np.asarray(np.memmap(rows, kind, "r")) if rows.stat().st_size else np.zeros(0, kind)
        about = json.loads((folder / "about.json").read_text())
        self.points: int = about["points"]
        """Points with rows here, those deleted since included."""
        self.languages: list[bytes] = [one.encode() for one in about["languages"]]

    def nearest(self, key: Vectors, visit: int, languages: Sequence[bytes]) -> list[Rows]:
        """The nearest cells' rows, at least `visit` of them, in the languages asked for (none: all)."""
        wanted = [at for at, one in enumerate(self.languages) if one in languages]
        sizes = self.counts[:, wanted].sum(axis=1) if languages else self.counts.sum(axis=1)
        order = np.argsort(-(self.centroids @ key[0]))
        order = order[sizes[order] > 0]
        cells = order[: int(np.searchsorted(np.cumsum(sizes[order]), visit)) + 1]
        if languages:
            ends, lengths = (
                self._ends[np.ix_(cells, wanted)].ravel(),
                self.counts[np.ix_(cells, wanted)].ravel(),
            )
        else:
            ends, lengths = self._ends[cells, -1], sizes[cells]
        return [
            self.rows[end - length : end]
            for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
            if length
        ]


def build(
    compression: Compression, base: Path | None, logs: Sequence[Path], to: Path, live: Path | None = None
) -> None:
    """Write `base` and `logs` as one base to the folder `to`, which appears when it is whole.

    live: a file of ids, 16 bytes each; rows of other points are left out. The cells of `base` are kept
    until there are twice as many rows as they were made for.
    """
    kind = codes.row_type(compression)
    parts = [np.memmap(path, kind, "r") for path in logs if path.stat().st_size]
    old = Cells(base, compression) if base else None
    rows: Rows = np.concatenate([np.zeros(0, kind), *([old.rows] if old else []), *parts])
    if live is not None:
        rows = rows[np.isin(rows["id"], np.fromfile(live, "V16"))]
        rows = rows[np.unique(rows.view(f"V{kind.itemsize}"), return_index=True)[1]]  # each once
    wanted = int(np.clip(len(rows) // CELL_ROWS, 1, MOST_CELLS))
    keep = old is not None and wanted < 2 * len(old.centroids)
    centroids = old.centroids if keep and old is not None else _learn(rows, wanted)
    cell = _assign(rows, centroids)
    languages, language = np.unique(rows["language"], return_inverse=True)
    order = np.lexsort((language, cell))
    counts = np.zeros((len(centroids), len(languages)), np.int64)
    np.add.at(counts, (cell, language), 1)

    draft = to.with_name(f"{to.name}.{os.getpid()}")
    draft.mkdir()
    np.save(draft / "centroids.npy", centroids)
    np.save(draft / "counts.npy", counts)
    about = {"points": len(np.unique(rows["id"])), "languages": [one.decode() for one in languages.tolist()]}
    (draft / "about.json").write_text(json.dumps(about))
    with (draft / "rows").open("wb") as file:
        for at in range(0, len(order), _BLOCK):
            file.write(rows[order[at : at + _BLOCK]].tobytes())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(to)


def _learn(rows: Rows, number: int) -> Vectors:
    """Spherical k-means: (number, key dim), length 1; of no rows a zero."""
    if not len(rows):
        return codes.keys(np.zeros(1, rows.dtype))
    chance = np.random.default_rng(0)
    sample = codes.keys(rows[np.sort(chance.permutation(len(rows))[: number * _SAMPLE])])
    centroids = sample[chance.permutation(len(sample))[:number]]
    for _ in range(_ROUNDS):
        near = _nearest(sample, centroids)
        order = np.argsort(near, kind="stable")
        there, begins = np.unique(near[order], return_index=True)
        centroids = centroids.copy()
        centroids[there] = normalise(np.add.reduceat(sample[order], begins))
        empty = np.setdiff1d(np.arange(number), there)
        centroids[empty] = sample[chance.integers(len(sample), size=len(empty))]
    return centroids


def _assign(rows: Rows, centroids: Vectors) -> npt.NDArray[np.int64]:
    blocks = [rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)]
    return np.concatenate([np.zeros(0, np.int64), *(_nearest(codes.keys(one), centroids) for one in blocks)])


def _nearest(keys: Vectors, centroids: Vectors) -> npt.NDArray[np.int64]:
    blocks = [keys[at : at + _BLOCK] for at in range(0, len(keys), _BLOCK)]
    return np.concatenate([(block @ centroids.T).argmax(axis=1) for block in blocks])


def main() -> None:
    """Build what a line on stdin says; end when stdin is closed, which is when the service is gone."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_watch, daemon=True).start()
    os.nice(_NICE)
    base, live = (task[name] and Path(task[name]) for name in ("base", "live"))
    build(
        Compression(**task["compression"]), base, [Path(one) for one in task["logs"]], Path(task["to"]), live
    )


def request(
    compression: Compression, base: Path | None, logs: Sequence[Path], to: Path, live: Path | None
) -> bytes:
    """The line that `main` reads."""
    task = {
        "compression": asdict(compression),
        "base": base and str(base),
        "logs": [str(one) for one in logs],
        "to": str(to),
        "live": live and str(live),
    }
    return json.dumps(task).encode() + b"\n"


def clear(folder: Path) -> None:
    """Remove a base, or a draft of one."""
    shutil.rmtree(folder, ignore_errors=True)


def _watch() -> None:
    os.read(0, 1)  # the service never writes a second line: this returns when it is gone
    os._exit(1)


if __name__ == "__main__":
    main()
