"""The sole owner of encoder, index and ledger: opens them, keeps the collections, takes the jobs."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

import embedder
from app.adaptation.serving import Owner, Serving
from app.adaptation.store import Store
from app.adaptation.trainings import Means, Trainings
from app.dial import Dials
from app.evaluation.runs import Evaluations
from app.llm import LanguageModel
from app.settings import Settings, reveal
from embedder import Encoder
from embedder.queue import QueuedEncoder
from embedder.reranker import Reranker, RerankServer
from ingest.check import Report, check, repair
from ingest.database import Database
from ingest.errors import IndexLocked, IngestError, NotPossible, SourceGone, UnknownDocument, WrongEncoder
from ingest.index import Location
from ingest.index.contract import Chunking, Contract, Funnel
from ingest.intake import Intake
from ingest.jobs import Job, Jobs
from ingest.keeper import Keeper
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, catch_up, contract_of, on_shelf, relabel, remove
from ingest.places import INSIDE, Place
from ingest.plan import Plan, plan
from ingest.records import NOTHING_GIVEN, Chunk, Given, Groups, Picture, Source, document_id
from ingest.runner import DOCUMENTS_AT_ONCE, Runner
from ingest.schedule import NamedSource, Schedule
from ingest.shadow import switching
from ingest.sources import Originals
from ingest.stores import Stores
from ingest.tuning import Tuning
from ingest.web import Web, page_uri
from ingest.worker import ParseWorker, ParseWorkers

log = logging.getLogger(__name__)


PARSERS = min(DOCUMENTS_AT_ONCE, os.cpu_count() or 1)
"""Processes that read files."""
_NAMES = 5
"""Of a job's files that stand in its label."""


class NotAllowed(IngestError):
    """A server folder outside of those that may be ingested."""

    code = "not_allowed"


class NotYours(IngestError):
    """Documents, or groups, that are not the caller's to change."""

    code = "not_yours"


@dataclass(frozen=True, slots=True)
class Limits:
    max_bytes: int
    """Per file."""
    roots: tuple[Path, ...]
    """Server folders that may be ingested."""
    urls: bool
    """Whether URLs of public addresses may be."""
    stores: tuple[str, ...]
    """Schemes of the stores that may be."""


@dataclass(frozen=True, slots=True)
class Training:
    """What trainings get."""

    folder: Path
    means: Means
    load: Callable[[str], Encoder]
    """A model's folder -> its encoder, on the service's device."""


