"""Which index and which encoder serve a collection: its first, or one that was trained for it."""

import threading
from collections.abc import Callable
from pathlib import Path

from app.adaptation.store import Store
from embedder import Encoder, EncoderError
from embedder.queue import QueuedEncoder
from ingest.errors import WrongEncoder
from ingest.index import Location, drop_index, open_index, stored_contract
from ingest.index.contract import Contract, Index
from ingest.pipeline import contract_of
from training.adaptation import Adaptation

Owner = str | None
"""The training that made encoder and index; None: the collection's first index, the service's encoder."""


class Serving:
    """Opens indexes and encoders once and keeps them open. Safe from several threads."""

    def __init__(
        self, store: Store, location: Location, folder: Path, encoder: Encoder, load: Callable[[str], Encoder]
    ) -> None:
        """`folder`: of the trainings; `load`: a model's folder -> its encoder."""
        self._store, self._location, self._folder = store, location, folder
        self._first, self._load = encoder, load
        self._lock = threading.RLock()
        self._encoders: dict[str, QueuedEncoder] = {}
        self._indexes: dict[tuple[str, Owner], Index] = {}

    def owner(self, collection: str) -> Owner:
        """What the collection is served from."""
        served = self._store.served(collection)
        return served.training if served else None

    def encoder(self, owner: Owner) -> Encoder:
        """Raises WrongEncoder if a trained one can't be loaded any more."""
        if owner is None:
            return self._first
        with self._lock:
            if owner not in self._encoders:
                try:
                    folder = Adaptation(self._folder / owner).candidate
                    self._encoders[owner] = QueuedEncoder(self._load(str(folder)))
                except (EncoderError, OSError) as error:
                    raise WrongEncoder(
                        f"the encoder that was trained for this collection can't be loaded ({error}): "
                        "go back to the one before on the page Training, or bring its folder back"
                    ) from error
            return self._encoders[owner]

    def index(self, collection: str, owner: Owner, contract: Contract | None = None) -> Index:
        """Open, or make it for `contract`. Raises WrongEncoder, StoreError."""
        with self._lock:
            if (collection, owner) not in self._indexes:
                wanted = contract or contract_of(self.encoder(owner))
                self._indexes[collection, owner] = open_index(
                    _name(collection, owner), wanted, self._location
                )
            return self._indexes[collection, owner]

    def serve(self, collection: str, owner: Owner) -> None:
        """From here on, and after every start, the collection is served from this index."""
        self._store.serve(collection, owner, self.owner(collection))

    def stored(self, collection: str) -> Contract:
        """What the served index promises, also where it can't be opened."""
        contract = stored_contract(_name(collection, self.owner(collection)), self._location)
        assert contract is not None  # it was made when it was first served
        return contract

    def drop(self, collection: str, owner: Owner) -> None:
        """Delete an index that is not served any more, and let go of its encoder."""
        with self._lock:
            if index := self._indexes.pop((collection, owner), None):
                index.close()
            drop_index(_name(collection, owner), self._location)
            if owner is not None and (encoder := self._encoders.pop(owner, None)):
                encoder.close()

    def close(self) -> None:
        with self._lock:
            for encoder in self._encoders.values():
                encoder.close()
            for index in self._indexes.values():
                index.close()


def _name(collection: str, owner: Owner) -> str:
    """Of the index; no collection can have a tilde in its own name."""
    return collection if owner is None else f"{collection}~{owner[:8]}"
