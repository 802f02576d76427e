"""How fast and how right searches are on many points: python -m benchmarks.search FOLDER --points 100000

Vectors of KaLM's shape (benchmarks/vectors.py), one per point, in the embedded index as the product fills it.
Some queries are asked in every way, then the next in every way, so that whatever else the machine does meets
all ways alike.
FOLDER keeps what takes long to build; a second run takes it from there.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import qdrant_edge as edge
import tyro
from qdrant_client import QdrantClient, models

from benchmarks.machine import describe, percentile
from benchmarks.vectors import DIM, Vectors, clustered
from ingest.index.contract import Chunking, Compression, Contract, Where
from ingest.index.edge import EdgeIndex
from ingest.lexical import encode_documents
from ingest.records import Chunk

PREFIX = 256
"""The product's own choice at 896 dims."""
OTHER = 128
LANGUAGES = ("en", "de", "zh")
"""A third of the points each, in every topic."""
PER_DOCUMENT = 500
LIMIT = 10
WARM = 20
BLOCK = 20
"""Queries that one way is asked before the next is: one finds the processor's cache as it would alone."""
_TEXT = "A passage of some length, as it is stored beside its vector and given back with it. " * 5

Search = Callable[[Vectors], Sequence[int]]
"""A query's vector -> points (numbers), best first."""


@dataclass
class Way:
    name: str
    search: Search
    exact: list[set[int]]
    milliseconds: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    """Processor time in milliseconds: what a search would take were nothing else running."""
    recalls: list[float] = field(default_factory=list)

    def ask(self, at: int, query: Vectors) -> None:
        begin, work = time.perf_counter(), time.process_time()
        found = self.search(query)
        self.milliseconds.append((time.perf_counter() - begin) * 1000)
        self.work.append((time.process_time() - work) * 1000)
        self.recalls.append(len(self.exact[at] & set(found)) / LIMIT)

    def line(self) -> str:
        return (
            f"{self.name:<46} {percentile(self.milliseconds, 50):>8.2f} "
            f"{percentile(self.milliseconds, 95):>8.2f} {max(self.milliseconds):>8.2f} "
            f"{percentile(self.work, 50):>8.2f} {percentile(self.work, 95):>8.2f} "
            f"{np.mean(self.recalls):>9.2%}"
        )


def main(
    folder: tyro.conf.Positional[Path],
    points: int = 100_000,
    queries: int = 200,
    hnsw: bool = False,
    local: int = 0,
    build: bool = False,
) -> None:
    """Compare the product's search with others.

    Args:
        folder: Where the indexes are kept.
        points: In the index.
        queries: Asked in every way, after some to warm up.
        hnsw: Also the engine's own graph over the full vectors (building it: minutes).
        local: Also qdrant-client's local mode, over so many of the points.
        build: Also how fast searches are while codes and cells are made.
    """
    vectors, asked = clustered(points, queries + WARM)
    spoken = np.arange(points) // PER_DOCUMENT % len(LANGUAGES)
    exact, german = nearest(vectors, asked), nearest(vectors, asked, spoken == 1)
    index = open_index(folder / f"kalm-{points}", vectors)
    assert index._codes is not None
    full = points * DIM * 2
    print(f"{points} points: codes {index._codes.bytes / 1e6:.0f} MB, full vectors {full / 1e6:.0f} MB")
    where = Where(languages=("de",))
    ways = [
        Way("funnel (int8 codes of 256 dims in cells)", product(index), exact),
        Way("the same, one language of three", product(index, where=where), german),
        Way("exact, full vectors", product(index, exact=True), exact),
    ]
    if hnsw:
        graphed = graph(folder / f"hnsw-{points}", vectors)
        ways.append(Way("the engine's HNSW, full vectors", graphed, exact))
    if local:
        near = nearest(vectors[:local], asked)
        ways.append(Way(f"qdrant-client, local mode, {local} points", client(vectors[:local]), near))
    for begin in range(0, len(asked), BLOCK):
        for way in ways:
            for at in range(begin, min(begin + BLOCK, len(asked))):
                way.ask(at, asked[at])
    print(f"{'ms':<46} {'p50':>8} {'p95':>8} {'max':>8} {'cpu p50':>8} {'cpu p95':>8} {'recall@10':>9}")
    for way in ways:
        del way.milliseconds[:WARM], way.work[:WARM], way.recalls[:WARM]
        print(way.line())
    if build:
        while_building(index, asked, Compression(OTHER, "int8"))
        index.compress(Compression(PREFIX, "int8"))
    index.close()
    print(f"{queries} queries; {describe()}")


def nearest(vectors: Vectors, queries: Vectors, among: np.ndarray | None = None) -> list[set[int]]:
    """The exact ten of each query, by float32."""
    similar = queries @ vectors.T
    if among is not None:
        similar[:, ~among] = -np.inf
    return [set(row.tolist()) for row in np.argpartition(-similar, LIMIT, axis=1)[:, :LIMIT]]


