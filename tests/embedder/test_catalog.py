"""The catalog: whom a name means, and what the models were trained to be asked."""

import pytest

from embedder.catalog import CATALOG, entry_of, name_of


@pytest.mark.parametrize("name", CATALOG)
def test_a_model_is_known_by_its_name_its_hub_id_and_its_folder(name: str) -> None:
    entry = CATALOG[name]

    for known_as in (name, entry.hub_id, f"/models/{entry.hub_id.split('/')[1]}/"):
        assert entry_of(known_as) is entry
    assert name_of(entry) == name


def test_the_causal_models_are_asked_with_a_full_stop() -> None:
    asked = "Given a query, retrieve documents that answer the query"

    assert {CATALOG[name].instruction for name in ("kalm-v2", "kalm-v2.5")} == {asked}
    assert {CATALOG[name].instruction for name in ("kalm-v1", "kalm-v1.5")} == {f"{asked}."}


def test_dims_begin_with_the_full_width_and_shrink() -> None:
    for entry in CATALOG.values():
        assert list(entry.dims) == sorted(entry.dims, reverse=True)
