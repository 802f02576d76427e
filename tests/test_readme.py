"""The README tells the truth: its tree is the disk's, its commands are CI's, its files exist.

`python -m tests.test_readme` writes the tree anew from the modules' first lines.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PACKAGES = ("app", "embedder", "ingest", "training", "benchmarks")
_TREE = re.compile(r"(?<=<!-- tree -->\n```\n).*?(?=```\n<!-- end -->)", re.DOTALL)


def tree() -> str:
    """A line per module: its path and the first sentence of its docstring."""
    lines = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py"), key=lambda path: (str(path.parent), path.name)):
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert docstring, f"{path} does not say what it is"
            lines.append(f"{path.relative_to(ROOT)!s:<30} {docstring.splitlines()[0].rstrip('.')}")
    return "\n".join(lines) + "\n"


def test_the_tree_is_the_disk_s() -> None:
    found = _TREE.search(README.read_text(encoding="utf-8"))

    assert found is not None
    assert found[0] == tree(), "run `python -m tests.test_readme`"


def test_ci_calls_the_readme_s_test_command() -> None:
    assert "\nbin/test\n" in README.read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\nbin/test")


def test_every_file_that_the_documentation_links_to_exists() -> None:
    for page in (README, *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_setting_is_documented() -> None:
    from app.settings import Settings

    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")

    missing = {name for name in Settings.model_fields if f"KALM_{name.upper()}" not in text}
    assert missing == set()


if __name__ == "__main__":
    README.write_text(_TREE.sub(lambda _: tree(), README.read_text(encoding="utf-8")), encoding="utf-8")
