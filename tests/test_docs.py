"""What docs/ says about the code is so."""

from pathlib import Path

from embedder.catalog import CATALOG
from embedder.prompts import TASKS
from embedder.remote import HOSTED

DOCS = Path(__file__).parents[1] / "docs"


def test_every_model_of_the_catalog_stands_in_the_encoder_s_table() -> None:
    rows = [
        line.split("|")[1:] for line in (DOCS / "encoder.md").read_text("utf-8").splitlines() if "|" in line
    ]
    listed = {row[0].strip(): [cell.strip() for cell in row] for row in rows}

    for name, entry in CATALOG.items():
        assert listed[name][2] == ", ".join(map(str, entry.dims)), name
        assert listed[name][3] == f"{entry.window} / {entry.max_tokens}", name
        assert listed[name][4] == entry.licence.partition(",")[0], name
        assert bool(entry.refused) == (listed[name][5] == "refused"), name


def test_every_task_and_every_hosted_model_is_named() -> None:
    text = (DOCS / "encoder.md").read_text("utf-8")

    assert [name for name in (*TASKS, *HOSTED) if f"`{name}`" not in text] == []
