"""docker-compose.yml against the compose specification and against our rules for running it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

ROOT = Path(__file__).parents[1]


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def filled_in(text: str) -> str:
    """As compose reads it: `${NAME:-default}` and `${NAME:?complaint}` replaced."""
    return re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda found: found[2] if found[1] == "-" else "secret", text)


def test_the_file_keeps_to_the_specification() -> None:
    compose = yaml.safe_load(filled_in((ROOT / "docker-compose.yml").read_text()))
    parsed = PyCompose.from_yaml(yaml.safe_dump(compose))

    assert set(parsed.service_names()) == {"qdrant", "service", "page"}
    compose["services"]["page"]["ports"] = ["no port"]
    with pytest.raises(ValueError, match="services"):
        PyCompose.from_yaml(yaml.safe_dump(compose))


@pytest.mark.parametrize("name", ["qdrant", "service", "page"])
def test_every_service_runs_with_as_little_as_possible(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]

    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]
    assert not service.get("privileged")


def test_what_qdrant_writes_is_not_in_its_read_only_root(compose: dict[str, Any]) -> None:
    qdrant = compose["services"]["qdrant"]
    writable = [*qdrant["tmpfs"], *(volume.split(":")[1] for volume in qdrant["volumes"])]

    assert qdrant["environment"]["QDRANT_INIT_FILE_PATH"].startswith(tuple(writable))
    assert {"/qdrant/storage", "/qdrant/snapshots"} <= set(writable)


def test_only_page_and_service_are_published_and_only_to_this_machine(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}

    assert ports == {"qdrant": [], "service": ["127.0.0.1:8460:8460"], "page": ["127.0.0.1:8461:8461"]}
    assert compose["networks"]["back"] == {"internal": True}
    assert compose["services"]["qdrant"]["networks"] == ["back"]


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if name.endswith("API_KEY"):
                assert str(value).startswith("${")


def test_every_setting_it_gives_exists(compose: dict[str, Any]) -> None:
    from app.settings import Settings

    known = {f"KALM_{name.upper()}" for name in Settings.model_fields}

    for name in ("service", "page"):
        given = {key for key in compose["services"][name]["environment"] if key.startswith("KALM_")}
        assert given <= known


def test_the_image_is_installed_by_the_script_that_everybody_uses() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    steps = [line for line in lines if line.startswith("RUN ")]
    assert len(steps) == 1
    assert "bin/setup" in steps[0]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    assert {"app", "embedder", "ingest", "training", "bin/setup", "pyproject.toml"} <= copied