class Service:
    """Everything that is open in this process. Safe from several threads."""

    def __init__(
        self,
        encoder: Encoder,
        location: Location,
        database: Database,
        originals: Originals,
        parsers: ParseWorkers,
        reader: ParseWorker,
        llm: LanguageModel | None,
        limits: Limits,
        training: Training,
        claim: TextIO,
        reranker: Reranker | None = None,
    ) -> None:
        self.encoder = QueuedEncoder(encoder)
        self.location = location
        self.ledger = Ledger(database)
        self.jobs = Jobs(database)
        self.evaluations = Evaluations(database, self.ledger, self.shelf)
        store = Store(database)
        self._serving = Serving(store, location, training.folder, self.encoder, training.load)
        self.trainings = Trainings(
            store, training.folder, self._serving, training.means, self.shelf, self.serve
        )
        self.dials = Dials(database, self.shelf, self._use)
        self.llm = llm
        self.limits = limits
        self.reranker = reranker
        self.reader = reader
        """For people who look at a file: they never wait behind a job's."""
        self._database = database
        self._originals = originals
        self._parsers = parsers
        self._claim = claim
        self._shelves: dict[str, Shelf] = {}
        self._opening = threading.Lock()
        self._intake = Intake(
            originals,
            database,
            max_bytes=limits.max_bytes,
            web=Web() if limits.urls else None,
            stores=Stores(limits.stores),
        )
        self._runner = Runner(
            self.jobs,
            self.shelf,
            lambda document: parsers.parse(document.source.path, document.source.name),
            self._intake,
        )
        self.schedule = Schedule(database)
        self._keeper = Keeper(self.schedule, self.jobs, self._sync, self._allowed)

    @classmethod
    def open(cls, settings: Settings) -> "Service":
        """Load the model and open what is in the data folder; takes up unfinished jobs once started.

        Raises IndexLocked if another process has the folder.
        """
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        claim = claim_folder(settings.data_dir)
        anywhere = [Path("/")] if settings.is_loopback else []
        return cls(
            _encoder(settings),
            Location(
                settings.data_dir / "index",
                settings.qdrant_url,
                reveal(settings.qdrant_api_key),
            ),
            Database(settings.data_dir / "ledger.sqlite"),
            Originals(settings.data_dir / "originals"),
            ParseWorkers(PARSERS, timeout_s=settings.parse_timeout_s, memory_mb=settings.parse_memory_mb),
            ParseWorker(timeout_s=settings.parse_timeout_s, memory_mb=settings.parse_memory_mb),
            LanguageModel(settings.llm_url, settings.llm_model, reveal(settings.llm_api_key))
            if settings.llm_url
            else None,
            Limits(
                settings.max_upload_mb * 1_000_000,
                tuple(root.resolve() for root in settings.ingest_roots or anywhere),
                settings.allow_urls,
                tuple(settings.stores),
            ),
            _training(settings),
            claim,
            _reranker(settings),
        )

    def start(self) -> None:
        self._originals.sweep(self.ledger.uses_path)
        self._runner.start()
        self._keeper.start()
        self.evaluations.start()
        self.trainings.start()

    def close(self) -> None:
        """Stop in good order; a document being written is taken up at the next start."""
        self.trainings.stop()
        self.evaluations.stop()
        self._keeper.stop()
        self._runner.stop()
        self.encoder.close()
        self._parsers.close()
        self.reader.close()
        self._serving.close()
        self._database.close()
        self._claim.close()

    # collections

    def create_collection(
        self, name: str, chunking: Chunking | None = None, dims: Sequence[int] | None = None
    ) -> Shelf:
        """Make and open a collection; one that is there is opened as it is. Raises NotPossible."""
        with self._opening:
            if name not in self.ledger.collections():
                self._serving.index(name, None, contract_of(self.encoder, chunking, dims))
                self.ledger.add_collection(name)
        return self.shelf(name)

    def shelf(self, name: str) -> Shelf:
        """The open collection. Raises UnknownCollection, or WrongEncoder if another encoder built it."""
        with self._opening:
            if name not in self._shelves:
                self.ledger.require_collection(name)
                shelf = self._shelf_of(name, self._serving.owner(name))
                if behind := catch_up(shelf):
                    log.info("%s: labels of %d texts were written beside their points", name, behind)
                for lost in repair(shelf).lost:
                    log.error("%s: points of %s are missing; ingest it again", name, lost.name)
                self._shelves[name] = shelf
                self.dials.resume(name)
            return self._shelves[name]

    def view(self, name: str, groups: Groups) -> Shelf:
        """The open collection as `groups` see it; errors as for `shelf`."""
        return replace(self.shelf(name), sees=groups)

    def _shelf_of(self, name: str, owner: Owner) -> Shelf:
        index, tuned = self._serving.index(name, owner), self.dials.get(name)
        funnel = tuned.applied if tuned else None
        if funnel is not None and funnel.dim not in index.contract.dims:
            funnel = None  # measured with another encoder
        return Shelf(name, index, self._serving.encoder(owner), self.ledger, funnel, self.reranker)

    def serve(self, name: str, owner: Owner) -> None:
        """Serve a collection from another index, brought up to date first; searches go on meanwhile.

        Raises UnknownCollection, NotPossible, WrongEncoder, StoreError; then it is served as before.
        """
        before = self._serving.owner(name)
        if owner == before:
            return
        try:
            served = self.shelf(name)
        except WrongEncoder:  # its passages can still be read: the way back from a model that is gone
            index = self._serving.index(name, before, self._serving.stored(name))
            served = Shelf(name, index, self._serving.encoder(owner), self.ledger)
        shadow = self.trainings.open_shadow(name, owner, served)
        with switching(shadow, served), self._opening:
            self._serving.serve(name, owner)
            self._shelves[name] = self._shelf_of(name, owner)

    def contract(self, name: str) -> tuple[Contract, str | None]:
        """What a collection promises; and what to do if another encoder built it."""
        try:
            return self.shelf(name).index.contract, None
        except WrongEncoder as error:
            return self._serving.stored(name), str(error)

    def check(self, name: str, *, mend: bool) -> Report:
        """Compare a collection's ledger with its index; `mend` also makes them agree."""
        return on_shelf(partial(self.shelf, name), repair if mend else check)

    def tuning(self, name: str) -> Tuning | None:
        """The last measured dial of a collection. Raises UnknownCollection."""
        self.ledger.require_collection(name)
        return self.dials.get(name)

    def tune(self, name: str) -> Tuning:
        """Measure a collection's dial, and begin to search through the best funnel."""
        return self.dials.measure(name)

    def apply(self, name: str, funnel: Funnel) -> Tuning:
        """Begin to search through a funnel that was measured. Raises NotPossible."""
        self.ledger.require_collection(name)
        return self.dials.apply(name, funnel)

    def undo(self, name: str) -> Tuning:
        """Begin to search as before the dial's last change. Raises NotPossible."""
        self.ledger.require_collection(name)
        return self.dials.undo(name)

    def _use(self, name: str, funnel: Funnel) -> None:
        with self._opening:
            if name in self._shelves:
                self._shelves[name] = replace(self._shelves[name], funnel=funnel)

    def set_dims(self, name: str, dims: Sequence[int]) -> Shelf:
        """Store these prefixes beside the full vector, cut from it: none is encoded. Raises NotPossible."""
        shelf = self.shelf(name)
        full, *stored = shelf.index.contract.dims
        encoder = shelf.encoder
        unknown = [dim for dim in dims if dim not in encoder.dims]
        if unknown:
            known = ", ".join(map(str, encoder.dims))
            raise NotPossible(f"{encoder.name} has {known} dims, not {', '.join(map(str, unknown))}")
        wanted = set(dims) - {full}
        for dim in sorted(wanted - set(stored)):
            shelf.index.add_dim(dim)
        for dim in sorted(set(stored) - wanted):
            shelf.index.drop_dim(dim)
        return shelf

    def delete_collection(self, name: str) -> None:
        """Drop a collection with its points. Raises UnknownCollection."""
        self.ledger.require_collection(name)
        with self._opening:
            self.trainings.forget(name)
            self.ledger.remove_collection(name)
            self._shelves.pop(name, None)
            self._serving.drop(name, None)

    # documents and jobs

    # what a caller may not see is for it as if it were not there

    def delete_document(self, document: str, groups: Groups) -> None:
        """Raises UnknownDocument."""
        row = self.ledger.document(document, groups)
        self._remove(document, row.collection)

    def delete_documents(self, collection: str, documents: Sequence[str], groups: Groups) -> int:
        """Delete those of `documents` that are still in the collection; how many were."""
        self.shelf(collection)
        rows = self.ledger.documents_by_id(collection, documents, groups)
        for row in rows:
            self._remove(row.id, collection)
        return len(rows)

    def _remove(self, document: str, collection: str) -> None:
        on_shelf(partial(self.shelf, collection), partial(remove, document))

    def label(self, collection: str, documents: Sequence[str], given: Given, groups: Groups) -> int:
        """Say something else of documents; how many there are. Raises NotYours for others' groups."""
        _check_groups(given, groups)
        self.shelf(collection)
        rows = self.ledger.documents_by_id(collection, documents, groups)
        on_shelf(partial(self.shelf, collection), partial(relabel, [row.id for row in rows], given))
        return len(rows)

    def rerun(self, collection: str, documents: Sequence[str], groups: Groups) -> Job:
        """Queue documents once more, from where they came. Raises UnknownDocument if none is left."""
        self.shelf(collection)
        rows = self.ledger.documents_by_id(collection, documents, groups)
        if not rows:
            raise UnknownDocument(f"none of these documents is in {collection!r} any more")
        items = [Source(row.uri, row.name, row.path) for row in rows]
        return self._queue(self.jobs.add(collection, _label(items), items=items))

    def picture(self, document: str, number: int, groups: Groups, passage: int | None = None) -> Picture:
        """A page (1-based) of a pdf, what it has of a passage (0-based) highlighted.

        Raises UnknownDocument, UnknownPage, IngestError.
        """
        row = self.ledger.document(document, groups)
        if not row.path.is_file():
            raise SourceGone(f"{row.name}: the file is no longer at its source")
        chunks = self.chunks(document, groups) if passage is not None else []
        text = next((chunk.text for chunk in chunks if chunk.position == passage), "")
        return self.reader.picture(row.path, row.name, number, text)

    def chunks(self, document: str, groups: Groups) -> list[Chunk]:
        """A document's chunks in reading order; none if it was never ingested. Raises UnknownDocument."""
        row = self.ledger.document(document, groups)
        return self.shelf(row.collection).index.chunks(row.version) if row.version else []

    def upload(
        self,
        collection: str,
        files: Sequence[tuple[str, BinaryIO]],
        groups: Groups,
        given: Given = NOTHING_GIVEN,
    ) -> Job:
        """Keep the files (name, content) and queue them. Durable when it returns.

        Raises NotYours for others' groups, and for a name that would replace what `groups` don't see.
        """
        _check_groups(given, groups)
        self.shelf(collection)
        items = [
            self._originals.keep(name, content, max_bytes=self.limits.max_bytes) for name, content in files
        ]
        for item in items:
            self.check_replaceable(collection, item, groups)
        return self._queue(self.jobs.add(collection, _label(items), items=items, given=given))

    def check_replaceable(self, collection: str, source: Source, groups: Groups) -> None:
        """Raises NotYours if the file, or what may be in it, is a document that `groups` don't see."""
        there = self.ledger.documents_by_id(collection, [document_id(collection, source)])
        there += self.ledger.documents_below(collection, source.uri + INSIDE)
        if not all(row.said.seen_by(groups) for row in there):
            raise NotYours(f"{source.name}: this key may not replace what has that name; choose another")

    def ingest_place(
        self, collection: str, place: Place, *, sync: bool, force: bool, given: Given = NOTHING_GIVEN
    ) -> Job:
        """Queue what is at a place. Raises NotAllowed for a folder or address that may not be read."""
        self.shelf(collection)
        place = self._allowed(place)
        job = self.jobs.add(
            collection,
            place.root,
            root=place.root,
            selection=place.selection,
            sync=sync,
            force=force,
            given=given,
        )
        return self._queue(job)

    def plan(self, collection: str, place: Place) -> Plan:
        """What ingesting a place would do. Raises NotAllowed, SourceGone."""
        recipe = self.shelf(collection).index.contract.recipe
        return plan(self._allowed(place), collection, recipe, self._intake, self.ledger)

    def put_source(
        self,
        name: str,
        collection: str,
        place: Place,
        *,
        every_s: int | None,
        watch: bool,
        given: Given = NOTHING_GIVEN,
    ) -> NamedSource:
        """Keep a collection in sync with a place from now on. Raises NotAllowed, IngestError."""
        self.shelf(collection)
        place = self._allowed(place)
        if watch and place.kind != "path":
            raise IngestError(f"{place.root}: only folders can be watched; look there every hour instead")
        source = self.schedule.put(
            name, collection, place, every_s=every_s, watch=watch, now=datetime.now(UTC), given=given
        )
        self._keeper.wake()
        return source

    def run_source(self, name: str, *, force: bool) -> Job:
        """Queue a sync now. Raises UnknownSource, SourceBusy, NotAllowed."""
        return self._keeper.run(name, force=force)

    def _sync(self, source: NamedSource, force: bool) -> Job:
        return self.ingest_place(source.collection, source.place, sync=True, force=force, given=source.given)

    def _allowed(self, place: Place) -> Place:
        """The place with links resolved, if it may be read."""
        if place.kind != "path":
            self._intake.require_open(place)
            return replace(place, root=page_uri(place.root)) if place.kind == "url" else place
        root = Path(place.root).resolve()
        if not any(root.is_relative_to(allowed) for allowed in self.limits.roots):
            raise NotAllowed(f"{place.root} is not below a folder named in KALM_INGEST_ROOTS")
        if not root.exists():
            raise IngestError(f"{place.root}: no such file or folder on the machine the service runs on")
        return replace(place, root=str(root))

    def resume(self, job: str) -> Job:
        """Raises UnknownJob."""
        return self._queue(self.jobs.resume(job))

    def retry(self, job: str) -> Job:
        """Raises UnknownJob."""
        return self._queue(self.jobs.retry(job))

    def _queue(self, job: Job) -> Job:
        self._runner.wake()
        return job


