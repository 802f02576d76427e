"""`/v1/embeddings` with OpenAI's own client: the contract in cases."""

import base64
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from app.client import Client
from embedder.fake import FakeEncoder

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
