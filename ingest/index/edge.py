"""Qdrant's engine inside this process: one folder per collection, open in one process at a time.

No graph is built: up to some ten thousand points a scan of the coarse prefix takes milliseconds, beyond them
compressed codes in cells find the candidates (ingest/index/coarse.py). The engine's own graph would hold the
GIL while it is built and opened, and loses what filters ask for (docs/search-speed.md).
"""

import json
import logging
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge

from embedder.encoder import Vectors
from embedder.pooling import truncate
from ingest.errors import IndexDamaged, IndexLocked, NotPossible
from ingest.index import schema, wal
from ingest.index.coarse import CANDIDATES, LONGEST_LOG, VISIT_ROWS, Codes
from ingest.index.contract import (
    EVERYTHING,
    NOTHING_BESIDE,
    Beside,
    Compression,
    Contract,
    Funnel,
    Where,
    chunk_from,
    payload,
)
from ingest.lexical import SparseVector
from ingest.records import Chunk, Hit

_SCROLL_POINTS = 1000
_DISTANCE = edge.Distance.Dot
"""Of unit vectors: the cosine."""
_MAX_SIM = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
_FLOAT16 = edge.VectorStorageDatatype.Float16
_ALL = 10_000_000
_FEWEST_ROWS = 20_000
"""Below, a scan of the stored prefix is as fast as codes, and exact."""
_LEAST_SHARE = 0.3
"""Of the points that a filter, other than one by language, lets through: below, the engine scans those."""
_PER_RESULT = 3
"""Candidates by codes for each result, at least: far down the list no order is as sure as at its top."""
_FILL_POINTS = 100
"""Read at a time to make their codes; a search waits for no more than one read."""

log = logging.getLogger(__name__)


def read_contract(folder: Path) -> Contract | None:
    """What the collection in `folder` promises; None if there is none. Raises IndexDamaged."""
    path = folder / "contract.json"
    if not path.is_file():
        return None
    try:
        fields = json.loads(path.read_text())
    except ValueError as error:
        raise IndexDamaged(f"{path} can't be read ({error}): restore it from a backup") from error
    return Contract.read(fields, str(path))


