"""One suite for every engine: what `Index` promises, whoever keeps it."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from qdrant_client import QdrantClient

from embedder.encoder import Vectors
from embedder.errors import UnknownDim
from embedder.pooling import normalise
from ingest.errors import DiskFull, IndexDamaged, IndexLocked, IndexUnavailable, WrongEncoder
from ingest.index import Location, drop_index, open_index, stored_contract
from ingest.index.contract import Beside, Between, Chunking, Compression, Contract, Funnel, Index, Where
from ingest.index.edge import EdgeIndex
from ingest.index.server import ServerIndex, connect
from ingest.lexical import SparseVector, encode_documents, encode_queries
from ingest.records import Chunk

CONTRACT = Contract("fake", "fake-1", (32, 8), Chunking("windows", 256, 64), recipe="1")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]

Open = Callable[[Contract], Index]


@pytest.fixture(params=["edge", "memory", pytest.param("server", marks=pytest.mark.server)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same collection again and again, closing it in between."""
    opened: list[Index] = []
    url = os.environ.get("KALM_TEST_QDRANT_URL")
    if request.param == "server" and not url:
        pytest.skip("no Qdrant server: set KALM_TEST_QDRANT_URL")
    client = None
    if request.param != "edge":
        client = connect(url or "", None) if request.param == "server" else QdrantClient(":memory:")
    name = f"test-{uuid4()}"

    def open_it(contract: Contract) -> Index:
        for index in opened:
            index.close()
        opened.clear()
        if client is None:
            opened.append(EdgeIndex(name, tmp_path / name, contract, free_bytes=0))
        else:
            opened.append(ServerIndex(name, client, contract))
        return opened[0]

    yield open_it
    for index in opened:
        index.close()
    if client is not None:
        client.delete_collection(f"kalm_{name}")
        client.close()


@pytest.fixture
def index(reopen: Open) -> Index:
    return reopen(CONTRACT)


def chunks(version: str, number: int, language: str = "en") -> list[Chunk]:
    return [
        Chunk(version, position, f"{version} {position}", "Title", ("Heading",), 1, language)
        for position in range(number)
    ]


def vectors(number: int, seed: int = 0) -> Vectors:
    """Unit vectors whose energy decays with the dimension, as Matryoshka training makes them."""
    decay = np.arange(1, 33, dtype=np.float32) ** -0.7
    random = np.random.default_rng(seed).standard_normal((number, 32), dtype=np.float32)
    return normalise(random * decay)


def words(version: str, number: int) -> list[SparseVector]:
    """Of the chunks' texts."""
    return encode_documents([chunk.text for chunk in chunks(version, number)])


def one_each(points: Vectors) -> list[Vectors]:
    """Every chunk is one window."""
    return list(points[:, None])


def put(index: Index, version: str, number: int = 3, *, seed: int = 0, language: str = "en") -> Vectors:
    points = vectors(number, seed)
    index.upsert(chunks(version, number, language), one_each(points), words(version, number))
    index.publish(version, [f"document of {version}"])
    return points


def test_a_written_point_is_hidden_until_it_is_published(index: Index) -> None:
    points = vectors(3)
    index.upsert(chunks("v", 3), one_each(points), words("v", 3))

    assert index.search(points[1], limit=3) == []
    assert index.languages() == {}

    index.publish("v", ["d"])
    assert index.search(points[1], limit=3)[0].chunk == chunks("v", 3)[1]
    assert index.languages() == {"en": 3}


def test_the_score_is_the_cosine(index: Index) -> None:
    points = put(index, "v")

    scores = {hit.chunk.position: hit.score for hit in index.search(points[0], limit=3)}

    for position, vector in enumerate(points):
        assert scores[position] == pytest.approx(float(vector @ points[0]), abs=2e-3)  # stored as float16


def test_writing_twice_changes_nothing(index: Index) -> None:
    points = put(index, "v")
    put(index, "v")

    assert index.count() == 3
    assert len(index.search(points[0], limit=10)) == 3


