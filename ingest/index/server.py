"""A Qdrant server, or cluster, through qdrant-client."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from embedder.encoder import Vectors
from embedder.pooling import truncate
from ingest.errors import IndexDamaged, IndexUnavailable
from ingest.index import schema
from ingest.index.contract import (
    EVERYTHING,
    NOTHING_BESIDE,
    Beside,
    Compression,
    Contract,
    Funnel,
    Quantisation,
    Where,
    chunk_from,
    payload,
)
from ingest.lexical import SparseVector
from ingest.records import Chunk, Hit

T = TypeVar("T")

_SCROLL_POINTS = 1000
_DISTANCE = models.Distance.DOT
"""Of unit vectors: the cosine."""
_MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
_ALL = 1_000_000
_QUANTISATION: Mapping[Quantisation, models.ScalarQuantization | models.BinaryQuantization | None] = {
    "none": None,
    "int8": models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    ),
    "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
}
"""The server's own, of the prefix that finds candidates."""
_BY_CODES = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=False))
"""The full vector orders the candidates: rescoring by the prefix first would read it for nothing."""
PREFIX = "kalm_"
"""Of our collections' names on the server."""


def connect(url: str, api_key: str | None) -> QdrantClient:
    """A client that has not talked to the server yet."""
    return QdrantClient(url, api_key=api_key, timeout=30, check_compatibility=False)


def read_contract(client: QdrantClient, name: str) -> Contract | None:
    """What a collection promises; None if there is none. Raises IndexUnavailable, IndexDamaged."""
    return _guard(lambda: _contract(client, PREFIX + name))


def drop(client: QdrantClient, name: str) -> None:
    """Remove a collection; none there is fine."""
    _guard(lambda: client.delete_collection(PREFIX + name))


