"""Conversations outlive the runs of their page: read in the background, stopped, asked again, forgotten."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from app.schemas import Answer, AnswerEvent, AnswerRequest
from app.ui.conversations import MOST_TURNS, Conversations
from tests.app.conftest import Serve, ingest, running
from tests.app.test_llm import ChatServer

QUESTION = AnswerRequest(question="A cool and dry place for the battery?")
END = AnswerEvent(kind="answer", answer=Answer(mode="extractive", sentences=[], citations=[], took_ms=1))


class Writer:
    """Answers one piece each time it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.asked: list[AnswerRequest] = []
        self.closed = 0

    def answer(self, request: AnswerRequest) -> Generator[AnswerEvent, None, None]:
        self.asked.append(request)
        try:
            for _ in range(3):
                self.go_on.acquire(timeout=10)
                yield AnswerEvent(kind="text", text="word ")
            yield END
        finally:
            self.closed += 1


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    for _ in range(100):
        writer.go_on.release()


def test_an_answer_goes_on_while_nobody_looks(writer: Writer) -> None:
    conversation = Conversations(writer.answer).begin()

    turn = conversation.ask(QUESTION)
    assert conversation.running
    for _ in range(3):
        writer.go_on.release()

    assert turn.wait(10)
    assert (turn.state, turn.text, turn.answer) == ("done", "word word word ", END.answer)
    assert not conversation.running


def test_a_stopped_answer_keeps_what_it_said_and_ends_its_request(writer: Writer) -> None:
    turn = Conversations(writer.answer).begin().ask(QUESTION)
    writer.go_on.release()
    until(lambda: turn.text == "word ")

    turn.stop()
    writer.go_on.release()

    assert turn.wait(0)
    until(lambda: writer.closed == 1)
    assert (turn.state, turn.text, turn.answer) == ("stopped", "word ", None)


def test_asking_again_takes_the_last_answer_s_place_and_wants_another(writer: Writer) -> None:
    conversation = Conversations(writer.answer).begin()
    writer.go_on.release(3)
    conversation.ask(QUESTION).wait(10)
    writer.go_on.release(3)

    conversation.again().wait(10)

    assert [turn.state for turn in conversation.turns] == ["done"]
    assert [request.vary for request in writer.asked] == [False, True]


def test_a_new_question_stops_the_one_under_way(writer: Writer) -> None:
    conversation = Conversations(writer.answer).begin()

    first = conversation.ask(QUESTION)
    second = conversation.ask(QUESTION)

    assert (first.state, second.state) == ("stopped", "running")


def test_an_error_of_the_service_is_the_turn_s(writer: Writer) -> None:
    def refuse(request: AnswerRequest) -> Generator[AnswerEvent, None, None]:
        yield AnswerEvent(kind="text", text="It is")
        raise ServiceError("the model is gone", "language_model")

    turn = Conversations(refuse).begin().ask(QUESTION)

    assert turn.wait(10)
    assert (turn.state, turn.text, turn.error) == ("failed", "It is", "the model is gone")


def test_no_more_answers_at_once_than_there_is_room_for(writer: Writer) -> None:
    conversations = Conversations(writer.answer, at_once=1)
    conversations.begin().ask(QUESTION)

    refused = conversations.begin().ask(QUESTION)

    assert (refused.state, "ask again" in refused.error) == ("failed", True)


def test_the_one_idle_for_longest_is_forgotten_first_and_never_one_that_is_looked_at(writer: Writer) -> None:
    conversations = Conversations(writer.answer, most=3)
    busy, old, new = (conversations.begin() for _ in range(3))
    busy.ask(QUESTION)
    conversations.find(old.id)

    latest = conversations.begin()

    kept = [one is not None and conversations.find(one.id) is one for one in (busy, old, new, latest)]
    assert kept == [True, True, False, True]


def test_an_idle_one_is_forgotten_after_a_while(writer: Writer) -> None:
    conversations = Conversations(writer.answer, idle_s=0.05)
    idle, busy = conversations.begin(), conversations.begin()
    busy.ask(QUESTION)

    time.sleep(0.1)

    assert conversations.find(idle.id) is None
    assert conversations.find(busy.id) is busy
    assert conversations.find("made up") is None


def test_the_oldest_turns_go(writer: Writer) -> None:
    conversation = Conversations(writer.answer).begin()

    for number in range(MOST_TURNS + 1):
        conversation.ask(AnswerRequest(question=f"{number}?"))
        writer.go_on.release(3)
        conversation.turns[-1].wait(10)

    assert [conversation.turns[0].request.question, len(conversation.turns)] == ["1?", MOST_TURNS]


def test_stopping_reaches_the_language_model(
    serve: Serve, connect: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "battery.md").write_text("# Battery\nThe battery wants a cool and dry place.")
    server = ChatServer()
    with running(server.app) as url:
        client = connect(serve(llm_url=url, llm_model="endless"))
        ingest(client, tmp_path / "battery.md")
        turn = Conversations(client.answer).begin().ask(QUESTION)
        until(lambda: bool(turn.text))

        turn.stop()
        time.sleep(0.4)
        sent = server.pieces_sent
        time.sleep(0.6)

        assert server.pieces_sent == sent
        assert turn.state == "stopped"


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