def open_index(folder: Path, vectors: Vectors) -> EdgeIndex:
    """The collection, filled as ingestion fills it, unless it is there."""
    contract = Contract(
        "synthetic", "1", (DIM, PREFIX), Chunking("windows", 256, 128), "1", Compression(PREFIX, "int8")
    )
    done = folder / "filled"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        index = EdgeIndex("benchmark", folder / "index", contract, free_bytes=0)
        (terms,) = encode_documents([_TEXT])
        begin = time.perf_counter()
        for at in range(0, len(vectors), PER_DOCUMENT):
            part = vectors[at : at + PER_DOCUMENT]
            language = LANGUAGES[at // PER_DOCUMENT % len(LANGUAGES)]
            chunks = [
                Chunk(f"v{at}", number, _TEXT, "Title", (), None, language) for number in range(len(part))
            ]
            index.upsert(chunks, list(part[:, None]), [terms] * len(part))
            index.publish(f"v{at}", [f"d{at}"])
        print(f"filled in {time.perf_counter() - begin:.0f} s, cells of it made meanwhile")
        settle(index)
        index.close()
        done.write_text("")
    index = EdgeIndex("benchmark", folder / "index", contract, free_bytes=0)
    settle(index)
    return index


def settle(index: EdgeIndex) -> None:
    """Until all rows are in cells."""
    codes = index._codes
    assert codes is not None
    codes.wait()
    codes.tend(list, index.count)
    codes.wait()


def product(index: EdgeIndex, *, exact: bool = False, where: Where | None = None) -> Search:
    def search(query: Vectors) -> list[int]:
        hits = index.search(query, limit=LIMIT, exact=exact, where=where or Where())
        return [int(hit.chunk.version[1:]) + hit.chunk.position for hit in hits]

    return search


def while_building(index: EdgeIndex, queries: Vectors, compression: Compression) -> None:
    """Searches while other codes are made from the stored vectors and their cells are learnt from nothing."""
    search = product(index)
    quiet = [timed(search, query) for query in queries]
    change = threading.Thread(target=index.compress, args=(compression,))
    begin = time.perf_counter()
    change.start()
    during = []
    while change.is_alive():
        during += [timed(search, query) for query in queries[:20]]
    print(f"codes of {compression.dim} dims and their cells made in {time.perf_counter() - begin:.0f} s")
    for when, times in (("just before", quiet), ("meanwhile", during)):
        p50, p95 = percentile(times, 50), percentile(times, 95)
        print(f"  searches {when}: {len(times)}, p50 {p50:.2f} p95 {p95:.2f} max {max(times):.2f} ms")


def timed(search: Search, query: Vectors) -> float:
    begin = time.perf_counter()
    search(query)
    return (time.perf_counter() - begin) * 1000


def graph(folder: Path, vectors: Vectors) -> Search:
    """The engine's HNSW (m 16, ef_construct 100, ef 128) over float16 full vectors."""
    path = folder / "shard"
    hnsw = edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000, max_indexing_threads=2)
    if not (folder / "built").exists():
        shutil.rmtree(folder, ignore_errors=True)
        path.mkdir(parents=True)
        full = edge.EdgeVectorParams(DIM, edge.Distance.Dot, datatype=edge.VectorStorageDatatype.Float16)
        shard = edge.EdgeShard.create(str(path), edge.EdgeConfig(vectors={"full": full}, hnsw_config=hnsw))
        for at in range(0, len(vectors), 500):
            rows = enumerate(vectors[at : at + 500].tolist(), at)
            points = [edge.Point(key, {"full": row}, {"text": _TEXT}) for key, row in rows]
            shard.update(edge.UpdateOperation.upsert_points(points))
        begin = time.perf_counter()
        shard.optimize()
        (folder / "built").write_text(json.dumps(time.perf_counter() - begin))
        shard.flush()
        shard.close()
    print(f"the engine's graph took {json.loads((folder / 'built').read_text()):.0f} s to build")
    shard = edge.EdgeShard.load(str(path))

    def search(query: Vectors) -> list[int]:
        near = edge.Query.Nearest(query.tolist(), using="full")
        params = edge.SearchParams(hnsw_ef=128)
        found = shard.query(edge.QueryRequest(limit=LIMIT, query=near, with_payload=True, params=params))
        return [int(str(hit.id)) for hit in found]

    return search


def client(vectors: Vectors) -> Search:
    """qdrant-client without a server: what LlamaIndex and LangChain users start with."""
    local = QdrantClient(":memory:")
    params = models.VectorParams(size=DIM, distance=models.Distance.DOT)
    local.create_collection("all", vectors_config=params)
    for at in range(0, len(vectors), 1000):
        part = vectors[at : at + 1000]
        ids = [str(UUID(int=at + number)) for number in range(len(part))]
        payloads = [{"text": _TEXT}] * len(part)
        local.upsert("all", models.Batch(ids=ids, vectors=part.tolist(), payloads=payloads))

    def search(query: Vectors) -> list[int]:
        found = local.query_points("all", query=query.tolist(), limit=LIMIT, with_payload=True).points
        return [UUID(str(hit.id)).int for hit in found]

    return search


if __name__ == "__main__":
    tyro.cli(main)