class ServerIndex:
    """One collection on a server. Calls are serialised: the client's in-memory engine needs it."""

    has_own_quantisation = True

    def __init__(self, name: str, client: QdrantClient, contract: Contract) -> None:
        """Open the collection, or make it. Raises WrongEncoder, IndexUnavailable, IndexDamaged."""
        self._lock = threading.RLock()
        self._client = client
        self._name = PREFIX + name
        self._filling: tuple[int, ...] = ()
        stored = read_contract(client, name)
        if stored is None:
            self.contract = contract
            self._call(self._create)
        else:
            schema.check_encoder(name, stored, contract)
            self.contract = replace(stored, recipe=contract.recipe)
            self._call(lambda: client.update_collection(self._name, metadata=self._metadata()))
        self._call(self._index_fields)

    def _create(self) -> None:
        self._client.create_collection(
            self._name,
            vectors_config={
                schema.vector_name(dim): models.VectorParams(
                    size=dim,
                    distance=_DISTANCE,
                    multivector_config=_MAX_SIM,
                    datatype=models.Datatype.FLOAT16,
                    quantization_config=_QUANTISATION[schema.quantised(self.contract, dim)],
                    on_disk=dim == self.contract.dims[0] and len(self.contract.dims) > 1,
                )
                for dim in self.contract.dims
            },
            sparse_vectors_config={schema.TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata=self._metadata(),
        )

    def _index_fields(self) -> None:
        """Those that are not indexed yet: all of a new collection's, what is new of an old one's."""
        there = self._client.get_collection(self._name).payload_schema
        for field in sorted(schema.FIELDS.keys() - there.keys()):
            keyword = schema.FIELDS[field] == "keyword"
            kind = models.PayloadSchemaType.KEYWORD if keyword else models.PayloadSchemaType.INTEGER
            self._client.create_payload_index(self._name, field, kind)

    def _metadata(self) -> dict[str, Any]:
        return {"contract": asdict(self.contract)}

    def upsert(
        self, chunks: Sequence[Chunk], vectors: Sequence[Vectors], terms: Sequence[SparseVector]
    ) -> None:
        points = [
            models.PointStruct(
                id=chunk.id,
                vector={**schema.named_vectors(windows, self.contract, self._filling), **_named_terms(words)},
                payload=payload(chunk),
            )
            for chunk, windows, words in zip(chunks, vectors, terms, strict=True)
        ]
        for batch in schema.in_batches(len(points)):
            self._write(partial(self._client.upsert, self._name, points[batch], wait=True))

    def publish(
        self,
        version: str,
        documents: Iterable[str],
        beside: Beside = NOTHING_BESIDE,
        *,
        durable: bool = True,  # the server's log sees to it
    ) -> None:
        cited = schema.citing(documents, beside)
        self._write(
            lambda: self._client.set_payload(
                self._name, cited, points=_matching("version", [version]), wait=True
            )
        )

    def delete(self, version: str) -> None:
        selector = models.FilterSelector(filter=_matching("version", [version]))
        self._write(lambda: self._client.delete(self._name, selector, wait=True))

    def count(self, version: str | None = None) -> int:
        where = None if version is None else _matching("version", [version])
        return self._call(lambda: self._client.count(self._name, count_filter=where, exact=True).count)

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
        visible = _visible(where)
        funnel = schema.funnel_of(self.contract, funnel)
        prefetch = None
        if dim > funnel.dim and not exact:
            prefetch = models.Prefetch(
                query=_cut(vector, funnel.dim),
                using=schema.vector_name(funnel.dim),
                limit=schema.candidates(limit + offset, funnel),
                filter=visible,
                params=_BY_CODES if schema.quantised(self.contract, funnel.dim) != "none" else None,
            )
        found = self._call(
            lambda: (
                self._client.query_points(
                    self._name,
                    query=_cut(vector, dim),
                    using=schema.vector_name(dim),
                    prefetch=prefetch,
                    query_filter=visible,
                    search_params=models.SearchParams(exact=exact),
                    limit=limit,
                    offset=offset,
                    with_payload=True,
                ).points
            )
        )
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def order(self, vector: Vectors, ids: Sequence[str], *, limit: int) -> list[Hit]:
        full = self.contract.dims[0]
        visible = _visible(EVERYTHING)
        among = models.Filter(must=[models.HasIdCondition(has_id=list(ids)), visible])
        query = partial(self._client.query_points, self._name, query=_cut(vector, full), limit=limit)
        found = self._call(
            lambda: query(using=schema.vector_name(full), query_filter=among, with_payload=True).points
        )
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def all_vectors(self) -> Iterator[tuple[list[str], list[Vectors]]]:
        full = schema.vector_name(self.contract.dims[0])
        after: Any = None
        while True:
            page = partial(self._client.scroll, self._name, limit=schema.BATCH_POINTS, with_payload=False)
            records, after = self._call(partial(page, with_vectors=[full], offset=after))
            stored: list[Any] = [record.vector for record in records]
            if records:
                yield (
                    [str(record.id) for record in records],
                    [np.array(named[full], np.float32) for named in stored],
                )
            if after is None:
                return

    def compress(self, compression: Compression | None) -> None:
        if compression is not None and compression.dim not in self.contract.dims:
            self.add_dim(compression.dim)
        changed = replace(self.contract, compression=compression)
        for dim in self.contract.dims:
            kind = schema.quantised(changed, dim)
            if kind == schema.quantised(self.contract, dim):
                continue
            quantisation = _QUANTISATION[kind] or models.Disabled.DISABLED
            diff = {schema.vector_name(dim): models.VectorParamsDiff(quantization_config=quantisation)}
            self._call(partial(self._client.update_collection, self._name, vectors_config=diff))
        self._keep(changed)

    def finder(self, funnel: Funnel | None) -> Funnel:
        return schema.funnel_of(self.contract, funnel)

    def search_terms(self, terms: SparseVector, *, limit: int, where: Where = EVERYTHING) -> list[Hit]:
        if not len(terms.indices):
            return []
        found = self._call(
            lambda: (
                self._client.query_points(
                    self._name,
                    query=_sparse(terms),
                    using=schema.TERMS,
                    query_filter=_visible(where),
                    limit=limit,
                    with_payload=True,
                ).points
            )
        )
        return [Hit(chunk_from(point.payload or {}), point.score) for point in found]

    def add_dim(self, dim: int) -> None:
        name = schema.vector_name(dim)
        if name not in self._call(self._vector_names):
            float16 = models.VectorStorageDatatype.FLOAT16
            vector = models.DenseVectorConfig(
                size=dim, distance=_DISTANCE, multivector_config=_MAX_SIM, datatype=float16
            )
            config = models.DenseVectorNameConfig(dense=vector)
            self._write(lambda: self._client.create_vector_name(self._name, name, config, wait=True))
        self._filling = (dim,)  # from here on points are written with it
        after: Any = None
        full = schema.vector_name(self.contract.dims[0])
        while True:
            page = partial(self._client.scroll, self._name, limit=schema.BATCH_POINTS, with_payload=False)
            records, after = self._call(partial(page, with_vectors=[full], offset=after))
            cut = schema.prefixes([record.vector for record in records], dim, self.contract)
            rows = [
                models.PointVectors(id=record.id, vector={name: vectors})
                for record, vectors in zip(records, cut, strict=True)
            ]
            if rows:
                self._write(partial(self._client.update_vectors, self._name, rows, wait=True))
            if after is None:
                break
        self._keep(schema.with_dim(self.contract, dim))
        self._filling = ()

    def drop_dim(self, dim: int) -> None:
        self._keep(schema.without_dim(self.contract, dim))
        name = schema.vector_name(dim)
        if name in self._call(self._vector_names):
            self._write(lambda: self._client.delete_vector_name(self._name, name, wait=True))

    def _keep(self, contract: Contract) -> None:
        self.contract = contract
        self._call(lambda: self._client.update_collection(self._name, metadata=self._metadata()))

    def _vector_names(self) -> set[str]:
        vectors = self._client.get_collection(self._name).config.params.vectors
        return set(vectors) if isinstance(vectors, dict) else set()

    def vectors(self, points: Sequence[str]) -> Mapping[str, Vectors]:
        full = schema.vector_name(self.contract.dims[0])
        found = self._call(
            lambda: self._client.retrieve(self._name, list(points), with_payload=False, with_vectors=[full])
        )
        return {
            str(record.id): np.array(record.vector[full], np.float32)
            for record in found
            if isinstance(record.vector, dict)
        }

    def chunks(self, version: str) -> list[Chunk]:
        found: list[Chunk] = []
        after: Any = None
        where = _matching("version", [version])
        while True:
            page = partial(self._client.scroll, self._name, limit=_SCROLL_POINTS, with_payload=True)
            records, after = self._call(partial(page, scroll_filter=where, offset=after))
            found += [chunk_from(record.payload or {}) for record in records]
            if after is None:
                return sorted(found, key=lambda chunk: chunk.position)

    def close(self) -> None:
        """Nothing to do: the client is shared by all collections and is closed with the process."""

    def _facet(self, key: str, where: models.Filter | None) -> dict[str, int]:
        response = self._call(
            lambda: self._client.facet(self._name, key, facet_filter=where, limit=_ALL, exact=True)
        )
        return {str(hit.value): hit.count for hit in response.hits}

    def _call(self, call: Callable[[], T]) -> T:
        with self._lock:
            return _guard(call)

    def _write(self, call: Callable[[], models.UpdateResult]) -> None:
        """A write counts only when it was applied: a time-out leaves it unknown."""
        status = self._call(call).status
        if status != models.UpdateStatus.COMPLETED:
            raise IndexUnavailable(
                f"Qdrant did not confirm a write to {self._name!r} ({status}); retry the job"
            )


def _contract(client: QdrantClient, collection: str) -> Contract | None:
    if not client.collection_exists(collection):
        return None
    fields = (client.get_collection(collection).config.metadata or {}).get("contract")
    if fields is None:
        raise IndexDamaged(
            f"collection {collection!r} on the Qdrant server is not one of ours: it has no contract"
        )
    return Contract.read(fields, f"collection {collection!r} on the Qdrant server")


def _guard(call: Callable[[], T]) -> T:
    """Say what a failing server means for people."""
    try:
        return call()
    except (ResponseHandlingException, UnexpectedResponse, ApiException) as error:
        raise IndexUnavailable(
            f"the Qdrant server failed ({error}): check that it runs, KALM_QDRANT_URL and KALM_QDRANT_API_KEY"
        ) from error


def _named_terms(terms: SparseVector) -> dict[str, models.SparseVector]:
    """None for a text without a term."""
    return {schema.TERMS: _sparse(terms)} if len(terms.indices) else {}


def _sparse(terms: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=terms.indices.tolist(), values=terms.values.tolist())


def _cut(vector: Vectors, dim: int) -> list[list[float]]:
    """A multivector of one row: what is stored are multivectors."""
    numbers: list[list[float]] = truncate(vector[None], dim).tolist()
    return numbers


def _matching(field: str, values: Sequence[str]) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))])


def _visible(where: Where) -> models.Filter:
    """What may be found: published, and as it was asked for."""
    must_not: list[models.Condition] = [
        models.IsEmptyCondition(is_empty=models.PayloadField(key=schema.DOCUMENTS))
    ]
    if where.not_versions:
        match = models.MatchAny(any=list(where.not_versions))
        must_not.append(models.FieldCondition(key="version", match=match))
    if where.not_points:
        must_not.append(models.HasIdCondition(has_id=list(where.not_points)))
    return models.Filter(must=[_condition(one) for one in schema.conditions(where)], must_not=must_not)


def _condition(asked: schema.OneOf) -> models.Condition:
    match = models.MatchAny(any=list(asked.values))  # type: ignore[arg-type]
    return models.FieldCondition(key=asked.field, match=match)
