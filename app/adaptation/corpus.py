"""A collection's documents -> a file that queries are made from, and sentences that check an index."""

import json
import random
from pathlib import Path

from app.evaluation.ask import ready_documents
from ingest.errors import NotPossible
from ingest.pipeline import Shelf
from ingest.sentences import sentences

SENTENCES = 100
"""That an index is checked with."""
_FEWEST_CHARS = 30


def write_corpus(shelf: Shelf, path: Path) -> int:
    """Write a line per passage, under its nearest heading; returns how many. Raises NotPossible for none."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for version in sorted({row.version for row in ready_documents(shelf) if row.version}):
            for chunk in shelf.index.chunks(version):
                heading = f"{chunk.heading[-1]} ({chunk.title})" if chunk.heading else chunk.title
                passage = {
                    "document": version,
                    "title": heading,
                    "text": chunk.text,
                    "language": chunk.language,
                }
                file.write(json.dumps(passage, ensure_ascii=False) + "\n")
                count += 1
    if not count:
        raise NotPossible(f"{shelf.name!r} has no passages to learn from: ingest documents first")
    return count


def draw_sentences(shelf: Shelf, seed: int = 0) -> list[tuple[str, str]]:
    """(sentence, version it is in) of documents drawn by `seed`."""
    rng = random.Random(seed)  # noqa: S311 no secret
    versions = sorted({row.version for row in ready_documents(shelf) if row.version})
    drawn = []
    for version in rng.sample(versions, min(SENTENCES, len(versions))):
        text = rng.choice(shelf.index.chunks(version)).text
        spans = [span for span in sentences(text) if span[1] - span[0] >= _FEWEST_CHARS]
        begin, end = rng.choice(spans) if spans else (0, len(text))
        drawn.append((text[begin:end], version))
    return drawn
