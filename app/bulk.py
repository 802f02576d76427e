"""`kalm ingest --engine ray`: opens what the service would, in its place, for a Ray cluster to work on."""

from contextlib import closing
from functools import partial

import embedder
from app.adaptation.store import Store
from app.service import claim_folder
from app.settings import Settings, reveal
from embedder import Encoder
from ingest.check import repair
from ingest.chunk import TokenSpans
from ingest.database import Database
from ingest.errors import IndexLocked, IngestError, NotPossible
from ingest.index import Location, open_index
from ingest.intake import Intake
from ingest.jobs import Job, Jobs
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, catch_up, contract_of
from ingest.places import Place
from ingest.ray import Done, Means, cluster, run
from ingest.records import NOTHING_GIVEN, Given
from ingest.sources import Originals


def ingest(
    settings: Settings, place: Place, collection: str, done: Done, given: Given = NOTHING_GIVEN
) -> Job:
    """Ingest a folder, or go on with what a run of the same folder left; the finished job.

    Raises ValueError without a Qdrant server, IndexLocked while a service runs on the data folder,
    NotPossible for a collection that a trained encoder serves, StoreError, EncoderError; a document fails
    alone.
    """
    if settings.qdrant_url is None:
        raise ValueError(
            "--engine ray writes from many processes, and the built-in index has one opener: start a Qdrant "
            "server and name it in KALM_QDRANT_URL, or ingest without --engine ray"
        )
    if place.kind != "path":
        raise ValueError(f"{place.root}: --engine ray reads folders that every machine sees; mount it as one")
    means = Means(
        encoder=partial(_encoder, settings),
        tokens=partial(_tokens, settings),
        location=Location(settings.data_dir / "index", settings.qdrant_url, reveal(settings.qdrant_api_key)),
        max_bytes=settings.max_upload_mb * 1_000_000,
        timeout_s=settings.parse_timeout_s,
        memory_mb=settings.parse_memory_mb,
        accelerated=settings.encoder_url is None and settings.device != "cpu",
    )
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        claim = claim_folder(settings.data_dir)
    except IndexLocked as error:
        raise IndexLocked(
            f"{settings.data_dir} is in use by a kalm service, and --engine ray writes its ledger: stop the "
            "service for the time of the run"
        ) from error
    with claim, closing(Database(settings.data_dir / "ledger.sqlite")) as database:
        return _ingest(settings, place, collection, means, database, done, given)


def _ingest(
    settings: Settings,
    place: Place,
    collection: str,
    means: Means,
    database: Database,
    done: Done,
    given: Given,
) -> Job:
    if Store(database).served(collection):
        raise NotPossible(
            f"{collection!r} is served by an encoder that was trained for it, and --engine ray encodes with "
            "the service's own: ingest without --engine ray, or go back on the page Training first"
        )
    encoder = _encoder(settings.model_copy(update={"device": "cpu", "precision": "auto"}), None)
    ledger, jobs = Ledger(database), Jobs(database)
    shelf = Shelf(collection, open_index(collection, contract_of(encoder), means.location), encoder, ledger)
    ledger.add_collection(collection)
    repair(shelf)
    catch_up(shelf)
    jobs.requeue_running()
    job = _job(jobs, collection, place, given)
    try:
        if not job.listed:
            intake = Intake(Originals(settings.data_dir / "originals"), database, max_bytes=means.max_bytes)
            listing = intake.listing(place, collection, shelf.index.contract.recipe)
            jobs.list_items(job.id, listing.sources, listing.unchanged)
    except IngestError as error:
        jobs.finish(job.id, "stopped", str(error))
        return jobs.get(job.id)
    with cluster(settings.ray_address):
        run(job, jobs, shelf, means, done)
    return jobs.get(job.id)


def _job(jobs: Jobs, collection: str, place: Place, given: Given) -> Job:
    """The one that a killed run of the same left, or a new one; running."""
    left = (
        job
        for job in jobs.latest(collection=collection)
        if job.place == place and job.finished is None and not job.sync and job.given == given
    )
    job = next(left, None) or jobs.add(
        collection, place.root, root=place.root, selection=place.selection, given=given
    )
    jobs.resume(job.id)
    jobs.begin(job.id)
    return jobs.get(job.id)


def _encoder(settings: Settings, threads: int | None) -> Encoder:
    if settings.encoder_url:
        return embedder.connect(
            settings.encoder_url, settings.model, api_key=reveal(settings.encoder_api_key)
        )
    return embedder.load(
        settings.model, settings.device, settings.precision, threads=settings.threads or threads
    )


def _tokens(settings: Settings) -> TokenSpans:
    if settings.encoder_url:
        return _encoder(settings, None).token_spans
    return embedder.tokenizer(settings.model)