def test_a_deleted_version_is_gone_and_the_others_stay(index: Index) -> None:
    put(index, "old")
    put(index, "new", seed=1)

    index.delete("old")
    index.delete("never there")

    assert (index.count(), index.count("old"), index.versions()) == (3, 0, {"new": 3})


def test_search_keeps_to_the_languages_and_documents_asked_for(index: Index) -> None:
    points = put(index, "german", language="de")
    put(index, "thai", language="th")

    def versions(where: Where) -> set[str]:
        return {hit.chunk.version for hit in index.search(points[0], limit=10, where=where)}

    assert versions(Where()) == {"german", "thai"}
    assert versions(Where(languages=("th", "fr"))) == {"thai"}
    assert versions(Where(documents=("document of german",))) == {"german"}
    assert versions(Where(languages=("th",), documents=("document of german",))) == set()


def test_the_funnel_finds_what_exact_search_finds(index: Index) -> None:
    put(index, "v", 2000)
    agreement = []

    for query in vectors(20, seed=1):
        funnel, exact = (
            {hit.chunk.position for hit in index.search(query, limit=10, exact=exact)}
            for exact in (False, True)
        )
        agreement.append(len(funnel & exact) / 10)

    assert np.mean(agreement) >= 0.99


def test_a_chunk_of_several_windows_is_as_near_as_its_nearest_one(index: Index) -> None:
    points = vectors(6)
    index.upsert(chunks("v", 2), [points[:4], points[4:]], words("v", 2))
    index.publish("v", ["d"])

    hits = index.search(points[2], limit=10)

    assert [hit.chunk.position for hit in hits] == [0, 1]
    assert hits[0].score == pytest.approx(1, abs=2e-3)
    assert hits[1].score == pytest.approx(float((points[4:] @ points[2]).max()), abs=2e-3)
    assert index.count() == 2


def test_words_are_found_by_bm25_among_what_is_published(index: Index) -> None:
    texts = [
        "the battery wants a cool place",
        "a battery, another battery, and a cool place",
        "bread and salt",
    ]
    made = [Chunk("v", at, text, "Title", (), None, "en") for at, text in enumerate(texts)]
    index.upsert(made, one_each(vectors(3)), encode_documents(texts))
    (battery, salty, nothing) = encode_queries(["Battery", "SALT", "…"])

    assert index.search_terms(battery, limit=10) == []
    index.publish("v", ["d"])

    found = index.search_terms(battery, limit=10)
    assert [hit.chunk.position for hit in found] == [1, 0]
    assert found[0].score > found[1].score > 0
    assert [hit.chunk.position for hit in index.search_terms(salty, limit=10)] == [2]
    assert index.search_terms(salty, limit=10, where=Where(languages=("de",))) == []
    assert index.search_terms(nothing, limit=10) == []


def test_a_text_without_words_can_be_stored(index: Index) -> None:
    empty = [Chunk("v", 0, "…", "", (), None, "unknown")]
    index.upsert(empty, one_each(vectors(1)), encode_documents(["…"]))
    index.publish("v", ["d"])

    assert index.count("v") == 1


def test_a_smaller_stored_width_can_be_searched_alone(index: Index) -> None:
    points = put(index, "v", 50)

    by_prefix = index.search(points[7], limit=1, dim=8)

    assert by_prefix[0].chunk.position == 7
    assert by_prefix[0].score == pytest.approx(1, abs=2e-3)
    with pytest.raises(UnknownDim, match="this collection has 32, 8 dims, not 16"):
        index.search(points[7], limit=1, dim=16)


def test_a_prefix_is_added_from_the_stored_vectors_and_stays(reopen: Open) -> None:
    index = reopen(CONTRACT)
    points = put(index, "v", 700)

    index.add_dim(16)
    index.add_dim(16)
    more = put(index, "w", 3, seed=1)

    assert index.contract.dims == (32, 16, 8)
    for queries, version in ((points, "v"), (more, "w")):
        hit = index.search(queries[2], limit=1, dim=16)[0]
        assert (hit.chunk.version, hit.chunk.position) == (version, 2)
        assert hit.score == pytest.approx(1, abs=2e-3)
    again = reopen(CONTRACT)
    assert again.contract.dims == (32, 16, 8)
    assert again.search(points[699], limit=1, dim=16)[0].chunk.position == 699


