"""The dial of each collection: measured, applied in the background, undone; a restart goes on with it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from ingest.database import Database
from ingest.errors import NotPossible
from ingest.index import coarse, schema
from ingest.index.contract import Compression, Contract, Funnel
from ingest.pipeline import Shelf
from ingest.tuning import Tuning, Tunings, funnel_of, tune

log = logging.getLogger(__name__)


class Dials:
    """Safe from several threads; one change of a collection at a time."""

    def __init__(
        self, database: Database, shelf: Callable[[str], Shelf], use: Callable[[str, Funnel], None]
    ) -> None:
        """shelf: an open collection; use: let its searches go through a funnel from now on."""
        self._tunings = Tunings(database)
        self._shelf = shelf
        self._use = use
        self._changes: dict[str, threading.Thread] = {}
        self._lock = threading.RLock()

    def get(self, name: str) -> Tuning | None:
        """As it was measured last; None if it never was."""
        return self._tunings.get(name)

    def measure(self, name: str) -> Tuning:
        """Measure a collection, and begin to search through the best funnel."""
        found = tune(self._shelf(name))
        with self._lock:
            before = self._tunings.get(name)
            if before is not None:
                found = replace(
                    found, applied=before.applied, applying=before.applying, previous=before.previous
                )
            self._tunings.put(name, found)
        if found.chosen is None or found.chosen == found.applied or found.applying is not None:
            return found
        return self.apply(name, found.chosen)

    def apply(self, name: str, funnel: Funnel) -> Tuning:
        """Begin to search through a funnel that was measured. Raises NotPossible.

        Its codes are made in the background; searches go on as before until they are there.
        """
        begins_with = _default(self._shelf(name).index.contract)
        with self._lock:
            found = self._free(name)
            measured = [funnel_of(one) for one in found.settings if one.candidates is not None]
            if funnel not in measured:
                raise NotPossible(f"{funnel} was not measured: choose one of the measured settings")
            return self._begin(name, found, funnel, (*found.previous, found.applied or begins_with))

    def undo(self, name: str) -> Tuning:
        """Begin to search as before the last change. Raises NotPossible if there was none."""
        with self._lock:
            found = self._free(name)
            if not found.previous:
                raise NotPossible(f"nothing was changed in {name!r} that could be undone")
            return self._begin(name, found, found.previous[-1], found.previous[:-1])

    def resume(self, name: str) -> None:
        """Go on with a change that a restart broke off; the collection has just been opened."""
        with self._lock:
            found = self._tunings.get(name)
            if found is not None and found.applying is not None and name not in self._changes:
                self._start(name, found.applying, found.previous)

    def wait(self, name: str) -> None:
        """Until nothing of a collection is being changed."""
        change = self._changes.get(name)
        if change is not None:
            change.join()

    def _free(self, name: str) -> Tuning:
        found = self._tunings.get(name)
        if found is None:
            raise NotPossible(f"{name!r} was never measured: measure it first")
        if found.applying is not None:
            raise NotPossible(f"{name!r} is being changed: wait until that is done")
        return found

    def _begin(self, name: str, found: Tuning, funnel: Funnel, previous: tuple[Funnel, ...]) -> Tuning:
        before = found.previous
        found = replace(found, applying=funnel, previous=previous, problem=None)
        self._tunings.put(name, found)
        self._start(name, funnel, before)
        return found

    def _start(self, name: str, funnel: Funnel, before: tuple[Funnel, ...]) -> None:
        """before: what could be undone if this fails."""
        change = threading.Thread(target=self._change, args=(name, funnel, before), name="dial", daemon=True)
        self._changes[name] = change
        change.start()

    def _change(self, name: str, funnel: Funnel, before: tuple[Funnel, ...]) -> None:
        problem = None
        try:
            if funnel.quantisation is not None:
                self._shelf(name).index.compress(Compression(funnel.dim, funnel.quantisation))
            self._use(name, funnel)
        except Exception as error:
            log.exception("%s: %s could not be applied", name, funnel)
            problem = f"{type(error).__name__}: {error}"
        with self._lock:
            self._changes.pop(name, None)
            found = self._tunings.get(name)
            if found is None:
                return
            if problem is None:
                found = replace(found, applied=funnel, applying=None)
            else:
                found = replace(found, applying=None, previous=before, problem=problem)
            self._tunings.put(name, found)


def _default(contract: Contract) -> Funnel:
    """What a collection's searches go through until it is tuned."""
    kept = contract.compression
    if kept is None:
        return Funnel(contract.dims[-1], schema.CANDIDATES)
    return Funnel(kept.dim, coarse.CANDIDATES, kept.quantisation)
