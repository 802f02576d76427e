"""A collection gets an encoder of its own through the API: trained, indexed, promoted, taken back."""

import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adaptation.schemas import NewTraining, Training
from app.client import Client, ServiceError
from app.schemas import SearchRequest
from tests.app.conftest import Serve, ingest
from tests.training.conftest import WORDS, save_model

WAIT_S = 120
Stop = list[Callable[[], None]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("base") / "tiny", "qwen2")


@pytest.fixture
def words(client: Client, tmp_path: Path) -> Client:
    """A client of a service with a document for each word."""
    write_words(tmp_path / "documents")
    ingest(client, tmp_path / "documents")
    return client


def write_words(folder: Path) -> None:
    folder.mkdir()
    for at, word in enumerate(WORDS):
        other = WORDS[(at * 5 + 1) % len(WORDS)]
        (folder / f"{word}.md").write_text(
            f"# The {word} and the {other}\n\nThe {word} stands by the {other} at dawn. A {other} comes with "
            f"wind {at}. Nobody has seen the {word} and the {other} together since {at}."
        )


def new(model: Path, **settings: object) -> NewTraining:
    fields = {"collection": "library", "name": "tuned", "minutes": 1, "steps": 4}
    return NewTraining.model_validate({**fields, "base": str(model), **settings})


def until(client: Client, training: str, holds: Callable[[Training], bool]) -> Training:
    deadline = time.monotonic() + WAIT_S
    while not holds(found := client.training(training).training):
        assert time.monotonic() < deadline, found
        assert found.state != "stopped", found.problem
        assert found.shadow is None or found.shadow.state != "stopped", found.shadow
        time.sleep(0.1)
    return found


def is_done(training: Training) -> bool:
    return training.state == "done"


def is_built(training: Training) -> bool:
    return training.shadow is not None and training.shadow.state == "ready"


def first_hit(client: Client) -> tuple[str, str]:
    found = client.search(SearchRequest(query="The red stands", collection="library", ranking="dense"))
    return found.encoder, found.hits[0].title


def test_a_collection_gets_its_own_encoder_and_goes_back(words: Client, base: Path, tmp_path: Path) -> None:
    training = words.train(new(base))
    assert (training.state, training.base) == ("queued", "tiny")

    until(words, training.id, is_done)
    detail = words.training(training.id)
    assert [step.step for step in detail.curve] == [1, 2, 3, 4]
    assert all(step.accuracy for step in detail.curve)
    assert {score.dim for score in detail.scores} == {32}
    assert {(gain.task, gain.dim) for gain in detail.gains} == {("documents", 32)}
    assert detail.figures["queries"]["documents"] == len(WORDS)
    assert detail.folder.endswith("/models/tuned")

    words.act_on_training(training.id, "index")
    shadow = until(words, training.id, is_built).shadow
    assert shadow is not None
    assert (shadow.done, shadow.served, shadow.asked) == (shadow.total, False, len(WORDS))
    assert first_hit(words)[0] == "fake"

    promoted = words.act_on_training(training.id, "promote")
    assert promoted.shadow is not None
    assert promoted.shadow.served
    assert first_hit(words)[0] == "tuned"
    (tmp_path / "documents" / "late.md").write_text("# Late\n\nThis came after the promotion, by a river.")
    ingest(words, tmp_path / "documents")
    assert words.check_collection("library").consistent
    with pytest.raises(ServiceError, match="go back to the encoder before first"):
        words.delete_training(training.id)

    assert words.roll_back("library").encoder == "fake"
    assert words.check_collection("library").consistent
    assert first_hit(words)[0] == "fake"
    query = SearchRequest(query="came after the promotion", collection="library")
    assert words.search(query).hits[0].title == "Late"
    words.delete_training(training.id)
    assert words.trainings() == []