class EdgeIndex:
    """One collection in one folder. Calls are serialised: the engine holds the GIL anyway."""

    has_own_quantisation = False

    def __init__(self, name: str, folder: Path, contract: Contract, free_bytes: int) -> None:
        """Open the collection in `folder`, or make it.

        Raises WrongEncoder, IndexLocked if another process has it open, IndexDamaged if its files
        can't be read.
        """
        self._lock = threading.RLock()
        self._folder = folder
        self._free_bytes = free_bytes
        stored = read_contract(folder)
        if stored is not None:
            schema.check_encoder(name, stored, contract)
            contract = replace(stored, recipe=contract.recipe)
        self.contract = contract
        self._filling: tuple[int, ...] = ()
        shard = folder / "shard"
        self._wal = shard / "wal"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            if stored is None:
                self._shard = self._create(shard)
            else:
                self._shard = edge.EdgeShard.load(str(shard))
        except Exception as error:  # the engine knows no other class
            if "WouldBlock" in str(error):
                raise IndexLocked(
                    f"{folder} is open in another process: stop the other service, or give this one its own "
                    "KALM_DATA_DIR"
                ) from error
            raise IndexDamaged(f"{folder} can't be opened ({error}): restore it from a backup") from error
        self._index_fields()
        self._write_contract()
        self._closed = False
        self._next_codes: Codes | None = None
        self._codes = self._open_codes()
        self._filler: threading.Thread | None = None
        if self._codes is not None and not self._codes.complete:
            self._filler = threading.Thread(target=self._refill, args=(self._codes,), daemon=True)
            self._filler.start()

    def _create(self, shard: Path) -> edge.EdgeShard:
        shard.mkdir(exist_ok=True)
        plain = edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10_000)
        vectors = {
            schema.vector_name(dim): edge.EdgeVectorParams(
                dim, _DISTANCE, multivector_config=_MAX_SIM, datatype=_FLOAT16, hnsw_config=plain
            )
            for dim in self.contract.dims
        }
        terms = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
        return edge.EdgeShard.create(
            str(shard),
            edge.EdgeConfig(vectors=vectors, sparse_vectors={schema.TERMS: terms}, hnsw_config=plain),
        )

    def _index_fields(self) -> None:
        """Those that are not indexed yet: all of a new collection's, what is new of an old one's."""
        missing = schema.FIELDS.keys() - self._shard.info().payload_schema.keys()
        for field in sorted(missing):
            keyword = schema.FIELDS[field] == "keyword"
            kind = edge.PayloadSchemaType.Keyword if keyword else edge.PayloadSchemaType.Integer
            self._shard.update(edge.UpdateOperation.create_field_index(field, kind))
        if missing:
            self._shard.flush()

    def _write_contract(self) -> None:
        """Last, so that a folder with a contract has a whole shard."""
        draft = self._folder / "contract.json.new"
        draft.write_text(json.dumps(asdict(self.contract), indent=1))
        draft.replace(self._folder / "contract.json")

    def upsert(
        self, chunks: Sequence[Chunk], vectors: Sequence[Vectors], terms: Sequence[SparseVector]
    ) -> None:
        points = [
            edge.Point(
                chunk.id,
                {**schema.named_vectors(windows, self.contract, self._filling), **_named_terms(words)},
                payload(chunk),
            )
            for chunk, windows, words in zip(chunks, vectors, terms, strict=True)
        ]
        for batch in schema.in_batches(len(points)):
            schema.check_disk(self._folder, self._free_bytes)
            with self._lock:
                for kept in filter(None, (self._codes, self._next_codes)):
                    part = chunks[batch]
                    kept.add([one.id for one in part], [one.language for one in part], vectors[batch])
                self._shard.update(edge.UpdateOperation.upsert_points(points[batch]))

    def publish(
        self,
        version: str,
        documents: Iterable[str],
        beside: Beside = NOTHING_BESIDE,
        *,
        durable: bool = True,
    ) -> None:
        self._update(
            edge.UpdateOperation.set_payload_by_filter(
                _matching("version", [version]), schema.citing(documents, beside)
            )
        )
        if not durable:
            return
        wal.keep(self._wal)
        if wal.is_long(self._wal):
            with self._lock:
                self._shard.flush()
        codes = self._codes
        if codes is not None:
            codes.sync()
            codes.tend(self._ids, self.count)

    def delete(self, version: str) -> None:
        self._update(edge.UpdateOperation.delete_points_by_filter(_matching("version", [version])))

    def count(self, version: str | None = None) -> int:
        where = None if version is None else _matching("version", [version])
        with self._lock:
            return self._shard.count(edge.CountRequest(exact=True, filter=where))

    def versions(self) -> Mapping[str, int]:
        return self._facet("version", None)

    def visible_versions(self) -> Mapping[str, int]:
        return self._facet("version", _visible(EVERYTHING))

    def languages(self) -> Mapping[str, int]:
        return self._facet("language", _visible(EVERYTHING))

    def search(
        self,
        vector: Vectors,
        *,
        limit: int,
        offset: int = 0,
        dim: int | None = None,
        exact: bool = False,
        funnel: Funnel | None = None,
        where: Where = EVERYTHING,
    ) -> list[Hit]:
        dim = schema.stored_dim(dim, self.contract)
        codes = None if exact or dim < self.contract.dims[0] else self._codes_for(funnel)
        if codes is not None:
            hits = self._by_codes(codes, vector, limit, offset, funnel, where)
            if hits is not None:
                return hits
        visible = _visible(where)
        funnel = schema.funnel_of(self.contract, funnel)
        prefetches = None
        if dim > funnel.dim and not exact:
            prefetches = [
                edge.Prefetch(
                    limit=schema.candidates(limit + offset, funnel),
                    query=_nearest(vector, funnel.dim),
                    filter=visible,
                )
            ]
        request = edge.QueryRequest(
            limit=limit,
            offset=offset,
            query=_nearest(vector, dim),
            prefetches=prefetches,
            filter=visible,
            with_payload=True,
            params=edge.SearchParams(exact=exact),
        )
        with self._lock:
            found = self._shard.query(request)
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def finder(self, funnel: Funnel | None) -> Funnel:
        codes = self._codes_for(funnel)
        if codes is None:
            return schema.funnel_of(self.contract, funnel)
        candidates = CANDIDATES if funnel is None else funnel.candidates
        return Funnel(codes.compression.dim, candidates, codes.compression.quantisation)

    def _codes_for(self, funnel: Funnel | None) -> Codes | None:
        """The codes, if they are there for every point and should be used."""
        codes = self._codes
        if codes is None or not codes.complete or codes.log_rows > LONGEST_LOG:
            return None
        if funnel is None:
            return codes if codes.rows >= _FEWEST_ROWS else None
        return codes if (funnel.dim, funnel.quantisation) == _kind(codes) else None

    def _by_codes(
        self, codes: Codes, vector: Vectors, limit: int, offset: int, funnel: Funnel | None, where: Where
    ) -> list[Hit] | None:
        """Candidates by codes, ordered by the full vector; None if too few of them pass the filter."""
        by_language = Where(languages=where.languages)
        share = 1.0
        if where != by_language:
            share = self._about(where) / max(1, self._about(by_language))
            if share < _LEAST_SHARE:
                return None
        candidates = CANDIDATES if funnel is None else funnel.candidates
        wanted = int(max(candidates, _PER_RESULT * (limit + offset)) / share)
        ids = codes.nearest(vector, wanted, where.languages, max(VISIT_ROWS, 8 * wanted))
        found = self.order(vector, ids, limit=limit, offset=offset, where=where)
        return None if len(found) < limit and len(ids) >= wanted else found

    def order(
        self,
        vector: Vectors,
        ids: Sequence[str],
        *,
        limit: int,
        offset: int = 0,
        where: Where = EVERYTHING,
    ) -> list[Hit]:
        request = edge.QueryRequest(
            limit=limit,
            offset=offset,
            query=_nearest(vector, self.contract.dims[0]),
            filter=edge.Filter(must=[edge.HasIdCondition(set(ids)), _visible(where)]),
            with_payload=True,
        )
        with self._lock:
            found = self._shard.query(request)
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def _about(self, where: Where) -> int:
        """Points that a filter lets through, estimated."""
        with self._lock:
            return self._shard.count(edge.CountRequest(exact=False, filter=_visible(where)))

    def search_terms(self, terms: SparseVector, *, limit: int, where: Where = EVERYTHING) -> list[Hit]:
        if not len(terms.indices):
            return []
        request = edge.QueryRequest(
            limit=limit,
            query=edge.Query.Nearest(_sparse(terms), using=schema.TERMS),
            filter=_visible(where),
            with_payload=True,
        )
        with self._lock:
            found = self._shard.query(request)
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def add_dim(self, dim: int) -> None:
        self._update(
            edge.UpdateOperation.create_dense_vector(
                schema.vector_name(dim), dim, _DISTANCE, multivector_config=_MAX_SIM, datatype=_FLOAT16
            )
        )
        self._filling = (dim,)  # from here on points are written with it
        after: Any = None
        while True:
            schema.check_disk(self._folder, self._free_bytes)
            request = edge.ScrollRequest(
                offset=after, limit=schema.BATCH_POINTS, with_payload=False, with_vector=True
            )
            with self._lock:
                records, after = self._shard.scroll(request)
                cut = schema.prefixes([record.vector for record in records], dim, self.contract)
                rows = [
                    edge.PointVectors(record.id, {schema.vector_name(dim): vectors})
                    for record, vectors in zip(records, cut, strict=True)
                ]
                self._shard.update(edge.UpdateOperation.update_vectors(rows))
            if after is None:
                break
        with self._lock:
            self._shard.flush()
            self.contract = schema.with_dim(self.contract, dim)
            self._filling = ()
            self._write_contract()

    def drop_dim(self, dim: int) -> None:
        with self._lock:
            self.contract = schema.without_dim(self.contract, dim)
            self._write_contract()
            self._shard.update(edge.UpdateOperation.delete_vector_name(schema.vector_name(dim)))
            self._shard.flush()

    def vectors(self, points: Sequence[str]) -> Mapping[str, Vectors]:
        full = schema.vector_name(self.contract.dims[0])
        with self._lock:
            found = self._shard.retrieve(list(points), False, [full])
        return {
            str(record.id): np.array(record.vector[full], np.float32)
            for record in found
            if isinstance(record.vector, dict)
        }

    def compress(self, compression: Compression | None) -> None:
        if compression == self.contract.compression:
            return
        made = None
        if compression is not None:
            made = Codes(self._codes_folder(compression), compression)
            with self._lock:
                self._next_codes = made  # from here on points are written with it
            try:
                self._fill(made)
                made.wait()
                if not made.complete:
                    raise NotPossible("the collection was closed before its codes were made")
            except BaseException:
                self._next_codes = None
                made.close()
                raise
        with self._lock:
            before, self._codes, self._next_codes = self._codes, made, None
            self.contract = replace(self.contract, compression=compression)
            self._write_contract()
        if before is not None:
            before.close()
        self._sweep_codes()

    def _open_codes(self) -> Codes | None:
        """The codes that the contract promises; those of a change that did not come to its end go."""
        self._sweep_codes()
        kept = self.contract.compression
        if kept is None:
            return None
        codes = Codes(self._codes_folder(kept), kept)
        points = self.count()
        if not points and not codes.complete:
            codes.finish()
        if codes.rows < points:  # a point has at least one: files were lost
            log.error("%s: codes of %s points are missing and made again", self._folder, points - codes.rows)
            codes.complete = False
        return codes

    def _codes_folder(self, compression: Compression) -> Path:
        return self._folder / f"codes-{compression.dim}-{compression.quantisation}"

    def _sweep_codes(self) -> None:
        kept = self.contract.compression
        for path in self._folder.glob("codes-*"):
            if kept is None or path != self._codes_folder(kept):
                shutil.rmtree(path, ignore_errors=True)

    def _refill(self, codes: Codes) -> None:
        try:
            self._fill(codes)
        except Exception:
            log.exception("%s: codes were not made; searches do without", self._folder)

    def _fill(self, codes: Codes) -> None:
        """Make the rows of all points from their stored vectors; incomplete if closed meanwhile."""
        for ids, languages, vectors in self._stored():
            schema.check_disk(self._folder, self._free_bytes)
            codes.add(ids, languages, vectors)
        if self._closed:
            return
        codes.finish()
        codes.tend(self._ids, self.count)

    def all_vectors(self) -> Iterator[tuple[list[str], list[Vectors]]]:
        for ids, _, vectors in self._stored():
            yield ids, vectors

    def _stored(self) -> Iterator[tuple[list[str], list[str], list[Vectors]]]:
        """Ids, languages and full vectors of all points, some at a time."""
        full = schema.vector_name(self.contract.dims[0])
        after: Any = None
        while True:
            request = edge.ScrollRequest(
                offset=after, limit=_FILL_POINTS, with_payload=["language"], with_vector=[full]
            )
            with self._lock:
                if self._closed:
                    return
                records, after = self._shard.scroll(request)
            stored: list[Any] = [record.vector for record in records]
            if records:
                yield (
                    [str(record.id) for record in records],
                    [(record.payload or {})["language"] for record in records],
                    [np.array(named[full], np.float32) for named in stored],
                )
            if after is None:
                return

    def _ids(self) -> Iterator[str]:
        """Of all points."""
        after: Any = None
        while not self._closed:
            request = edge.ScrollRequest(
                offset=after, limit=_SCROLL_POINTS, with_payload=False, with_vector=False
            )
            with self._lock:
                records, after = self._shard.scroll(request)
            yield from (str(record.id) for record in records)
            if after is None:
                return

    def chunks(self, version: str) -> list[Chunk]:
        found: list[Chunk] = []
        after: Any = None
        while True:
            request = edge.ScrollRequest(
                offset=after,
                limit=_SCROLL_POINTS,
                filter=_matching("version", [version]),
                with_payload=True,
                with_vector=False,
            )
            with self._lock:
                records, after = self._shard.scroll(request)
            found += [chunk_from(record.payload or {}) for record in records]
            if after is None:
                return sorted(found, key=lambda chunk: chunk.position)

    def close(self) -> None:
        self._closed = True
        if self._filler is not None:
            self._filler.join()
        if self._codes is not None:
            self._codes.close()
        with self._lock:
            self._shard.flush()
            self._shard.close()

    def _update(self, operation: edge.UpdateOperation) -> None:
        with self._lock:
            self._shard.update(operation)

    def _facet(self, key: str, where: edge.Filter | None) -> dict[str, int]:
        with self._lock:
            response = self._shard.facet(edge.FacetRequest(key, limit=_ALL, exact=True, filter=where))
        return {str(hit.value): hit.count for hit in response.hits if hit.count}  # 0: deleted just now


