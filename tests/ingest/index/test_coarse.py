"""Codes in cells: they find what exact search finds, outlive kills, and never stand in a search's way."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from embedder.encoder import Vectors
from embedder.pooling import normalise
from ingest.index import cells, coarse
from ingest.index.coarse import CANDIDATES, Codes
from ingest.index.contract import Beside, Chunking, Compression, Contract, Funnel, Index, Quantisation, Where
from ingest.index.edge import EdgeIndex
from ingest.lexical import encode_documents
from ingest.records import Chunk

FULL = 128
INT8 = Compression(64, "int8")
CONTRACT = Contract("fake", "fake-1", (FULL, 64), Chunking("windows", 256, 64), recipe="1", compression=INT8)
ROOT = Path(__file__).parents[3]


def vectors(number: int, seed: int = 0) -> Vectors:
    """Around 64 topics, with energy decaying by dimension."""
    chance = np.random.default_rng(seed)
    decay = np.arange(1, FULL + 1, dtype=np.float32) ** -0.5
    topics = np.random.default_rng(10_000).standard_normal((64, FULL), dtype=np.float32)
    noise = chance.standard_normal((number, FULL), dtype=np.float32)
    return normalise((topics[chance.integers(64, size=number)] + noise) * decay)


def hexes(number: int, first: int = 0) -> list[str]:
    return [UUID(int=at).hex for at in range(first, first + number)]


def fill(codes: Codes, points: Vectors, languages: tuple[str, ...] = ("en",), first: int = 0) -> None:
    spoken = [languages[at % len(languages)] for at in range(len(points))]
    codes.add(hexes(len(points), first), spoken, list(points[:, None]))
    codes.finish()


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells from a few hundred rows on."""
    monkeypatch.setattr(coarse, "LOG_ROWS", 500)
    monkeypatch.setattr(coarse, "VISIT_ROWS", 2500)
    monkeypatch.setattr("ingest.index.edge.VISIT_ROWS", 2500)
    monkeypatch.setattr("ingest.index.edge._FEWEST_ROWS", 500)


@pytest.fixture
def codes(tmp_path: Path, low: None) -> Iterator[Codes]:
    made = Codes(tmp_path / "codes", INT8)
    yield made
    made.close()


def recall(codes: Codes, points: Vectors, candidates: int = 100) -> float:
    """Of the exact ten among the candidates."""
    shares = []
    for query in vectors(50, seed=9):
        exact = np.argsort(-(points @ query))[:10]
        found = {int(one, 16) for one in codes.nearest(query, candidates, ())}
        shares.append(len(found & set(exact.tolist())) / 10)
    return float(np.mean(shares))


def built(codes: Codes, points: int) -> None:
    codes.tend(lambda: (), lambda: points)
    codes.wait()


@pytest.mark.parametrize(
    ("quantisation", "least"),
    [("none", 0.99), ("int8", 0.99), ("binary", 0.5)],
    ids=["none", "int8", "binary"],
)
def test_candidates_hold_the_exact_ten(
    tmp_path: Path, low: None, quantisation: Quantisation, least: float
) -> None:
    points = vectors(6000)
    codes = Codes(tmp_path / "codes", Compression(64, quantisation))
    fill(codes, points)
    flat = recall(codes, points)

    built(codes, len(points))

    assert codes.log_rows == 0
    assert flat >= least
    assert recall(codes, points) >= flat - 0.01
    codes.close()


def test_a_code_scores_as_its_vector_does() -> None:
    from ingest.index.codes import encode, scores

    points, query = vectors(3000), vectors(1, seed=3)[0]
    for quantisation, tolerance in (("none", 1e-3), ("int8", 1e-2)):
        kind = Compression(FULL, quantisation)  # type: ignore[arg-type]
        rows = encode(hexes(3000), ["en"] * 3000, list(points[:, None]), kind)
        near = scores([rows[:7], rows[7:2500], rows[2500:]], query, kind)
        assert np.abs(near - points @ query).max() < tolerance


