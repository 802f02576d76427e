"""The codes of one collection on disk: what was added lies in logs, what was there before in cells.

    state.json    which base and which logs count; replaced in one step: a kill leaves the old or the new one
    base-7/       rows sorted by cell, made by a child process (ingest/index/cells.py)
    log-8         rows added since, in the order they came; looked through from end to end

Rows are written before the engine has their points, so that no point lacks its rows; rows without a point
find nothing and are left out once they are many. Lost, all of it is made again from the engine's vectors.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embedder.encoder import Vectors
from ingest.index import cells, codes
from ingest.index.codes import Rows
from ingest.index.contract import Compression

log = logging.getLogger(__name__)

LOG_ROWS = 10_000
"""Rows in logs that make a new base worth while; they cost a search about a millisecond."""
LONGEST_LOG = 60_000
"""More are not looked through: until a base is made, the engine's own prefix is faster."""
VISIT_ROWS = 6_000
"""That a search looks at, in the nearest cells: 99 % recall at 500,000 points (docs/search-speed.md)."""
CANDIDATES = 100
"""For ten results, unless tuned."""
_STALE = 0.2
"""Share of rows without a point from which a new base leaves them out."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What searches see; replaced as a whole, so they need no lock."""

    base: cells.Cells | None
    logs: tuple[Rows, ...]


