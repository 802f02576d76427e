"""docs/faults.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_about_faults_names_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/\S+|test_\w+)`", (ROOT / "docs" / "faults.md").read_text())
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}

    assert len(named) > 20
    for name in named:
        if name.startswith("tests/"):
            assert (ROOT / name).is_file(), name
        else:
            assert any(f"def {name}(" in text for text in sources.values()), name