def test_a_language_is_found_in_cells_and_in_the_log(codes: Codes) -> None:
    points = vectors(4000)
    fill(codes, points[:3000], ("en", "de", "th"))
    built(codes, 3000)
    fill(codes, points[3000:], ("en", "de", "th"), first=3000)

    for query in vectors(20, seed=9):
        german = np.arange(len(points)) % 3 == 1
        german[3000:] = (np.arange(1000) % 3) == 1
        exact = [at for at in np.argsort(-(points @ query)) if german[at]][:10]
        found = {int(one, 16) for one in codes.nearest(query, 100, ("de",))}
        assert all(german[one] for one in found)
        assert len(found & set(exact)) >= 9
    assert codes.nearest(points[0], 10, ("fr",)) == []


def test_a_point_of_several_windows_comes_once(codes: Codes) -> None:
    points = vectors(4)
    codes.add(hexes(2), ["en", "en"], [points[:3], points[3:]])

    assert codes.nearest(points[1], 10, ()) == [hexes(1)[0], hexes(1, 1)[0]]


def test_what_was_added_while_cells_were_made_is_there_after(codes: Codes) -> None:
    points = vectors(3000)
    fill(codes, points[:2000])
    codes.tend(lambda: (), lambda: 2000)
    fill(codes, points[2000:], first=2000)
    codes.wait()

    assert codes.rows == 3000
    assert codes.log_rows == 1000
    assert recall(codes, points) >= 0.99


def test_everything_is_there_again_when_opened(codes: Codes, tmp_path: Path) -> None:
    points = vectors(3000)
    fill(codes, points[:2000])
    built(codes, 2000)
    fill(codes, points[2000:], first=2000)
    codes.close()

    again = Codes(tmp_path / "codes", INT8)
    assert (again.rows, again.complete) == (3000, True)
    assert recall(again, points) >= 0.99
    again.close()


def test_rows_without_a_point_are_left_out_once_they_are_many(codes: Codes) -> None:
    points = vectors(3000)
    fill(codes, points)
    built(codes, 3000)

    codes.tend(lambda: hexes(1500), lambda: 1500)
    codes.wait()

    assert codes.rows == 1500
    assert all(int(one, 16) < 1500 for one in codes.nearest(points[2000], 50, ()))


def test_a_killed_builder_leaves_what_was_there(codes: Codes, monkeypatch: pytest.MonkeyPatch) -> None:
    points = vectors(4000)
    fill(codes, points)
    start = subprocess.Popen

    def killed(*args: object, **options: object) -> "subprocess.Popen[bytes]":
        child = start(*args, **options)  # type: ignore[call-overload]
        time.sleep(0.3)
        child.send_signal(signal.SIGKILL)
        return child  # type: ignore[no-any-return]

    monkeypatch.setattr(subprocess, "Popen", killed)
    built(codes, 4000)
    assert codes.log_rows == 4000
    assert recall(codes, points) >= 0.99

    monkeypatch.undo()
    monkeypatch.setattr(coarse, "LOG_ROWS", 500)
    built(codes, 4000)
    assert codes.log_rows == 0
    assert recall(codes, points) >= 0.99


def test_a_kill_anywhere_while_a_base_is_written_leaves_a_whole_one(codes: Codes, tmp_path: Path) -> None:
    """The draft of a base, and a base that no state names, are not taken for the base."""
    points = vectors(2000)
    fill(codes, points)
    built(codes, 2000)
    codes.close()
    (tmp_path / "codes" / "base-900.123").mkdir()
    cells.build(INT8, None, [], tmp_path / "codes" / "base-901")  # whole, but no state names it
    (tmp_path / "codes" / "log-902").write_bytes(b"half a row")

    again = Codes(tmp_path / "codes", INT8)
    assert recall(again, points) >= 0.99
    assert not list((tmp_path / "codes").glob("base-9*"))
    again.close()


def test_half_a_row_at_the_end_of_a_log_is_cut_off(codes: Codes, tmp_path: Path) -> None:
    fill(codes, vectors(10))
    codes.close()
    state = (tmp_path / "codes" / "state.json").read_text()
    newest = max((tmp_path / "codes").glob("log-*"), key=lambda path: path.stat().st_size)
    assert newest.name in state
    with newest.open("ab") as file:
        file.write(b"half a row")

    again = Codes(tmp_path / "codes", INT8)
    fill(again, vectors(5, seed=1), first=10)
    assert again.rows == 15
    assert hexes(1, 12)[0] == again.nearest(vectors(5, seed=1)[2], 1, ())[0]
    again.close()