def test_a_dropped_prefix_can_no_longer_be_searched_and_the_full_one_stays(reopen: Open) -> None:
    index = reopen(CONTRACT)
    points = put(index, "v", 50)

    index.drop_dim(8)

    assert reopen(CONTRACT).contract.dims == (32,)
    with pytest.raises(UnknownDim):
        index.search(points[0], limit=1, dim=8)
    assert reopen(CONTRACT).search(points[7], limit=1)[0].chunk.position == 7
    with pytest.raises(ValueError, match="32 dims are the full vector"):
        reopen(CONTRACT).drop_dim(32)


def test_a_funnel_goes_through_the_prefix_it_names(index: Index) -> None:
    points = put(index, "v", 2000)
    index.add_dim(16)

    wide, narrow = (
        index.search(points[3], limit=10, funnel=funnel) for funnel in (Funnel(16, 400), Funnel(8, 10))
    )

    assert [hit.chunk for hit in wide] == [hit.chunk for hit in index.search(points[3], limit=10, exact=True)]
    assert len(narrow) == 10


def test_pages_follow_one_another(index: Index) -> None:
    points = put(index, "v", 30)

    whole = [hit.chunk.position for hit in index.search(points[0], limit=30)]
    pages = [
        hit.chunk.position
        for offset in (0, 10, 20)
        for hit in index.search(points[0], limit=10, offset=offset)
    ]

    assert pages == whole


def test_chunks_come_in_reading_order_however_many(index: Index) -> None:
    put(index, "v", 1500)

    assert [chunk.position for chunk in index.chunks("v")] == list(range(1500))


def test_another_encoder_is_refused_by_name(reopen: Open) -> None:
    put(reopen(CONTRACT), "v")

    with pytest.raises(WrongEncoder, match=r"was built by 'fake', not by 'other'.*KALM_MODEL=fake"):
        reopen(replace(CONTRACT, encoder="other", fingerprint="other-1"))

    assert reopen(CONTRACT).count() == 3


def test_a_new_recipe_is_taken_over_and_the_chunking_stays(reopen: Open) -> None:
    put(reopen(CONTRACT), "v")

    newer = replace(CONTRACT, recipe="2", chunking=Chunking("windows", 128, 32))

    assert reopen(newer).contract == replace(CONTRACT, recipe="2")
    assert reopen(newer).count() == 3


@pytest.mark.parametrize(
    "bad",
    [np.full((1, 32), np.nan, np.float32), np.zeros((1, 32), np.float32), np.ones((1, 16), np.float32)],
    ids=["nan", "zero", "narrow"],
)
def test_a_vector_that_can_not_be_ranked_is_refused(index: Index, bad: Vectors) -> None:
    with pytest.raises(ValueError, match="vectors"):
        index.upsert(chunks("v", 1), [bad], words("v", 1))


def test_reading_and_writing_from_many_threads_loses_nothing(index: Index) -> None:
    def write(number: int) -> None:
        points = put(index, f"v{number}", 20, seed=number)
        index.search(points[0], limit=5)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(16)))

    assert index.count() == 320
    assert all(index.count(f"v{number}") == 20 for number in range(16))


def test_a_full_disk_is_refused_before_it_is_full(tmp_path: Path) -> None:
    index = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=1 << 60)

    with pytest.raises(DiskFull, match="free some space, then retry the job"):
        index.upsert(chunks("v", 1), one_each(vectors(1)), words("v", 1))
    index.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    index = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)

    with pytest.raises(IndexLocked, match="open in another process: stop the other service"):
        EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)
    index.close()


