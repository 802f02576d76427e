"""The remote encoder: against our own service, and against servers that misbehave."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

import embedder
from embedder.errors import EncoderError, ServerFailed, TextTooLong, UnknownDim, UnsupportedModel
from embedder.fake import FakeEncoder

fake = FakeEncoder()
Answer = tuple[int, Any, dict[str, str]]
Behave = Callable[[dict[str, Any]], Answer | None]


def good(body: dict[str, Any]) -> Answer:
    vectors = fake.encode_documents(body["input"])
    data = [{"index": at, "embedding": vector.tolist()} for at, vector in enumerate(vectors)]
    return 200, {"data": data}, {}


class Server:
    """A real server; `behave` decides each answer, None is the good one."""

    def __init__(self) -> None:
        self.behave: Behave = good
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append(body)
                outer.keys.append(self.headers.get("authorization"))
                status, answer, headers = outer.behave(body) or good(body)
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("embedder.remote._FIRST_WAIT_S", 0.01)
    server = Server()
    yield server
    server.close()


def test_vectors_come_back_in_order_whatever_order_the_server_has(server: Server) -> None:
    def backwards(body: dict[str, Any]) -> Answer:
        status, answer, headers = good(body)
        return status, {"data": answer["data"][::-1]}, headers

    server.behave = backwards
    encoder = embedder.connect(server.url, "some-model", api_key="secret")
    texts = [f"text {number % 50}" for number in range(100)]

    assert np.abs(encoder.encode_documents(texts) - fake.encode_documents(texts)).max() < 1e-6
    assert encoder.encode_documents([]).shape == (0, 256)
    assert {len(body["input"]) for body in server.asked} == {1, 32, 18}  # fifty distinct ones
    assert set(server.keys) == {"Bearer secret"}


def test_base64_is_understood_though_numbers_were_asked_for(server: Server) -> None:
    def packed(body: dict[str, Any]) -> Answer:
        rows = fake.encode_documents(body["input"]).astype("<f4")
        data = [
            {"index": at, "embedding": base64.b64encode(row.tobytes()).decode()}
            for at, row in enumerate(rows)
        ]
        return 200, {"data": data}, {}

    server.behave = packed

    found = embedder.connect(server.url, "some-model").encode_documents(["one"])

    assert np.abs(found - fake.encode_documents(["one"])).max() < 1e-6


def test_a_known_model_is_asked_as_it_was_trained_and_cut_here(server: Server) -> None:
    server.behave = lambda body: (
        200,
        {"data": [{"index": at, "embedding": [3.0, 4.0] + [0.0] * 894} for at in range(len(body["input"]))]},
        {},
    )
    encoder = embedder.connect(server.url, "kalm-v2.5")

    vectors = encoder.encode_queries(["where"], dim=64)
    encoder.encode_queries(["where"], task="sts")
    encoder.encode_documents(["there", ""])

    assert vectors[0, :3].tolist() == pytest.approx([0.6, 0.8, 0.0])
    assert [body["input"] for body in server.asked[1:]] == [
        ["Instruct: Given a query, retrieve documents that answer the query \n Query: where"],
        ["Instruct: Retrieve semantically similar text \n Query: where"],
        ["there", "."],  # servers refuse an empty text
    ]
    assert encoder.dims == (896, 512, 256, 128, 64)
    with pytest.raises(UnknownDim):
        encoder.encode_documents(["a"], dim=100)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_asked_again(server: Server, status: int) -> None:
    encoder = embedder.connect(server.url, "some-model")
    failures = iter([(status, {"error": {"message": "busy"}}, {"retry-after": "0"})] * 2)
    server.behave = lambda body: next(failures, None)

    assert encoder.encode_documents(["one"]).shape == (1, 256)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            (401, {"error": {"message": "no key"}}, {}),
            ServerFailed,
            "answered 401: no key; give its key",
        ),
        ((404, {"error": "gone"}, {}), ServerFailed, "answered 404: gone; does it run 'some-model'"),
        ((500, b"<html>oops</html>", {}), ServerFailed, "answered 500: <html>oops</html>; see its log"),
        ((429, {}, {"retry-after": "3600"}), ServerFailed, "answered 429"),
        ((400, {"error": {"message": "maximum context length is 8192 tokens"}}, {}), TextTooLong, "split"),
        ((413, {"message": "inputs too long", "code": 413}, {}), TextTooLong, "inputs too long; split"),
        ((200, b"<html>welcome</html>", {}), ServerFailed, "did not answer as OpenAI's /v1/embeddings does"),
        ((200, {"data": []}, {}), ServerFailed, "gave 0 vectors for 1 texts"),
        (
            (200, {"data": [{"index": 3, "embedding": [1.0] * 256}]}, {}),
            ServerFailed,
            "numbered them wrongly",
        ),
        ((200, {"data": [{"index": 0, "embedding": [1.0] * 8}]}, {}), ServerFailed, "vectors of 8, before"),
        ((200, {"data": [{"index": 0, "embedding": [0.0] * 256}]}, {}), ServerFailed, "zero or not finite"),
        ((200, b'{"data": [{"index": 0, "embedding": [NaN]}]}', {}), ServerFailed, "zero or not finite"),
    ],
)
def test_what_does_not_pass_says_what_to_do(
    server: Server, answer: Answer, error: type[EncoderError], message: str
) -> None:
    encoder = embedder.connect(server.url, "some-model")
    server.behave = lambda _: answer

    with pytest.raises(error, match=message):
        encoder.encode_documents(["one"])


def test_a_server_that_is_not_there_is_named(server: Server) -> None:
    server.close()

    with pytest.raises(ServerFailed, match=r"http://127\.0\.0\.1:\d+/v1 does not answer \(ConnectError\)"):
        embedder.connect(server.url, "some-model")


def test_another_model_under_a_known_name_is_refused(server: Server) -> None:
    with pytest.raises(ServerFailed, match="vectors of 256 for 'text-embedding-3-small', which has 1536"):
        embedder.connect(server.url, "text-embedding-3-small")


def test_parts_of_a_text_need_the_model_here(server: Server) -> None:
    with pytest.raises(UnsupportedModel, match="run the model here"):
        embedder.connect(server.url, "some-model").encode_spans("a b", [(0, 1)])


@pytest.mark.parametrize(
    "text", ["The battery wants a cool place.", "电池要放在阴凉干燥的地方。", "แบตเตอรี่", "x = 1234;"]
)
def test_tokens_are_estimated_generously_and_in_place(server: Server, text: str) -> None:
    bert = embedder.load("all-MiniLM-L6-v2", "cpu")
    estimated = embedder.connect(server.url, "some-model")

    spans = estimated.token_spans(text)

    assert len(spans) >= len([span for span in bert.token_spans(text) if span[0] < span[1]])
    assert [begin for begin, _ in spans] == sorted(begin for begin, _ in spans)
    assert estimated.device == "127.0.0.1, tokens estimated"
