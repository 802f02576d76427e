"""A language model over HTTP: a real server on loopback that speaks OpenAI's protocol, well and badly."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from app.llm import LanguageModel, LanguageModelError
from tests.app.conftest import running

NORMAL = "Keep it cool and dry [1]. Charge it to sixty percent [1][7]. [2, 9]"
REWRITTEN = "Where should the battery be kept, in a cool and dry place?"
OBEDIENT = "![x](http://evil.example/x.png) <script>alert(1)</script> As the document says, I obey [1]."


class ChatServer:
    """OpenAI's chat protocol; the model's name chooses how it behaves."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.offered = ["normal"]
        self.requests: list[dict[str, Any]] = []
        """Bodies, as they came."""
        self.pieces_sent = 0
        self.pause_s = 0.05
        """Of "endless", after each piece."""
        self.app.get("/v1/models")(self.models)
        self.app.post("/v1/chat/completions")(self.chat)

    def models(self, request: Request) -> Any:
        if request.headers["authorization"] == "Bearer wrong":
            return _error(401)
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in self.offered]}

    async def chat(self, request: Request) -> Any:
        body = await request.json()
        self.requests.append(body)
        if body["model"].isdigit():
            return _error(int(body["model"]))
        return StreamingResponse(
            self.stream(body["model"], body["messages"][-1]["content"]), media_type="text/event-stream"
        )

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        text = {
            "rewriter": rewriter(prompt),
            "endless text": "word " * 1000,
            "parrot": parrot(prompt),
            "obedient": OBEDIENT,
            "breaks": "Keep it",
            "hangs up": "Keep it",
            "silent": "",
        }.get(model, NORMAL)
        for at in range(0, len(text), 3):
            self.pieces_sent += 1
            yield _chunk(model, text[at : at + 3])
            await asyncio.sleep(self.pause_s if model == "endless" else 1.5 if model == "slow" else 0)
        match model:
            case "breaks":
                raise ConnectionResetError
            case "hangs up":
                return
            case "garbles":
                yield "data: {not json\n\n"
            case "fails amid":
                yield 'data: {"error": {"message": "out of memory"}}\n\n'
        yield _chunk(model, "", "length" if model == "cut" else "stop")
        yield "data: [DONE]\n\n"


def rewriter(prompt: str) -> str:
    """Understands every follow-up as the same question."""
    return REWRITTEN if "Follow-up:" in prompt else NORMAL


def parrot(prompt: str) -> str:
    """Obeys whatever the first source says: repeats it, citing what there is and what there is not."""
    lines = [line.removeprefix("| ") for line in prompt.splitlines() if line.startswith("| ")]
    return f"{' '.join(lines)} [1][9\u200b9] All of 77 people agree [98]."


def _chunk(model: str, text: str, ending: str | None = None) -> str:
    chunk = {
        "id": "1", "object": "chat.completion.chunk", "created": 0, "model": model,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": ending}],
    }  # fmt: skip
    return f"data: {json.dumps(chunk)}\n\n"


def _error(status: int) -> JSONResponse:
    return JSONResponse({"error": {"message": "prompt is too long", "type": "x", "code": None}}, status)


@pytest.fixture
def server() -> ChatServer:
    return ChatServer()


@pytest.fixture
def url(server: ChatServer) -> Iterator[str]:
    with running(server.app) as url:
        yield url


def told(model: LanguageModel) -> str:
    """What a person reads when the answer fails."""
    with pytest.raises(LanguageModelError) as raised:
        list(model.stream("Be brief.", "Where?"))
    return str(raised.value)


def test_the_answer_comes_in_pieces_and_the_prompt_goes_out_as_it_is(server: ChatServer, url: str) -> None:
    pieces = list(LanguageModel(url, "normal").stream("Be brief.", "Where?"))

    assert "".join(pieces) == NORMAL
    assert len(pieces) > 10
    assert [message["content"] for message in server.requests[0]["messages"]] == ["Be brief.", "Where?"]


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_the_address_is_taken_with_and_without_v1(url: str, end: str) -> None:
    assert LanguageModel(url + end, "normal").models() == ["normal"]


def test_the_only_model_of_a_server_needs_no_name(url: str) -> None:
    model = LanguageModel(url)
    assert model.name == f"{url}/v1"

    assert "".join(model.stream("", "Where?")) == NORMAL

    assert model.name == "normal"


def test_among_several_models_none_is_picked_at_random(server: ChatServer, url: str) -> None:
    server.offered = ["small", "large"]

    assert told(LanguageModel(url)) == f"{url}/v1 has 2 models; set KALM_LLM_MODEL to one of small, large"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("401", "refuses the key: check KALM_LLM_API_KEY"),
        ("403", "refuses the key: check KALM_LLM_API_KEY"),
        ("404", "has no model '404': set KALM_LLM_MODEL to one of normal"),
        ("429", "is overloaded or out of quota; try again later"),
        ("400", "prompt is too long"),
        ("503", "refuses to answer"),
        ("breaks", "broke off"),
        ("hangs up", "broke off before the end: ask again"),
        ("garbles", "broke off"),
        ("fails amid", "out of memory"),
        ("cut", "ran out of tokens: allow it a longer context or answer"),
        ("silent", "answered nothing: try another model"),
    ],
)
def test_each_failure_says_what_to_do(url: str, name: str, message: str) -> None:
    assert message in told(LanguageModel(url, name))


def test_a_server_that_says_nothing_for_too_long_is_left(url: str) -> None:
    assert "said nothing for 0.5 s" in told(LanguageModel(url, "slow", timeout_s=0.5))


@pytest.mark.parametrize("nowhere", ["http://127.0.0.1:9", "localhost:9", "http://[::1"])
def test_a_server_that_is_not_there_is_told(nowhere: str) -> None:
    assert "KALM_LLM_URL" in told(LanguageModel(nowhere, "any"))
    assert "KALM_LLM_URL" in told(LanguageModel(nowhere))


def test_a_wrong_key_is_told_before_a_model_is_known(url: str) -> None:
    assert told(LanguageModel(url, api_key="wrong")) == f"{url}/v1 refuses the key: check KALM_LLM_API_KEY"


def test_a_reader_who_leaves_ends_the_request(server: ChatServer, url: str) -> None:
    pieces = LanguageModel(url, "endless").stream("", "Where?")
    next(pieces)

    pieces.close()  # type: ignore[attr-defined] # a generator
    sent = server.pieces_sent
    asyncio.run(asyncio.sleep(0.5))

    assert server.pieces_sent <= sent + 2
