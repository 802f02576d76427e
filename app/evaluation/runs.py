"""Query sets and runs of one service: made, asked one after another in the background, read, compared."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import product

from app.evaluation import schemas, sets
from app.evaluation.ask import Deleted, ask
from app.evaluation.report import compare, report
from app.evaluation.schemas import Comparison, Measure, NewQuerySet, NewRuns, Run, RunDetail
from app.evaluation.sets import Query
from app.evaluation.store import Store
from app.evaluation.synthetic import quote_of, synthesize
from app.schemas import Funnel
from embedder.errors import UnknownDim
from ingest import language
from ingest.database import Database
from ingest.errors import NotPossible, UnknownDocument
from ingest.ledger import Ledger
from ingest.pipeline import Shelf
from ingest.records import Groups

log = logging.getLogger(__name__)

_TELL_EVERY = 10
"""Queries between two notes of progress."""


class _Stopping(Exception):
    pass


class Evaluations:
    """Safe from several threads."""

    def __init__(self, database: Database, ledger: Ledger, shelf: Callable[[str], Shelf]) -> None:
        self._store = Store(database)
        self._ledger = ledger
        self._shelf = shelf
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up what is queued; a run that a stop interrupted is done anew."""
        self._store.requeue_running()
        self._work.set()
        self._thread = threading.Thread(target=self._run_all, name="evaluations", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join()

    # query sets

    def sets(self) -> list[schemas.QuerySet]:
        return self._store.sets()

    def set(self, name: str) -> schemas.QuerySet:
        """Raises UnknownSet."""
        self._store.queries(name)
        return next(one for one in self.sets() if one.name == name)

    def import_set(self, name: str, files: Mapping[str, bytes]) -> schemas.QuerySet:
        """From files by name, see `sets.read_set`. Raises InvalidSet, NotPossible if the name is taken."""
        self._store.add_set(name, "file", sets.read_set(files))
        return self.set(name)

    def make_set(self, new: NewQuerySet) -> schemas.QuerySet:
        """From thumbs, or from the documents themselves. Raises NotPossible if there is nothing to ask."""
        shelf = self._shelf(new.collection)
        if new.origin == "synthetic":
            queries = synthesize(shelf, new.limit, new.seed)
        else:
            queries = self._liked(new.collection)
        self._store.add_set(new.name, new.origin, queries)
        return self.set(new.name)

    def remove_set(self, name: str) -> None:
        """Its runs stay. Raises UnknownSet."""
        self._store.remove_set(name)

    def _liked(self, collection: str) -> list[Query]:
        liked = self._store.thumbs_up(collection)
        if not liked:
            raise NotPossible(f"nobody has given a thumb up in {collection!r} yet")
        return [
            Query(f"feedback-{number}", text, language.detect(text), tuple(relevant))
            for number, (text, relevant) in enumerate(liked.items(), 1)
        ]

    def add_feedback(self, feedback: schemas.Feedback, groups: Groups) -> None:
        """Keep a thumb with the words of its passage.

        Raises UnknownDocument, also for an unknown passage and for what `groups` don't see.
        """
        row = self._ledger.document(feedback.document, groups)
        quote = ""
        if feedback.passage is not None:
            chunks = self._shelf(row.collection).index.chunks(row.version) if row.version else []
            texts = [chunk.text for chunk in chunks if chunk.position == feedback.passage]
            if not texts:
                raise UnknownDocument(f"{row.name} has no passage {feedback.passage}; it may have changed")
            quote = quote_of(texts[0])
        up = None if feedback.thumb is None else feedback.thumb == "up"
        self._store.add_thumb(row.collection, feedback.query, row.uri, quote, up=up)

    # runs

    def add_runs(self, new: NewRuns) -> list[Run]:
        """Queue a run per ranking and width. Raises UnknownSet, UnknownCollection, UnknownDim."""
        shelf = self._shelf(new.collection)
        contract = shelf.index.contract
        funnel = Funnel(**asdict(shelf.funnel)) if shelf.funnel and not new.exact else None
        unknown = [dim for dim in new.dims if dim not in contract.dims]
        if unknown:
            known = ", ".join(map(str, contract.dims))
            raise UnknownDim(f"{new.collection!r} stores {known} dims, not {', '.join(map(str, unknown))}")
        wanted = [
            (ranking, None if ranking == "lexical" else dim)
            for ranking, dim in product(new.rankings, new.dims or contract.dims[:1])
        ]
        runs = [
            self._store.add_run(
                new.query_set,
                new.collection,
                ranking,
                dim,
                exact=new.exact and ranking != "lexical",
                funnel=funnel if dim == contract.dims[0] else None,
                encoder=contract.encoder,
                fingerprint=contract.fingerprint,
                recipe=contract.recipe,
            )
            for ranking, dim in dict.fromkeys(wanted)
        ]
        self._work.set()
        return runs

    def runs(self, query_set: str | None = None, collection: str | None = None) -> list[Run]:
        """Newest first."""
        return self._store.runs(query_set, collection)

    def run(self, run: str) -> RunDetail:
        """Raises UnknownRun."""
        return RunDetail(run=self._store.run(run), queries=self._store.results(run))

    def compare(self, before: str, after: str, measure: Measure) -> Comparison:
        """Raises UnknownRun, NotPossible for runs without common queries."""
        old, new = self.run(before), self.run(after)
        return compare((old.run, old.queries), (new.run, new.queries), measure)

    def remove_run(self, run: str) -> None:
        """Forget a run; one at work stops. Raises UnknownRun."""
        self._store.remove_run(run)

    def _run_all(self) -> None:
        while not self._stopping.is_set():
            self._work.wait()
            self._work.clear()
            while not self._stopping.is_set() and (run := self._store.next_run()):
                self._try(run)

    def _try(self, run: Run) -> None:
        try:
            self._do(run)
        except Deleted:
            log.info("evaluation %s was deleted", run.id)
        except _Stopping:
            pass  # taken up at the next start
        except Exception as error:  # the next run goes on
            log.exception("evaluation of %r on %r failed", run.query_set, run.collection)
            self._store.fail_run(run.id, str(error.args[0]) if error.args else type(error).__name__)

    def _do(self, run: Run) -> None:
        begin = time.monotonic()
        outcome = ask(
            self._store.queries(run.query_set),
            run,
            self._shelf(run.collection),
            lambda done: self._advance(run.id, done),
        )
        if not outcome.judged:
            raise NotPossible(
                f"{run.collection!r} has no document that {run.query_set!r} names, be it by file name, "
                "title, URI or id: choose the collection it was made for, or ingest its documents"
            )
        self._store.finish_run(
            run.id,
            [one.result for one in outcome.judged],
            report(outcome.judged),
            missing=outcome.missing,
            left_out=outcome.left_out,
            seconds=time.monotonic() - begin,
        )

    def _advance(self, run: str, done: int) -> bool:
        if self._stopping.is_set():
            raise _Stopping
        return done % _TELL_EVERY != 0 or self._store.advance(run, done)