class Codes:
    """Rows of every point. Adding and switching are serialised; searching is free."""

    def __init__(self, folder: Path, compression: Compression) -> None:
        """Open what is there, or begin anew where it is of another compression or can't be read."""
        self.compression = compression
        self._folder = folder
        self._kind = codes.row_type(compression)
        self._lock = threading.RLock()
        self._builder: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        folder.mkdir(parents=True, exist_ok=True)
        try:
            state = json.loads((folder / "state.json").read_text())
            if Compression(**state["compression"]) != compression:
                raise ValueError("of another compression")
            for name in filter(None, (state["base"], *state["logs"])):
                (folder / name).stat()
        except (OSError, ValueError, KeyError, TypeError):
            state = {"base": None, "logs": [], "complete": False}
        self._base_name: str | None = state["base"]
        self._logs: list[str] = state["logs"]
        self.complete: bool = state["complete"]
        """Whether every point of the index has its rows here."""
        self._base = cells.Cells(folder / self._base_name, compression) if self._base_name else None
        self._sweep()
        for name in self._logs:
            whole = (folder / name).stat().st_size // self._kind.itemsize * self._kind.itemsize
            os.truncate(folder / name, whole)  # a row half written at a kill has no point
        self._points = (self._base.points if self._base else 0) + sum(
            len(self._map(one)) for one in self._logs
        )
        self._file = self._roll()

    @property
    def rows(self) -> int:
        parts = self._parts
        return (len(parts.base.rows) if parts.base else 0) + self.log_rows

    @property
    def log_rows(self) -> int:
        return sum(map(len, self._parts.logs))

    @property
    def building(self) -> bool:
        """Whether a new base is being made."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def bytes(self) -> int:
        """That searches want in memory."""
        return self.rows * self._kind.itemsize

    def add(self, ids: Sequence[str], languages: Sequence[str], vectors: Sequence[Vectors]) -> None:
        """Write the rows of points. They outlive a kill of this process when it returns."""
        rows = codes.encode(ids, languages, vectors, self.compression)
        with self._lock:
            self._file.write(rows.tobytes())
            self._file.flush()
            self._points += len(ids)
            self._show()

    def sync(self) -> None:
        """On disk, so that they outlive a power cut too."""
        with self._lock:
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Say that every point has its rows."""
        with self._lock:
            self.complete = True
            self._write_state()

    def nearest(
        self, vector: Vectors, candidates: int, languages: Sequence[str], visit: int = VISIT_ROWS
    ) -> list[str]:
        """Ids (hex) of the points whose codes are nearest to a query `(full width,)`, best first."""
        parts = self._parts
        wanted = [codes.name(one) for one in languages]
        found = list(parts.logs)
        if parts.base:
            found += parts.base.nearest(codes.key(vector, self.compression), visit, wanted)
        near = codes.scores(found, vector, self.compression)
        if wanted and parts.logs:
            here = np.isin(np.concatenate([rows["language"] for rows in parts.logs]), wanted)
            near[: len(here)][~here] = -np.inf
        most = min(2 * candidates, len(near))  # a point may have several windows
        best = np.argpartition(-near, most - 1)[:most] if most else np.arange(0)
        best = best[np.argsort(-near[best])]
        best = best[np.isfinite(near[best])]
        begins = np.cumsum([0, *map(len, found)])
        part = np.searchsorted(begins, best, side="right") - 1
        ids: dict[str, None] = {}
        for at, row in zip(part.tolist(), (best - begins[part]).tolist(), strict=True):
            ids[found[at]["id"][row].tobytes().hex()] = None
            if len(ids) == candidates:
                break
        return list(ids)

    def tend(self, live: Callable[[], Iterable[str]], points: Callable[[], int]) -> None:
        """Begin to make a new base if that is worth while; it shows when it is done.

        points: how many the engine has; `live` gives their ids, if many rows have lost theirs.
        """
        if self._points < LOG_ROWS:
            return
        known = points()  # outside of the lock: it wants the index's, whose holders want this one
        with self._lock:
            if self._closed or self.building:
                return
            stale = self._points > (1 + _STALE) * known
            if self.log_rows < LOG_ROWS and not stale:
                return
            self._file.close()
            old = list(self._logs)
            self._file = self._roll()
            self._thread = threading.Thread(
                target=self._build, args=(old, live if stale else None), name="cells", daemon=True
            )
            self._thread.start()

    def wait(self) -> None:
        """Until no base is being made."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._builder is not None:
                self._builder.kill()
        self.wait()
        self._file.close()

    def _build(self, logs: list[str], live: Callable[[], Iterable[str]] | None) -> None:
        """In a child process, which dies with this one; then the new base is switched to."""
        try:
            ids = self._write_live(live()) if live else None
            name = f"base-{self._number()}"
            base = self._folder / self._base_name if self._base_name else None
            request = cells.request(
                self.compression, base, [self._folder / one for one in logs], self._folder / name, ids
            )
            with self._lock:
                if self._closed:
                    return
                self._builder = subprocess.Popen(
                    [sys.executable, "-m", "ingest.index.cells"],
                    stdin=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **_ONE_THREAD, "PYTHONPATH": str(Path(__file__).parents[2])},
                    start_new_session=True,  # Ctrl-C is for the service, which stops its children in order
                )
            child = self._builder
            assert child.stdin is not None
            assert child.stderr is not None
            with child:
                child.stdin.write(request)
                child.stdin.flush()
                said = child.stderr.read()
                code = child.wait()
            if code:
                if not self._closed:
                    log.error(
                        "cells of %s were not built (%s): %s", self._folder, code, said.decode()[-2000:]
                    )
                return
            self._switch(name, logs)
        except Exception:
            log.exception("cells of %s were not built", self._folder)

    def _switch(self, name: str, merged: list[str]) -> None:
        base = cells.Cells(self._folder / name, self.compression)
        with self._lock:
            if self._closed:
                return
            self._base_name, self._base = name, base
            self._logs = [one for one in self._logs if one not in merged]
            self._points = base.points + sum(len(self._map(one)) for one in self._logs)
            self._write_state()
            self._show()
            self._sweep()

    def _write_live(self, ids: Iterable[str]) -> Path:
        path = self._folder / "live"
        with path.open("wb") as file:
            for one in ids:
                file.write(bytes.fromhex(one.replace("-", "")))
        return path

    def _roll(self) -> BinaryIO:
        """Begin a new log, so that those before it don't grow any more."""
        self._logs = [one for one in self._logs if (self._folder / one).stat().st_size]
        name = f"log-{self._number()}"
        self._logs.append(name)
        file = (self._folder / name).open("ab")
        self._write_state()
        self._show()
        return file

    def _number(self) -> int:
        """One that no base and no log has."""
        return 1 + max((int(path.name.split("-")[1].split(".")[0]) for path in self._numbered()), default=0)

    def _numbered(self) -> Iterable[Path]:
        return [*self._folder.glob("base-*"), *self._folder.glob("log-*")]

    def _show(self) -> None:
        mapped = (self._map(name) for name in self._logs)
        self._parts = _Parts(self._base, tuple(rows for rows in mapped if len(rows)))

    def _map(self, name: str) -> Rows:
        path = self._folder / name
        rows = path.stat().st_size // self._kind.itemsize
        return np.asarray(np.memmap(path, self._kind, "r", shape=rows)) if rows else np.zeros(0, self._kind)

    def _write_state(self) -> None:
        state: dict[str, Any] = {
            "compression": asdict(self.compression),
            "base": self._base_name,
            "logs": self._logs,
            "complete": self.complete,
        }
        draft = self._folder / "state.json.new"
        draft.write_text(json.dumps(state))
        draft.replace(self._folder / "state.json")

    def _sweep(self) -> None:
        """Remove what no longer counts: bases and logs of before, drafts of killed builders."""
        for path in self._numbered():
            if path.name != self._base_name and path.name not in self._logs:
                cells.clear(path) if path.is_dir() else path.unlink()


_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For the builder: the other cores are for searches."""