def test_damaged_files_are_told(tmp_path: Path) -> None:
    EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0).close()
    (tmp_path / "a" / "contract.json").write_text("{")

    with pytest.raises(IndexDamaged, match=r"contract\.json can't be read"):
        EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(IndexUnavailable, match="check that it runs, KALM_QDRANT_URL"):
        open_index("a", CONTRACT, Location(Path("unused"), "http://127.0.0.1:9"))


def test_a_dropped_collection_can_be_made_for_another_encoder(tmp_path: Path) -> None:
    location = Location(tmp_path)
    open_index("a", CONTRACT, location).close()
    other = replace(CONTRACT, encoder="other", fingerprint="other-1")

    drop_index("a", location)

    assert stored_contract("a", location) is None
    open_index("a", other, location).close()
    assert stored_contract("a", location) == other


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    writer = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.ingest.index.test_index import CONTRACT, EdgeIndex, chunks, one_each, vectors, words
        index = EdgeIndex("a", Path(sys.argv[1]), CONTRACT, free_bytes=0)
        for number in range(10_000):
            index.upsert(chunks(f"v{number}", 50), one_each(vectors(50)), words(f"v{number}", 50))
            print(number, flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", writer, str(tmp_path / "a")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout]
    process.wait()
    process.stdout.close()

    index = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)
    assert all(index.count(f"v{number}") == 50 for number in acknowledged)
    index.close()


def when(day: int) -> datetime:
    return datetime(2024, 1, day, tzinfo=UTC)


def marked(index: Index) -> Vectors:
    """Three texts, each of one passage, with what their documents say."""
    points = vectors(3)
    said = [
        Beside((), ("dept=hr", "tag=a"), ("file:///srv/hr/a.md", "file:///srv/hr"), (1,), (10,)),
        Beside(("hr",), ("dept=hr", "tag=b"), ("file:///srv/hr/b.md", "file:///srv/hr"), (2,), (20,)),
        Beside(("hr", "law"), ("dept=law",), ("file:///srv/law/c.md", "file:///srv/law"), (), (30,)),
    ]
    day = 86_400
    first = int(when(1).timestamp())
    for number, (version, beside) in enumerate(zip("abc", said, strict=True)):
        chunk = replace(chunks(version, 1)[0], title=version.upper(), page=number + 1)
        index.upsert([chunk], one_each(points[number : number + 1]), words(version, 1))
        dates = [tuple(first + at * day for at in days) for days in (beside.modified, beside.ingested)]
        index.publish(version, [version], replace(beside, modified=dates[0], ingested=dates[1]))
    return points


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Where(labels=(("dept=hr",),)), "ab"),
        (Where(labels=(("dept=hr",), ("tag=b", "tag=c"))), "b"),
        (Where(labels=(("dept=none",),)), ""),
        (Where(sources=("file:///srv/hr",)), "ab"),
        (Where(sources=("file:///srv/law/c.md", "file:///srv/hr/a.md")), "ac"),
        (Where(sources=("file:///srv/h",)), ""),
        (Where(modified=Between(when(2), when(2))), "a"),
        (Where(modified=Between(since=when(2))), "ab"),
        (Where(ingested=Between(until=when(21))), "ab"),
        (Where(groups=frozenset()), "a"),
        (Where(groups=frozenset({"law"})), "ac"),
        (Where(groups=frozenset({"other", "hr"})), "abc"),
        (Where(groups=frozenset({"law"}), documents=("b", "c")), "c"),
        (Where(fields=(("title", ("B", "C")), ("page", (2, 7)))), "b"),
        (Where(fields=(("heading", ("Heading",)),)), "abc"),
        (Where(not_versions=("a", "c")), "b"),
        (Where(not_points=(chunks("b", 1)[0].id,)), "ac"),
        (Where(languages=("de",), groups=frozenset({"hr"})), ""),
    ],
)
def test_all_that_is_asked_for_must_hold_in_either_ranking(index: Index, where: Where, expected: str) -> None:
    points = marked(index)
    (terms,) = encode_queries(["a b c"])

    for exact in (False, True):
        found = index.search(points[0], limit=10, exact=exact, where=where)
        assert "".join(sorted(hit.chunk.version for hit in found)) == expected
    found = index.search_terms(terms, limit=10, where=where)
    assert "".join(sorted(hit.chunk.version for hit in found)) == expected