def _check_groups(given: Given, groups: Groups) -> None:
    """Raises NotYours where somebody gives documents to groups that the key is not of."""
    if groups is not None and (others := sorted(set(given.access or ()) - groups)):
        raise NotYours(f"this key is not of the groups {', '.join(others)}: it can't give them documents")


def _label(items: Sequence[Source]) -> str:
    """What a job is about, in a line."""
    names = [item.name for item in items[:_NAMES]]
    return ", ".join([*names, f"+{len(items) - _NAMES}"] if len(items) > _NAMES else names)


def _encoder(settings: Settings) -> Encoder:
    if settings.encoder_url:
        key = reveal(settings.encoder_api_key)
        return embedder.connect(settings.encoder_url, settings.model, api_key=key)
    return embedder.load(settings.model, settings.device, settings.precision, threads=settings.threads)


def _reranker(settings: Settings) -> Reranker | None:
    """Raises EncoderError for a folder that holds none."""
    named, depth = settings.reranker, settings.reranker_candidates
    if named is None:
        return None
    if not named.startswith(("http://", "https://")):
        from embedder.cross_encoder import CrossEncoder

        return CrossEncoder(Path(named).expanduser(), depth, settings.device)
    return RerankServer(
        named,
        depth,
        api=settings.reranker_api,
        model=settings.reranker_model,
        api_key=reveal(settings.reranker_api_key),
        timeout_s=settings.reranker_timeout_s,
    )


def _training(settings: Settings) -> Training:
    trainable = settings.model != "fake" and settings.encoder_url is None
    return Training(
        settings.data_dir / "trainings",
        Means(
            base=settings.model if trainable else "",
            device=settings.device,
            threads=settings.training_threads or max(1, (os.cpu_count() or 1) // 2),
            llm_url=settings.llm_url or "",
            llm_model=settings.llm_model,
            api_key=reveal(settings.llm_api_key) or "",
        ),
        lambda folder: embedder.load(folder, settings.device, settings.precision, threads=settings.threads),
    )


def claim_folder(folder: Path) -> TextIO:
    """Hold the folder until the file is closed, however this process ends: two owners break the index."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise IndexLocked(
            f"{folder} is in use by another kalm service: stop it, or choose another folder by KALM_DATA_DIR"
        ) from error
    return file