def test_a_training_and_what_it_made_outlive_the_service(
    serve: Serve, stop: Stop, connect: Callable[..., Client], base: Path, tmp_path: Path
) -> None:
    data = tmp_path / "one"
    client = connect(serve(data_dir=data))
    write_words(tmp_path / "documents")
    ingest(client, tmp_path / "documents")
    training = client.train(new(base, steps=60, minutes=10)).id
    until(client, training, lambda one: one.steps >= 21)
    stop.pop()()
    assert worker_of(training) is None

    client = connect(serve(data_dir=data))  # it goes on by itself
    assert client.training(training).training.steps >= 20
    until(client, training, is_done)
    client.act_on_training(training, "index")
    until(client, training, is_built)
    client.act_on_training(training, "promote")
    before = first_hit(client)
    stop.pop()()

    client = connect(serve(data_dir=data))  # what was promoted still serves
    assert first_hit(client) == before
    assert client.collections()[0].encoder == "tuned"
    stop.pop()()
    next(data.glob("trainings/*/models/tuned/model.safetensors")).unlink()

    client = connect(serve(data_dir=data))  # a model that is gone is told, and the way back is open
    (collection,) = client.collections()
    assert not collection.usable
    assert "can't be loaded" in (collection.problem or "")
    assert client.roll_back("library").usable
    assert first_hit(client)[0] == "fake"


def test_a_training_whose_process_is_killed_stops_and_is_resumed_at_its_checkpoint(
    words: Client, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = words.train(new(base, steps=400, minutes=10)).id
    until(words, training, lambda one: one.steps >= 25)
    kill_the_worker(training)

    deadline = time.monotonic() + WAIT_S
    while words.training(training).training.state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stopped = words.training(training).training
    assert stopped.state == "stopped"
    assert "was killed, perhaps for its memory" in (stopped.problem or "")

    words.act_on_training(training, "resume")
    until(words, training, lambda one: one.state == "running" and one.steps > stopped.steps)
    steps = [step.step for step in words.training(training).curve]
    assert steps == sorted(set(steps))
    words.act_on_training(training, "cancel")
    assert words.training(training).training.state == "cancelled"


def test_a_bad_order_is_refused_with_what_to_do(words: Client, base: Path) -> None:
    cases = [
        (new(Path(), base=""), (), "name a model as the base"),
        (new(Path("/no/such")), (), "no model '/no/such'"),
        (new(base, documents=False), (), "nothing to learn from"),
        (new(base, language_model=True), (), "set KALM_LLM_URL"),
        (new(base), [("a.txt", io.BytesIO(b"x"))], "training data is .jsonl"),
        (new(base), [("a.jsonl", io.BytesIO(b'{"query": "x", "pos": "y"}'))], "'pos' must be a list"),
        (new(base, collection="other"), (), "no collection 'other'"),
    ]
    for order, pairs, told in cases:
        with pytest.raises(ServiceError, match=told):
            words.train(order, pairs)
    assert words.trainings() == []


def test_pairs_alone_are_enough_and_a_deleted_collection_leaves_the_model(
    words: Client, base: Path, tmp_path: Path
) -> None:
    rows = [{"query": f"find the {word}", "pos": [f"{word} road {at}"]} for at, word in enumerate(WORDS)]
    content = "\n".join(map(json.dumps, rows)).encode()

    training = words.train(new(base, documents=False), [("mine.jsonl", io.BytesIO(content))]).id
    until(words, training, is_done)
    assert {gain.task for gain in words.training(training).gains} == {"pairs"}
    words.act_on_training(training, "index")
    until(words, training, is_built)
    words.act_on_training(training, "promote")
    words.delete_collection("library")

    assert not list((tmp_path / "data/index").glob("library*"))
    found = words.training(training)
    assert found.training.shadow is None
    assert Path(found.folder).is_dir()
    with pytest.raises(ServiceError, match="no collection"):
        words.act_on_training(training, "index")


def test_bases_are_what_is_on_this_machine(client: Client) -> None:
    assert {"all-MiniLM-L6-v2", "kalm-nano"} <= set(client.bases())


def worker_of(training: str) -> int | None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"training.worker" in told and any(training.encode() in part for part in told):
            return int(process.name)
    return None


def kill_the_worker(training: str) -> None:
    worker = worker_of(training)
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