def test_what_stands_beside_points_is_replaced_and_stays(reopen: Open) -> None:
    index = reopen(CONTRACT)
    points = put(index, "v")
    index.publish("v", ["d"], Beside(access=("hr",), labels=("dept=hr",)))
    index.publish("v", ["d"], Beside(labels=("dept=law",)))

    index = reopen(CONTRACT)

    assert index.search(points[0], limit=1, where=Where(labels=(("dept=hr",),))) == []
    assert index.search(points[0], limit=1, where=Where(labels=(("dept=law",),), groups=frozenset()))


def test_the_stored_vectors_of_passages_can_be_had(index: Index) -> None:
    points = put(index, "v")
    ids = [chunk.id for chunk in chunks("v", 3)]

    stored = index.vectors([ids[2], ids[0], str(uuid4())])

    assert stored.keys() == {ids[0], ids[2]}
    assert stored[ids[2]].shape == (1, 32)
    np.testing.assert_allclose(stored[ids[2]][0], points[2], atol=1e-3)  # stored as float16


def test_a_server_keeps_the_codes_by_its_own_quantisation() -> None:
    """What is sent: the client's own engine takes no notice of it."""
    from qdrant_client import models

    sent: dict[str, list[dict[str, object]]] = {"create_collection": [], "update_collection": [], "query": []}
    client = QdrantClient(":memory:")

    class Watched:
        def __getattr__(self, name: str) -> object:
            if name == "query_points":
                name_in_log = "query"
            elif name in sent:
                name_in_log = name
            else:
                return getattr(client, name)

            def call(*args: object, **options: object) -> object:
                sent[name_in_log].append(options)
                if name == "update_collection" and "vectors_config" in options:
                    return True  # refused by the client's own engine
                return getattr(client, name)(*args, **options)

            return call

    with_codes = replace(CONTRACT, compression=Compression(8, "int8"))
    index = ServerIndex("a", Watched(), with_codes)  # type: ignore[arg-type]
    points = put(index, "v", 50)

    vectors_config = sent["create_collection"][0]["vectors_config"]
    assert isinstance(vectors_config, dict)
    scalar = vectors_config["d8"].quantization_config.scalar
    assert (scalar.type, scalar.always_ram) == (models.ScalarType.INT8, True)
    assert vectors_config["d32"].quantization_config is None

    index.search(points[0], limit=3)
    prefetch = sent["query"][-1]["prefetch"]
    assert isinstance(prefetch, models.Prefetch)
    assert prefetch.params is not None
    assert prefetch.params.quantization == models.QuantizationSearchParams(rescore=False)

    index.compress(Compression(8, "binary"))
    changes = [one["vectors_config"] for one in sent["update_collection"] if "vectors_config" in one]
    assert isinstance(changes[0], dict)
    assert changes[0]["d8"].quantization_config.binary.always_ram is True
    assert ServerIndex("a", Watched(), with_codes).contract.compression == Compression(8, "binary")  # type: ignore[arg-type]

    index.compress(None)
    changes = [one["vectors_config"] for one in sent["update_collection"] if "vectors_config" in one]
    assert isinstance(changes[1], dict)
    assert changes[1]["d8"].quantization_config == models.Disabled.DISABLED
    client.close()


def test_candidates_are_ordered_by_the_full_vector(index: Index) -> None:
    points = put(index, "v", 50)
    stored = {
        one: vectors for ids, many in index.all_vectors() for one, vectors in zip(ids, many, strict=True)
    }
    some = sorted(stored)[:20]

    found = index.order(points[3], some, limit=5)

    nearest = sorted(some, key=lambda one: -float(stored[one][0] @ points[3]))[:5]
    assert [hit.chunk.id for hit in found] == nearest
    assert len(stored) == 50
