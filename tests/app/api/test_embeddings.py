"""`/v1/embeddings` with OpenAI's own client: the contract in cases."""

import asyncio
import base64
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from app.client import Client
from embedder import Vectors
from embedder.fake import FakeEncoder
from tests.app.conftest import Serve

fake = FakeEncoder()


@pytest.fixture
def api(client: Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{client.url}/v1", api_key="none", max_retries=0)


def test_one_text_and_many_come_back_in_order(api: openai.OpenAI) -> None:
    texts = ["one", "two words", "three more words"]

    one = api.embeddings.create(model="fake", input="one")
    many = api.embeddings.create(model="fake", input=texts)

    assert [datum.index for datum in many.data] == [0, 1, 2]
    vectors = np.array([datum.embedding for datum in many.data], np.float32)
    assert np.abs(vectors - fake.encode_documents(texts)).max() < 1e-6
    assert one.data[0].embedding == pytest.approx(many.data[0].embedding)
    assert many.usage.prompt_tokens == many.usage.total_tokens == 6
    assert many.model == "fake"


def test_base64_is_little_endian_float32(api: openai.OpenAI) -> None:
    raw = api.embeddings.with_raw_response.create(model="fake", input="one", encoding_format="base64")
    floats = api.embeddings.create(model="fake", input="one", encoding_format="float")

    data = raw.http_response.json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(data), "<f4") == pytest.approx(floats.data[0].embedding)


