"""Pairs from a corpus: by its own structure, and by a language model behind a real server."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import lines
from training.config import SynthesizeConfig
from training.data import Row, read
from training.dedup import Seen
from training.errors import BadConfig, LlmFailed
from training.structure import Passage, queries, words
from training.synthesize import synthesize

TEXT = (
    "Batteries like a cool place. Lithium cells age twice as fast at forty degrees. "
    "Never store them empty. A charge of about half is best for a winter."
)


def made(title: str, text: str) -> dict[str, Row]:
    others = [Passage("", "Something else entirely is said here. It is of no account. Nobody reads it.")]
    found = queries([Passage(title, text), *others], least_chars=20, per_passage=9, seed=0)
    return {row.task: row for row in found if "else" not in row.positives[0] + row.query}


def test_titles_first_sentences_rare_sentences_and_keywords_become_queries() -> None:
    found = made("Storing batteries", TEXT)

    assert found["title"].query == "Storing batteries"
    assert found["first sentence"].query == "Batteries like a cool place."
    assert found["sentence"].query in TEXT
    assert len(found["keywords"].query.split()) == 5


def test_what_is_asked_is_not_left_in_the_answer() -> None:
    for task, row in made("Storing batteries", f"Storing batteries\n{TEXT}").items():
        if task != "keywords":
            assert row.query not in row.positives[0].removeprefix("Storing batteries\n")


def test_scripts_without_spaces_are_read_by_pairs_of_letters() -> None:
    assert words("电池要放") == ["电池", "池要", "要放"]
    assert made("", "电池要放在阴凉的地方。锂电池在四十度时老化快一倍。冬天最好充一半的电。请不要放空。")[
        "first sentence"
    ]


def test_the_same_corpus_gives_the_same_pairs(tmp_path: Path) -> None:
    corpus = lines(
        tmp_path / "corpus.jsonl",
        [{"title": f"About {at}", "text": f"Number {at}. {TEXT}"} for at in range(9)],
    )
    config = SynthesizeConfig(tmp_path / "out.jsonl", (corpus,))

    account = synthesize(config)
    first = (tmp_path / "out.jsonl").read_text()
    synthesize(config)

    assert (tmp_path / "out.jsonl").read_text() == first
    assert account.rows == len(list(read([tmp_path / "out.jsonl"])))
    assert account.duplicates > 0  # the rare sentence is the same in all


def test_nearly_the_same_is_seen_once() -> None:
    seen = Seen()
    long = "How long do lithium batteries keep in a cold garage during a long northern winter night"

    assert seen.add("Red cat")
    assert not seen.add("  red CAT!")
    assert seen.add("red car")
    assert seen.add(long)
    assert not seen.add(f"{long}?")
    assert seen.add("What does the law say about parking a caravan on a public road in the summer months")


@dataclass
class Server:
    """Answers as a chat completion would, and remembers what it was asked."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    """Status codes to give first."""
    broken: int = 0
    """Answers that are no JSON, to give first."""
    stop_after: int = 10**9


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if state.fail or len(state.asked) >= state.stop_after:
                self.send_response(state.fail.pop() if state.fail else 400)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            state.asked.append(body)
            fields = body["response_format"]["json_schema"]["schema"]["properties"]
            number = len(state.asked)
            answer: dict[str, Any] = {
                name: [f"Find {number} {at}" for at in range(2)]
                if kind["type"] == "array"
                else 5 - number % 2
                if kind["type"] == "integer"
                else f"{name} number {number}"
                for name, kind in fields.items()
            }
            text = "no JSON" if state.broken else json.dumps(answer)
            state.broken = max(0, state.broken - 1)
            reply = {
                "choices": [{"message": {"content": text}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            }
            content = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    yield state
    httpd.shutdown()
    httpd.server_close()


def config(server: Server, tmp_path: Path, **more: Any) -> SynthesizeConfig:
    corpus = lines(tmp_path / "corpus.jsonl", [{"title": "Batteries", "text": TEXT}])
    base = SynthesizeConfig(
        tmp_path / "out.jsonl",
        (corpus,),
        llm_url=server.url,
        llm_model="m",
        count=12,
        workers=1,
        judge=0,
        instructions=2,
    )
    return replace(base, prompt_price=1.0, completion_price=10.0, **more)


def test_personas_think_up_instructions_and_passages_become_positives(server: Server, tmp_path: Path) -> None:
    account = synthesize(config(server, tmp_path))

    rows = list(read([tmp_path / "out.jsonl"]))
    stage_one = [body for body in server.asked if "You are this person" in body["messages"][0]["content"]]
    assert len(stage_one) == 4
    assert len(rows) == account.rows == 12
    assert {row.positives[0] for row in rows if row.task == "short-long"} == {f"Batteries\n{TEXT}"}
    assert all(row.instruction for row in rows if row.task == "short-long")
    assert account.tokens == account.requests * 110
    assert account.cost == pytest.approx(account.requests * 200 / 1e6)


def test_a_killed_run_asks_for_no_answer_twice(server: Server, tmp_path: Path) -> None:
    server.stop_after = 9
    with pytest.raises(LlmFailed, match="refused: 400"):
        synthesize(config(server, tmp_path))
    journal = tmp_path / "out.jsonl.journal"
    kept = journal.read_text().count("\n")
    with journal.open("a") as file:
        file.write('{"asked": "cut sho')
    server.stop_after = 10**9

    account = synthesize(config(server, tmp_path))

    assert account.rows == 12
    assert len(server.asked) == 4 + 12
    assert kept == 9


def test_busy_servers_and_broken_answers_are_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.llm.time.sleep", lambda _: None)
    server.fail, server.broken = [503, 429], 1

    assert synthesize(config(server, tmp_path)).failed == 0


def test_pairs_the_judge_marks_low_are_dropped_and_counted(server: Server, tmp_path: Path) -> None:
    account = synthesize(config(server, tmp_path, judge=5))

    assert account.rejected == 6
    assert account.rows == 6


def test_nothing_to_start_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="give --corpus, or a language model"):
        synthesize(SynthesizeConfig(tmp_path / "out.jsonl"))
