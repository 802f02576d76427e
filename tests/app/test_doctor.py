"""The doctor: every finding that is not well says what to do, and none of them brings it down."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.doctor import Finding, examine
from app.settings import Settings
from tests.app.conftest import free_port


@pytest.fixture
def well(tmp_path: Path) -> dict[str, Any]:
    """Settings under which the main job can work."""
    return {"model": "fake", "data_dir": tmp_path / "data", "port": free_port(), "ui_port": free_port()}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that somebody listens on who speaks no HTTP."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def found(subject: str, settings: dict[str, Any]) -> Finding:
    return next(one for one in examine(Settings(**settings)) if one.what.startswith(subject))


def test_nothing_that_the_main_job_needs_is_missing_here_and_the_rest_has_advice(
    well: dict[str, Any],
) -> None:
    findings = list(examine(Settings(**well)))

    assert [finding.what for finding in findings if finding.needed and not finding.ok] == []
    assert all(finding.advice for finding in findings if not finding.ok)
    assert findings[-1].what == "network: nothing is contacted but this machine"


def test_the_network_it_names_is_the_one_in_the_settings(well: dict[str, Any]) -> None:
    finding = found("network", {**well, "llm_url": "http://127.0.0.1:9", "llm_model": "m"})

    assert finding.what == "network: nothing is contacted but http://127.0.0.1:9"


def test_a_model_that_is_not_there_comes_with_the_command_that_fetches_it(well: dict[str, Any]) -> None:
    finding = found("model kalm-v2.5", {**well, "model": "kalm-v2.5"})

    assert not finding.ok
    assert "hf download KaLM-Embedding/KaLM-embedding-multilingual-mini-instruct-v2.5" in finding.advice


def test_only_the_device_that_was_asked_for_is_needed(well: dict[str, Any]) -> None:
    assert not found("device npu", well).needed
    assert found("device npu", {**well, "device": "npu"}).needed


def test_a_page_port_that_another_program_holds_is_told_from_a_free_one(
    well: dict[str, Any], silent_port: int
) -> None:
    assert "start it with `kalm up`" in found("the page", well).advice

    taken = found(f"port {silent_port}", {**well, "ui_port": silent_port})
    assert taken.what == f"port {silent_port} is taken, but not by the page"
    assert taken.advice == "choose another by KALM_UI_PORT"


def test_a_data_folder_that_can_not_be_written_says_how_to_choose_another(
    well: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")

    finding = found("data folder", {**well, "data_dir": file / "data"})

    assert not finding.ok
    assert finding.advice == "choose another by KALM_DATA_DIR"
