"""Follow-ups become questions of their own: rewritten by a language model, or led by the question before."""

from collections.abc import Iterator

import pytest

from app.followup import standalone
from app.llm import LanguageModel
from app.schemas import MOST_QUESTION_CHARS
from tests.app.conftest import running
from tests.app.test_llm import REWRITTEN, ChatServer

BEFORE = ["Which oil does the gearbox take?", "Where do I keep the battery?"]


@pytest.fixture
def server() -> ChatServer:
    return ChatServer()


@pytest.fixture
def url(server: ChatServer) -> Iterator[str]:
    with running(server.app) as url:
        yield url


@pytest.mark.parametrize(
    "question",
    ["And in summer?", "How often do I have to charge it during a long winter?",
     "Wie oft lade ich ihn im langen Winter?", "它冬天应该放在哪里，多久充一次电？", "冬天呢？",
     "¿Y por qué?"],
)  # fmt: skip
def test_without_a_model_a_question_that_leans_on_the_last_one_follows_it(question: str) -> None:
    assert standalone(question, BEFORE, None) == f"{BEFORE[-1]} {question}"


def test_a_question_of_its_own_stays_as_it_is() -> None:
    own = "How many people fit into a large mountain hut?"

    assert standalone(own, BEFORE, None) == own
    assert standalone("And in summer?", [], None) == "And in summer?"


def test_what_is_searched_for_is_never_longer_than_a_question_may_be() -> None:
    assert len(standalone("And it?", ["a" * MOST_QUESTION_CHARS], None)) == MOST_QUESTION_CHARS
    own = "it " * 1333
    assert standalone(own, BEFORE, None).endswith(own.strip())
    assert len(standalone(own, BEFORE, None)) <= MOST_QUESTION_CHARS


def test_a_model_reads_the_last_questions_once(server: ChatServer, url: str) -> None:
    before = ["Is this too old?", *BEFORE, "Who repairs it?"]

    assert standalone("And there?", before, LanguageModel(url, "rewriter")) == REWRITTEN

    (request,) = server.requests
    assert request["messages"][-1]["content"].splitlines() == [
        *(f"Earlier question: {one}" for one in before[1:]),
        "Follow-up: And there?",
    ]


@pytest.mark.parametrize("name", ["429", "breaks", "silent", "endless text"])
def test_a_model_that_writes_no_question_is_done_without(url: str, name: str) -> None:
    assert standalone("And there?", BEFORE, LanguageModel(url, name)) == f"{BEFORE[-1]} And there?"


def test_a_question_of_its_own_is_no_follow_up_for_the_first_call(server: ChatServer, url: str) -> None:
    assert standalone("And there?", [], LanguageModel(url, "rewriter")) == "And there?"
    assert server.requests == []