def _kind(codes: Codes) -> tuple[int, str]:
    return codes.compression.dim, codes.compression.quantisation


def _named_terms(terms: SparseVector) -> dict[str, edge.SparseVector]:
    """None for a text without a term: the engine has no empty vectors."""
    return {schema.TERMS: _sparse(terms)} if len(terms.indices) else {}


def _sparse(terms: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(terms.indices.tolist(), terms.values.tolist())


def _nearest(vector: Vectors, dim: int) -> edge.Query:
    name = schema.vector_name(dim)
    return edge.Query.Nearest(truncate(vector[None], dim)[0].tolist(), using=name)


def _matching(field: str, values: Sequence[str]) -> edge.Filter:
    return edge.Filter(must=[edge.FieldCondition(field, match=edge.MatchAny(list(values)))])


def _visible(where: Where) -> edge.Filter:
    """What may be found: published, and as it was asked for."""
    must_not: list[Any] = [edge.IsEmptyCondition(schema.DOCUMENTS)]
    if where.not_versions:
        must_not.append(edge.FieldCondition("version", match=edge.MatchAny(list(where.not_versions))))
    if where.not_points:
        must_not.append(edge.HasIdCondition(set(where.not_points)))
    return edge.Filter(must=[_condition(one) for one in schema.conditions(where)], must_not=must_not)


def _condition(asked: schema.OneOf) -> edge.FieldCondition:
    values: list[Any] = list(asked.values)
    return edge.FieldCondition(asked.field, match=edge.MatchAny(values))
