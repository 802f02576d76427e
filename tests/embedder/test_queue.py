"""The queue: the same vectors, in full batches, in a fair order, and nobody is left waiting."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from embedder import Vectors
from embedder.errors import Draining, Overloaded, TextTooLong
from embedder.fake import FakeEncoder
from embedder.queue import Batch, QueuedEncoder


class Held(FakeEncoder):
    """A fake that runs its first batch only when told to, and keeps account of all of them."""

    batch_tokens = 40

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.started = threading.Event()
        self.go = threading.Event()

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        return self._run([f"?{text}" for text in texts], super().encode_documents, texts, dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        return self._run(list(texts), super().encode_documents, texts, dim)

    def _run(self, label: list[str], encode: Any, texts: Sequence[str], dim: int | None) -> Vectors:
        self.batches.append(label)
        self.started.set()
        assert self.go.wait(30)
        if "boom" in texts:
            raise ZeroDivisionError("boom")
        vectors: Vectors = encode(texts, dim)
        return vectors


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def queue(held: Held) -> Iterator[QueuedEncoder]:
    queue = QueuedEncoder(held)
    yield queue
    held.go.set()
    queue.close()


def occupied(queue: QueuedEncoder, held: Held) -> None:
    """Keep the thread busy with a batch of its own, until `held.go`."""
    queue.submit("document", ["first"])
    assert held.started.wait(30)


def test_the_vectors_are_the_encoders_own() -> None:
    encoder, queue = FakeEncoder(), QueuedEncoder(FakeEncoder())
    texts = [f"text number {number} of many" for number in range(3000)]  # several batches

    assert np.array_equal(queue.encode_documents(texts, dim=64), encoder.encode_documents(texts, dim=64))
    assert np.array_equal(queue.encode_queries(["a", "b"]), encoder.encode_queries(["a", "b"]))
    assert np.array_equal(
        queue.encode_spans("a long text", [(0, 6), (7, 11)], dim=128),
        encoder.encode_spans("a long text", [(0, 6), (7, 11)], dim=128),
    )
    assert queue.encode_documents([], dim=64).shape == (0, 64)
    queue.close()


def test_what_waits_together_is_run_together_and_queries_go_first(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    waiting = [
        queue.submit("document", ["one"]),
        queue.submit("document", ["two", "three"]),
        queue.submit("query", ["four"]),
        queue.submit("query", ["five"]),
    ]

    held.go.set()
    for future in waiting:
        future.result(30)

    assert held.batches == [["first"], ["?four", "?five"], ["one", "two", "three"]]


def test_a_bulk_job_delays_another_caller_by_a_batch_at_most(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    with ThreadPoolExecutor(1) as threads:
        bulk = threads.submit(queue.encode_documents, [f"bulk {number}" for number in range(100)])
        while queue.waiting_requests < 1:
            pass
        small = queue.submit("document", ["small"])

        held.go.set()
        small.result(30)

        assert "small" in held.batches[1]
        assert np.array_equal(bulk.result(30)[99], FakeEncoder().encode_documents(["bulk 99"])[0])


def test_a_large_request_takes_turns_with_small_ones(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    large = queue.submit("document", [f"large {number}" for number in range(100)])
    small = queue.submit("document", ["small"])

    held.go.set()
    small.result(30)
    large.result(30)

    assert "small" in held.batches[2]  # the large one came first and filled one batch


def test_a_crowd_of_queries_does_not_starve_documents(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    document = queue.submit("document", ["document"])
    queries = [queue.submit("query", ["q " * 30]) for _ in range(10)]  # a batch each

    held.go.set()
    for future in [document, *queries]:
        future.result(30)

    assert held.batches.index(["document"]) <= 4


def test_a_text_too_long_fails_its_own_caller_only(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    good, bad = queue.submit("document", ["good"]), queue.submit("document", ["w " * 600])

    held.go.set()

    assert good.result(30).shape == (1, 256)
    with pytest.raises(TextTooLong, match="600 tokens, fake takes 512"):
        bad.result(30)


def test_an_encoder_that_fails_is_reported_and_asked_again(queue: QueuedEncoder, held: Held) -> None:
    held.go.set()

    with pytest.raises(ZeroDivisionError, match="boom"):
        queue.encode_documents(["boom"])

    assert queue.encode_documents(["fine"]).shape == (1, 256)


def test_a_full_queue_says_when_to_come_again(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    queue.submit("document", ["w " * 400] * 12)

    with pytest.raises(
        Overloaded, match=r"4824 tokens are waiting for the encoder, at most 5000 may: ask again in 10 s"
    ) as refused:
        queue.submit("document", ["w " * 400])

    assert refused.value.retry_after_s == 10
    assert not queue.submit("query", ["a person's question"]).done()  # has a line of its own


def test_bulk_waits_for_room_instead(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    with ThreadPoolExecutor(2) as threads:
        bulk = [threads.submit(queue.encode_documents, ["w " * 400] * 10) for _ in range(2)]
        while not queue.waiting_requests:
            pass
        assert queue.waiting_tokens == 4020  # one of the two

        held.go.set()

        assert [future.result(30).shape for future in bulk] == [(10, 256)] * 2


def test_what_was_cancelled_is_never_run(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    gone, wanted = queue.submit("document", ["gone"]), queue.submit("document", ["wanted"])

    assert gone.cancel()
    held.go.set()
    wanted.result(30)

    assert held.batches == [["first"], ["wanted"]]
    assert queue.waiting_tokens == 0
    with pytest.raises(CancelledError):
        gone.result(0)


def test_closing_finishes_what_was_accepted_and_refuses_more(queue: QueuedEncoder, held: Held) -> None:
    occupied(queue, held)
    accepted = queue.submit("document", ["accepted"])
    closing = threading.Thread(target=queue.close)
    closing.start()
    while not queue.draining:
        pass

    with pytest.raises(Draining, match="the encoder fake is shutting down: ask again in a moment"):
        queue.submit("document", ["late"])
    held.go.set()
    closing.join(30)

    assert accepted.result(0).shape == (1, 256)


def test_many_threads_each_get_their_own_vectors() -> None:
    seen: list[Batch] = []
    encoder, queue = FakeEncoder(), QueuedEncoder(FakeEncoder(), seen.append)
    texts = [[f"thread {thread}", f"text {thread * 7}"] for thread in range(64)]

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(queue.encode_documents, texts))
    queue.close()

    for mine, vectors in zip(texts, found, strict=True):
        assert np.array_equal(vectors, encoder.encode_documents(mine))
    assert sum(batch.texts for batch in seen) == 128