def test_dimensions_are_cut_and_brought_back_to_length_one(api: openai.OpenAI) -> None:
    vector = api.embeddings.create(model="fake", input="one two", dimensions=64).data[0].embedding

    assert len(vector) == 64
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", " "]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": "word " * 600}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 100}, "dimensions"),
        ({"input": "a", "dimensions": 1.5}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_can_not_be_embedded_is_a_400_that_names_the_field(
    api: openai.OpenAI, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        api.embeddings.create(model="fake", **body)

    assert raised.value.param is not None
    assert raised.value.param.startswith(param)
    assert raised.value.message


def test_token_ids_say_what_to_do(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        api.embeddings.create(model="fake", input=[1, 2, 3])


def test_models_are_listed_and_unknown_ones_are_a_404(api: openai.OpenAI) -> None:
    assert [model.id for model in api.models.list()] == ["fake", "fake:query"]
    assert api.models.retrieve("fake:query").id == "fake:query"
    with pytest.raises(
        openai.NotFoundError, match="no model 'ada' here; this service runs fake and fake:query"
    ):
        api.embeddings.create(model="ada", input="a")


def test_fields_that_are_not_ours_are_ignored(client: Client) -> None:
    body = {"model": "fake", "input": "a", "user": "u", "anything": 1}

    assert httpx.post(f"{client.url}/v1/embeddings", json=body).status_code == 200


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The encoder stands still until this is set."""
    go, encode = threading.Event(), FakeEncoder.encode_documents

    def wait_and_encode(self: FakeEncoder, texts: Sequence[str], dim: int | None = None) -> Vectors:
        assert go.wait(30)
        return encode(self, texts, dim)

    monkeypatch.setattr(FakeEncoder, "encode_documents", wait_and_encode)
    yield go
    go.set()


def test_a_text_too_long_names_itself_or_is_cut_when_asked(api: openai.OpenAI) -> None:
    texts = ["fine", "word " * 600]
    with pytest.raises(
        openai.BadRequestError, match=r"input\[1\] has 600 tokens, fake takes 512: split it, or send"
    ) as refused:
        api.embeddings.create(model="fake", input=texts)
    assert refused.value.code == "context_length_exceeded"

    cut = api.embeddings.create(model="fake", input=texts, extra_body={"truncate": True})

    assert cut.usage.prompt_tokens == 1 + 512
    assert cut.usage.model_extra == {"dropped_tokens": 88}
    assert cut.data[1].embedding == pytest.approx(fake.encode_documents(["word " * 512])[0].tolist())


def test_one_request_may_not_hold_more_than_so_many_tokens(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="300300 tokens in one request, at most 300000"):
        api.embeddings.create(model="fake", input=["w " * 500] * 600 + ["w " * 300])


@pytest.mark.parametrize("text", ["a\0b", "\u202bעברית\u202c", "👩‍👩‍👧‍👦", "𠮷野家"])
def test_odd_characters_have_vectors(api: openai.OpenAI, text: str) -> None:
    vector = api.embeddings.create(model="fake", input=text).data[0].embedding

    assert vector == pytest.approx(fake.encode_documents([text])[0].tolist(), abs=1e-6)


def test_a_query_model_encodes_queries(api: openai.OpenAI) -> None:
    vector = api.embeddings.create(model="fake:query", input="where").data[0].embedding

    assert vector == pytest.approx(fake.encode_queries(["where"])[0].tolist(), abs=1e-6)


def test_many_clients_at_once_get_what_each_would_alone(client: Client) -> None:
    async def ask() -> list[list[float]]:
        async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="none") as api:
            answers = await asyncio.gather(
                *(api.embeddings.create(model="fake", input=f"text {number}") for number in range(32))
            )
        return [answer.data[0].embedding for answer in answers]

    vectors = np.array(asyncio.run(ask()), np.float32)

    assert np.abs(vectors - fake.encode_documents([f"text {number}" for number in range(32)])).max() < 1e-5


def test_a_full_queue_is_a_429_with_the_time_to_come_again(client: Client, held: threading.Event) -> None:
    with ThreadPoolExecutor(3) as threads:
        url, body = f"{client.url}/v1/embeddings", {"model": "fake", "input": ["w " * 400] * 10}
        waiting = [threads.submit(httpx.post, url, json=body, timeout=60)]
        time.sleep(0.5)  # or both would share a batch, and none wait
        waiting.append(threads.submit(httpx.post, url, json=body, timeout=60))
        wait_for(client, "kalm_encoder_waiting_requests 1.0")

        refused = httpx.post(url, json=body)
        held.set()

        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert [future.result().status_code for future in waiting] == [200, 200]
        retried = openai.OpenAI(base_url=f"{client.url}/v1", api_key="none")
        assert retried.embeddings.create(**body).data


def test_work_whose_client_is_gone_is_dropped(client: Client, held: threading.Event) -> None:
    url = f"{client.url}/v1/embeddings"
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(httpx.post, url, json={"model": "fake", "input": "first"}, timeout=60)
        wait_for(client, "kalm_encoder_waiting_requests 0.0")

        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json={"model": "fake", "input": "second"}, timeout=0.5)
        wait_for(client, 'status="499"')
        held.set()

        assert first.result().status_code == 200
    wait_for(client, 'kalm_encoder_texts_total{kind="document"} 1.0')


def wait_for(client: Client, line: str) -> None:
    deadline = time.monotonic() + 30
    while line not in httpx.get(f"{client.url}/metrics").text:
        assert time.monotonic() < deadline, f"{line} never came"
        time.sleep(0.02)


def test_llama_index_s_class_works(client: Client) -> None:
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    model = OpenAILikeEmbedding("fake", api_base=f"{client.url}/v1", dimensions=64)

    assert model.get_text_embedding_batch(["one", "two"])[1] == pytest.approx(
        fake.encode_documents(["two"], dim=64)[0].tolist(), abs=1e-6
    )
    assert len(model.get_query_embedding("where")) == 64


def test_langchain_s_class_works_and_says_how(client: Client) -> None:
    from langchain_openai import OpenAIEmbeddings

    where: dict[str, Any] = {"base_url": f"{client.url}/v1", "api_key": "none", "max_retries": 0}
    model = OpenAIEmbeddings(model="fake", check_embedding_ctx_length=False, **where)

    assert model.embed_query("one") == pytest.approx(fake.encode_documents(["one"])[0].tolist(), abs=1e-6)
    assert np.shape(model.embed_documents(["one", "two"])) == (2, 256)


def test_one_service_can_be_the_encoder_of_another(client: Client, serve: Serve, tmp_path: Path) -> None:
    url = serve(model="fake", encoder_url=f"{client.url}/v1", data_dir=tmp_path / "other")

    answer = httpx.post(f"{url}/v1/embeddings", json={"model": "fake", "input": "one two"})

    assert answer.json()["data"][0]["embedding"] == pytest.approx(
        fake.encode_documents(["one two"])[0].tolist(), abs=1e-6
    )
