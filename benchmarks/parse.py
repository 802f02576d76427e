"""Our reading of files against unstructured's `partition`, file by file: python -m benchmarks.parse

The files are real ones beside this checkout, or those of a folder. Both sides read each in turn in one
process; a file counts for the speed if both read it. unstructured runs behind our stand-in for its model,
since it can't be had offline, and is told the language: both make it faster. Beside every speed stands
how much of the one's text is in the other's: words, and signs where a script has no spaces between them.
"""

import json
import logging
import re
import time
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

from benchmarks.machine import describe
from benchmarks.offline import partition
from ingest.parse import parse
from ingest.parse.formats import format_of

DOCS = Path(__file__).parents[2] / "shared" / "data" / "docs"
_WORD = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+"
)

Read = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Result:
    """What both sides made of one file."""

    format: str
    seconds: tuple[float, float]
    """Median, ours and theirs."""
    words: tuple[Counter[str] | None, Counter[str] | None]
    """None where a side could not read it."""

    def shared(self, whose: int) -> tuple[int, int]:
        """Words of one side that the other has too, and all of its words."""
        mine, other = self.words[whose], self.words[1 - whose]
        assert mine is not None
        assert other is not None
        return (mine & other).total(), mine.total()


def main(folder: Path | None = None, rounds: int = 3) -> None:
    """Print a line for each format, then the files that one side alone could read."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # unstructured's, of guessed encodings
    paths = _real_documents() if folder is None else sorted(filter(Path.is_file, folder.rglob("*")))
    print(f"{describe()}, {len(paths)} files, {rounds} rounds")
    results = {path: _compare(path, rounds) for path in paths}
    _table(list(results.values()))
    for whose, side in enumerate(("only ours reads", "only unstructured reads")):
        alone = [
            path.name for path, found in results.items() if found.words[whose] and not found.words[1 - whose]
        ]
        print(f"\n{side} {len(alone)}: {', '.join(alone)}")


def _real_documents() -> list[Path]:
    """Those that have a text which can be read."""
    if not DOCS.is_dir():
        raise SystemExit("the real documents are not beside this checkout: give a folder with some")
    rows = map(json.loads, (DOCS / "dev" / "manifest.jsonl").read_text().splitlines())
    return [DOCS / row["file"] for row in rows if row["expect"] == "text"]


def _compare(path: Path, rounds: int) -> Result:
    sides = (_ours, _theirs)
    words = (_words(_ours, path), _words(_theirs, path))  # also the warm-up
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds if None not in words else 0):
        for whose in (0, 1) if number % 2 else (1, 0):
            begin = time.perf_counter()
            sides[whose](path)
            seconds[whose].append(time.perf_counter() - begin)
    ours, theirs = (median(each) if each else 0.0 for each in seconds)
    return Result(format_of(path, path.name), (ours, theirs), words)


def _ours(path: Path) -> str:
    return "\n".join(element.text for element in parse(path, path.name))


def _theirs(path: Path) -> str:
    return "\n".join(element.text or "" for element in partition(str(path)))


def _words(read: Read, path: Path) -> Counter[str] | None:
    """None if the file can't be read, or gives nothing."""
    try:
        text = read(path)
    except Exception:
        return None
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).casefold())) or None


def _table(results: list[Result]) -> None:
    formats: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        formats[result.format].append(result)
    print(
        f"{'':<6} {'files':>5} {'both':>5} {'ours/s':>8} {'theirs/s':>8} {'ratio':>6}"
        "  of their words in ours  of ours in theirs"
    )
    for name in sorted(formats):
        _line(name, formats[name])
    _line("all", results)


def _line(name: str, results: list[Result]) -> None:
    both = [result for result in results if None not in result.words]
    if not both:
        print(f"{name:<6} {len(results):>5} {0:>5}")
        return
    ours, theirs = (sum(result.seconds[whose] for result in both) for whose in (0, 1))
    shares = []
    for whose in (1, 0):
        found, everything = map(sum, zip(*(result.shared(whose) for result in both), strict=True))
        shares.append(found / everything)
    print(
        f"{name:<6} {len(results):>5} {len(both):>5} {len(both) / ours:>8.1f} {len(both) / theirs:>8.1f} "
        f"{theirs / ours:>6.2f}  {shares[0]:>22.1%}  {shares[1]:>17.1%}",
        flush=True,
    )


if __name__ == "__main__":
    tyro.cli(main)