# in an index


def chunk_of(version: str, position: int, language: str = "en") -> Chunk:
    return Chunk(version, position, f"{version} {position}", "Title", (), 1, language)


def put(index: Index, version: str, points: Vectors, language: str = "en") -> None:
    chunks = [chunk_of(version, at, language) for at in range(len(points))]
    index.upsert(chunks, list(points[:, None]), encode_documents([one.text for one in chunks]))
    index.publish(version, [f"document of {version}"])


@pytest.fixture
def index(tmp_path: Path, low: None) -> Iterator[EdgeIndex]:
    opened = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)
    yield opened
    opened.close()


def positions(index: Index, query: Vectors, **more: object) -> list[tuple[str, int]]:
    hits = index.search(query, limit=10, **more)  # type: ignore[arg-type]
    return [(hit.chunk.version, hit.chunk.position) for hit in hits]


def agreement(index: Index, **more: object) -> float:
    shares = []
    for query in vectors(30, seed=9):
        exact = set(positions(index, query, exact=True, **more))
        shares.append(len(exact & set(positions(index, query, **more))) / max(1, len(exact)))
    return float(np.mean(shares))


def wait(index: EdgeIndex) -> None:
    assert index._codes is not None
    index._codes.wait()


def test_a_search_by_codes_agrees_with_exact_search(index: EdgeIndex) -> None:
    points = vectors(4000)
    put(index, "english", points[:2000])
    put(index, "german", points[2000:], "de")
    wait(index)

    assert index._codes is not None
    assert index._codes.log_rows < 4000
    assert agreement(index) >= 0.99
    assert agreement(index, where=Where(languages=("de",))) >= 0.99
    assert agreement(index, where=Where(documents=("document of german",))) >= 0.99


def test_access_labels_and_later_pages_hold_for_codes(index: EdgeIndex) -> None:
    points = vectors(4000)
    put(index, "public", points[:2000])
    put(index, "hr", points[2000:])
    index.publish("hr", ["document of hr"], Beside(access=("hr",), labels=("dept=hr",)))
    wait(index)
    assert index.finder(None) == Funnel(64, CANDIDATES, "int8")
    assert index.finder(Funnel(64, 50)) == Funnel(64, 50)

    for where, versions in (
        (Where(groups=frozenset()), {"public"}),
        (Where(groups=frozenset({"hr"})), {"public", "hr"}),
        (Where(labels=(("dept=hr",),)), {"hr"}),
    ):
        assert agreement(index, where=where) >= 0.99
        found = {version for query in points[::400] for version, _ in positions(index, query, where=where)}
        assert found == versions

    pages, taken = [], []
    for _ in range(5):
        hits = index.search(points[7], limit=100, where=Where(not_points=tuple(taken)))
        taken += [hit.chunk.id for hit in hits]
        pages.append({hit.chunk.id for hit in hits})
    exact = {hit.chunk.id for hit in index.search(points[7], limit=500, exact=True)}
    assert len(set.union(*pages)) == sum(map(len, pages)) == 500
    assert len(exact & set.union(*pages)) >= 475


def test_hidden_and_deleted_points_are_not_found_by_codes(index: EdgeIndex) -> None:
    points = vectors(2000)
    put(index, "stays", points)
    put(index, "goes", points)
    index.delete("goes")
    hidden = [chunk_of("hidden", at) for at in range(2000)]
    index.upsert(hidden, list(points[:, None]), encode_documents([one.text for one in hidden]))

    for query in points[:20]:
        found = positions(index, query)
        assert len(found) == 10
        assert {version for version, _ in found} == {"stays"}


