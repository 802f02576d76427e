"""The catalog: whom a name means, and what the models were trained to be asked."""

import re

import pytest

import embedder
from embedder.catalog import CATALOG, entry_of, name_of
from embedder.errors import UnsupportedModel
from embedder.prompts import query_prefix


@pytest.mark.parametrize("name", CATALOG)
def test_a_model_is_known_by_its_name_its_hub_id_and_its_folder(name: str) -> None:
    entry = CATALOG[name]

    hub = (entry.hub_id, f"/models/{entry.hub_id.split('/')[1]}/") if entry.hub_id else ()
    for known_as in (name, *hub):
        assert entry_of(known_as) is entry
    assert name_of(entry) == name


def test_the_causal_models_are_asked_with_a_full_stop() -> None:
    asked = "Given a query, retrieve documents that answer the query"

    assert {CATALOG[name].instruction for name in ("kalm-v2", "kalm-v2.5")} == {asked}
    assert {CATALOG[name].instruction for name in ("kalm-v1", "kalm-v1.5")} == {f"{asked}."}


def test_every_model_is_asked_as_it_was_trained_to_be() -> None:
    asked = {name: query_prefix(entry.query_template, entry.instruction) for name, entry in CATALOG.items()}

    assert asked["kalm-v2.5"] == f"Instruct: {CATALOG['kalm-v2.5'].instruction} \n Query: "
    assert asked["kalm-mini-v1"] == asked["all-MiniLM-L6-v2"] == asked["bge-m3"] == ""
    assert (asked["multilingual-e5-large"], CATALOG["multilingual-e5-large"].document_prefix) == (
        "query: ",
        "passage: ",
    )
    assert asked["qwen3-embedding-0.6b"].endswith("answer the query\nQuery:")


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.refused])
def test_what_can_not_be_run_says_so_and_what_to_do(name: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"{name} is not run here: .* (serve it|load) "):
        embedder.load(name)


def test_every_model_of_the_hub_is_pinned_to_a_commit() -> None:
    for entry in CATALOG.values():
        assert entry.package or entry.bundled or re.fullmatch("[0-9a-f]{40}", entry.revision or "")


def test_dims_begin_with_the_full_width_and_shrink() -> None:
    for entry in CATALOG.values():
        assert list(entry.dims) == sorted(entry.dims, reverse=True)
