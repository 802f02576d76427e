"""Trainings of one service: queued, run one after another in processes of their own, indexed, promoted."""

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.adaptation.corpus import draw_sentences, write_corpus
from app.adaptation.process import Process
from app.adaptation.schemas import NewTraining, Training, TrainingDetail
from app.adaptation.serving import Owner, Serving
from app.adaptation.store import ShadowRow, Store, TrainingRow
from app.adaptation.told import detail_of, order_of, training_of
from embedder import EncoderError
from embedder.locate import locate
from ingest.errors import IngestError, NotPossible, StoreError
from ingest.pipeline import Shelf
from ingest.shadow import Shadow, agree, contract_like, fill
from training.adaptation import Adaptation
from training.data import SUFFIXES, read

log = logging.getLogger(__name__)

_LOOK_S = 0.2
"""At a process that runs, and at whether it is still wanted."""
_PERSONAS = "personas.txt"


@dataclass(frozen=True, slots=True)
class Means:
    """What the service gives its trainings."""

    base: str
    """Its own encoder; empty if that can't be trained, as it runs elsewhere or is a stand-in."""
    device: str
    threads: int
    llm_url: str
    llm_model: str
    api_key: str


class _Stopping(Exception):
    pass


class Trainings:
    """Safe from several threads."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        serving: Serving,
        means: Means,
        shelf: Callable[[str], Shelf],
        serve: Callable[[str, Owner], None],
    ) -> None:
        """`serve`: the service's way to make another index the served one."""
        self._store, self._folder, self._serving, self._means = store, folder, serving, means
        self._shelf, self._serve = shelf, serve
        self._stopping = threading.Event()
        self._work = {"training": threading.Event(), "index": threading.Event()}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what is unfinished: a training at its last checkpoint, an index where it was."""
        self._store.requeue()
        for name, target in (("training", self._train_all), ("index", self._build_all)):
            self._work[name].set()
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for event in self._work.values():
            event.set()
        for thread in self._threads:
            thread.join()

    # for people

    def all(self, collection: str | None = None) -> list[Training]:
        """Newest first."""
        return [self._told(row) for row in self._store.all(collection)]

    def get(self, training: str) -> Training:
        """Raises UnknownTraining."""
        return self._told(self._store.get(training))

    def detail(self, training: str) -> TrainingDetail:
        """Raises UnknownTraining."""
        return detail_of(self.get(training), self._adaptation(training))

    def bases(self) -> list[str]:
        """What can be trained on this machine, the service's own encoder first."""
        from embedder.catalog import CATALOG

        found = [self._means.base] if self._means.base else []
        for name in CATALOG:
            try:
                locate(name)
            except EncoderError:
                continue
            found.append(name)
        made = [row for row in self._store.all() if row.state == "done"]
        found += [str(self._adaptation(row.id).candidate) for row in made]
        return list(dict.fromkeys(found))

    def add(
        self, new: NewTraining, pairs: Sequence[tuple[str, BinaryIO]], personas: BinaryIO | None
    ) -> Training:
        """Queue a training. Raises NotPossible, UnknownCollection, EncoderError, BadData for bad pairs."""
        self._shelf(new.collection)
        base = new.base or self._base_of(new.collection)
        if not base:
            raise NotPossible("the service's own encoder can't be trained: name a model as the base")
        locate(base)
        if not new.documents and not pairs:
            raise NotPossible("nothing to learn from: the collection's documents, pairs, or both")
        if new.language_model and not self._means.llm_url:
            raise NotPossible("there is no language model: set KALM_LLM_URL, or make queries without")
        row = self._store.add(new, base)
        folder = self._folder / row.id
        try:
            folder.mkdir(mode=0o700, parents=True)
            _keep(folder, pairs, personas)
        except BaseException:
            self._store.remove(row.id)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._store.queue(row.id)
        self._work["training"].set()
        return self.get(row.id)

    def cancel(self, training: str) -> Training:
        """Stop it where it is. Raises UnknownTraining."""
        self._store.get(training)
        self._store.finish(training, "cancelled")
        return self.get(training)

    def resume(self, training: str) -> Training:
        """Go on with what was cancelled or stopped. Raises UnknownTraining."""
        self._store.get(training)
        self._store.queue(training)
        self._work["training"].set()
        return self.get(training)

    def remove(self, training: str) -> None:
        """Delete it with its model and index. Raises UnknownTraining, NotPossible while it is in use."""
        row = self._store.get(training)
        used = [other.training for other in self._shadows(row.settings.collection) if other.served]
        if training in used:
            raise NotPossible("searches use this model: go back to the encoder before first")
        self._store.finish(training, "cancelled")
        if self._store.shadow(training):
            self._store.remove_shadow(training)
            self._serving.drop(row.settings.collection, training)
        self._store.remove(training)
        shutil.rmtree(self._folder / training, ignore_errors=True)

    def index(self, training: str) -> Training:
        """Queue the building of its index. Raises UnknownTraining, NotPossible before it is done."""
        row = self._store.get(training)
        if row.state != "done":
            raise NotPossible(f"the training is {row.state}: its model can be indexed with once it is done")
        self._shelf(row.settings.collection)
        self._store.queue_shadow(training, row.settings.collection)
        self._work["index"].set()
        return self.get(training)

    def promote(self, training: str) -> Training:
        """Serve its collection from its index. Raises UnknownTraining, NotPossible before it is built."""
        shadow = self._store.shadow(self._store.get(training).id)
        if shadow is None or shadow.state != "ready":
            raise NotPossible("its index is not built yet")
        self._serve(shadow.collection, training)
        return self.get(training)

    def roll_back(self, collection: str) -> None:
        """Serve the collection from what was served before. Raises NotPossible if nothing was."""
        served = self._store.served(collection)
        if served is None:
            raise NotPossible(
                f"{collection!r} is served from its first index: there is nothing to go back to"
            )
        self._serve(collection, served.replaces)

    # at work

    def _train_all(self) -> None:
        while not self._stopping.is_set():
            self._work["training"].wait()
            self._work["training"].clear()
            while not self._stopping.is_set() and (row := self._store.next()):
                self._train(row)

    def _train(self, row: TrainingRow) -> None:
        try:
            adaptation = self._adaptation(row.id)
            if not (adaptation.folder / "order.json").is_file():
                self._prepare(row, adaptation)
            process = Process(adaptation.folder, self._means.api_key)
        except Exception as error:  # the next training goes on
            expected = isinstance(error, NotPossible | IngestError | StoreError | LookupError)
            log.error("training %s: %s", row.id, error, exc_info=not expected)
            self._store.finish(row.id, "stopped", str(error) if expected else f"unexpected: {error!r}")
            return
        while not process.ended():
            if self._stopping.wait(_LOOK_S) or not self._wanted(row.id):
                process.kill()
                if not self._known(row.id):
                    shutil.rmtree(adaptation.folder, ignore_errors=True)  # what it wrote after the deletion
                return
        if problem := process.problem():
            log.warning("training %s stopped: %s", row.id, problem)
            self._store.finish(row.id, "stopped", problem)
        else:
            self._store.finish(row.id, "done")

    def _prepare(self, row: TrainingRow, adaptation: Adaptation) -> None:
        """Write down the documents as they are now, then the order."""
        corpus = adaptation.folder / "corpus.jsonl"
        if row.settings.documents:
            write_corpus(self._shelf(row.settings.collection), corpus)
        adaptation.begin(order_of(row, adaptation.folder, self._means))

    def _wanted(self, training: str) -> bool:
        return self._known(training) and self._store.get(training).state == "running"

    def _known(self, training: str) -> bool:
        return any(row.id == training for row in self._store.all())

    def _build_all(self) -> None:
        while not self._stopping.is_set():
            self._work["index"].wait()
            self._work["index"].clear()
            while not self._stopping.is_set() and (shadow := self._store.next_shadow()):
                self._build(shadow)

    def _build(self, row: ShadowRow) -> None:
        def tell(done: int, total: int) -> None:
            if self._stopping.is_set() or not self._store.advance_shadow(row.training, done, total):
                raise _Stopping

        try:
            served = self._shelf(row.collection)
            shadow = self.open_shadow(row.collection, row.training, served)
            fill(shadow, served, tell)
            found = agree(shadow, served, draw_sentences(served))
            self._store.finish_shadow(row.training, "ready", agreement=found)
        except _Stopping:
            log.info("the index of training %s goes on later", row.training)
        except Exception as error:
            expected = isinstance(error, NotPossible | StoreError | EncoderError | LookupError)
            log.error("the index of training %s: %s", row.training, error, exc_info=not expected)
            self._store.finish_shadow(row.training, "stopped", str(error) if expected else repr(error))

    def open_shadow(self, collection: str, owner: Owner, served: Shelf) -> Shadow:
        """Another index of a collection, made like the served one if it is not there yet."""
        encoder = self._serving.encoder(owner)
        contract = contract_like(served.index.contract, encoder)
        return Shadow(self._serving.index(collection, owner, contract), encoder)

    def forget(self, collection: str) -> None:
        """Drop the indexes of a collection that was deleted; trainings and models stay."""
        for shadow in self._shadows(collection):
            self._serving.drop(collection, shadow.training)

    def _shadows(self, collection: str) -> list[ShadowRow]:
        return self._store.shadows(collection)

    def _base_of(self, collection: str) -> str:
        owner = self._serving.owner(collection)
        return self._means.base if owner is None else str(self._adaptation(owner).candidate)

    def _adaptation(self, training: str) -> Adaptation:
        return Adaptation(self._folder / training)

    def _told(self, row: TrainingRow) -> Training:
        return training_of(row, self._store.shadow(row.id), self._adaptation(row.id))


def _keep(folder: Path, pairs: Sequence[tuple[str, BinaryIO]], personas: BinaryIO | None) -> None:
    """Store what was sent along, and read it once: what is wrong with it is said now."""
    if personas is not None:
        (folder / _PERSONAS).write_bytes(personas.read())
    if not pairs:
        return
    (folder / "pairs").mkdir()
    for number, (name, content) in enumerate(pairs):
        suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
        if suffix is None:
            raise NotPossible(f"{name}: training data is {', '.join(SUFFIXES)}")
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in Path(name).stem)
        with (folder / "pairs" / f"{number}-{stem[:60].partition('.')[0]}{suffix}").open("wb") as file:
            shutil.copyfileobj(content, file)
    for _ in read([folder / "pairs"]):
        pass