def test_other_codes_are_made_from_the_stored_vectors_and_stay(index: EdgeIndex, tmp_path: Path) -> None:
    put(index, "v", vectors(1500))

    index.compress(Compression(FULL, "int8"))
    assert agreement(index, funnel=Funnel(FULL, 50, "int8")) >= 0.99
    put(index, "w", vectors(1500, seed=5))
    wait(index)
    index.close()

    again = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)
    assert again.contract.compression == Compression(FULL, "int8")
    assert [path.name for path in (tmp_path / "a").glob("codes-*")] == ["codes-128-int8"]
    assert again._codes is not None
    assert again._codes.rows == 3000
    assert agreement(again) >= 0.99
    again.compress(None)
    assert agreement(again) >= 0.99
    assert not list((tmp_path / "a").glob("codes-*"))
    again.close()
    index._shard = again._shard = None  # closed already
    index.__dict__["close"] = lambda: None


def test_codes_that_were_lost_are_made_again(index: EdgeIndex, tmp_path: Path) -> None:
    put(index, "v", vectors(1500))
    wait(index)
    index.close()
    cells.clear(tmp_path / "a" / "codes-64-int8")

    again = EdgeIndex("a", tmp_path / "a", CONTRACT, free_bytes=0)
    assert agreement(again) >= 0.99
    assert again._filler is not None
    again._filler.join()
    assert again._codes is not None
    assert again._codes.rows == 1500
    again.close()
    index.__dict__["close"] = lambda: None


def test_a_collection_of_before_has_no_codes_and_works(tmp_path: Path, low: None) -> None:
    index = EdgeIndex("a", tmp_path / "a", replace(CONTRACT, compression=None), free_bytes=0)
    put(index, "v", vectors(1000))
    assert agreement(index) >= 0.98
    index.close()


def test_a_service_killed_while_cells_are_made_finds_everything_after(tmp_path: Path, low: None) -> None:
    writer = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from ingest.index import coarse
        coarse.LOG_ROWS = 500
        from tests.ingest.index.test_coarse import CONTRACT, EdgeIndex, put, vectors
        index = EdgeIndex("a", Path(sys.argv[1]), CONTRACT, free_bytes=0)
        for number in range(1000):
            put(index, f"v{number}", vectors(100, seed=number))
            print(number, int(index._codes.building), flush=True)
        """
    )
    for attempt in range(3):
        folder = tmp_path / f"a{attempt}"
        process = subprocess.Popen(
            [sys.executable, "-c", writer, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        acknowledged = 0
        for line in process.stdout:
            acknowledged += 1
            if line.split()[1] == "1" and acknowledged > 8 + 6 * attempt:
                break  # a base is being made just now
        process.send_signal(signal.SIGKILL)
        acknowledged += sum(1 for _ in process.stdout)
        process.wait()
        process.stdout.close()

        index = EdgeIndex("a", folder, CONTRACT, free_bytes=0)
        assert index._codes is not None
        assert index._codes.complete
        assert index._codes.rows >= index.count() >= 100 * acknowledged
        found = [positions(index, vectors(100, seed=at)[7])[0] for at in range(acknowledged)]
        assert found == [(f"v{at}", 7) for at in range(acknowledged)]
        assert agreement(index) >= 0.98
        index.close()


def test_the_builder_ends_with_the_service(tmp_path: Path) -> None:
    request = cells.request(INT8, None, [], tmp_path / "base-1", None)
    read, write = os.pipe()
    child = subprocess.Popen([sys.executable, "-m", "ingest.index.cells"], stdin=read, cwd=ROOT)
    os.close(read)

    os.close(write)

    assert child.wait(timeout=30) != 0
    assert request.endswith(b"\n")
    assert not (tmp_path / "base-1").exists()


def test_points_are_counted_while_others_write(codes: Codes) -> None:
    """The index is locked while it adds rows, and wants its own lock to count."""
    fill(codes, vectors(600))
    index, adding = threading.Lock(), threading.Event()

    def write() -> None:
        with index:
            adding.set()
            time.sleep(0.2)
            fill(codes, vectors(10), first=600)

    def count() -> int:
        adding.wait(5)
        with index:
            return 610

    threads = [
        threading.Thread(target=write, daemon=True),
        threading.Thread(target=codes.tend, args=(list, count), daemon=True),
    ]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join(20)

    assert not any(thread.is_alive() for thread in threads)
    codes.wait()
    assert codes.rows == 610
