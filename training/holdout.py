"""Documents and pairs apart: what is learned from, and what is only asked about, as BEIR folders.

By document, never by pair: a model that has read a document in training is good at finding it, and that says
nothing about the next one. The passages learned from stay in what is searched, as wrong answers.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.batches import key
from training.data import Row, files, lines_of, read, read_beir
from training.errors import BadData
from training.structure import Passage, queries_of, rarities


@dataclass(frozen=True, slots=True)
class Source:
    """A passage of a corpus."""

    document: str
    title: str
    text: str
    language: str

    @property
    def whole(self) -> str:
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Question:
    """With known answers."""

    text: str
    language: str
    answers: tuple[str, ...]
    """Texts."""


def read_corpus(paths: Sequence[Path]) -> list[Source]:
    """Raises BadData."""
    found = []
    for path in paths:
        for file in [path / "corpus.jsonl"] if (path / "corpus.jsonl").is_file() else files(path):
            for line, fields in lines_of(file):
                text = fields.get("text")
                if not isinstance(text, str) or not text.strip():
                    raise BadData(f'{file}:{line}: no "text"; the row has {", ".join(fields) or "nothing"}')
                document = str(fields.get("document") or f"{file.name}:{line}")
                title = str(fields.get("title") or "")
                found.append(Source(document, title, text, _language(fields)))
    return found


def read_pairs(paths: Sequence[Path], task_fields: Sequence[str]) -> list[tuple[Row, str]]:
    """Rows and the languages of their queries, empty where a file does not say. Raises BadData."""
    languages = []
    for path in paths:
        if (path / "corpus.jsonl").is_file():
            beir = read_beir(path)
            languages += [beir.languages[query] for query in beir.relevant]
        else:
            languages += [_language(fields) for file in files(path) for _, fields in lines_of(file)]
    return list(zip(read(paths, task_fields), languages, strict=True))


def draw(names: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """Of the names at least one and not all. Raises BadData for fewer than two."""
    ranked = sorted(set(names), key=lambda name: key(f"{seed} {name}"))
    if len(ranked) < 2:
        raise BadData("there is one document, and nothing would be left to measure on: add more, or pairs")
    return frozenset(ranked[: min(len(ranked) - 1, max(1, round(share * len(ranked))))])


def split_pairs(
    pairs: Sequence[tuple[Row, str]], corpus: Sequence[Source], held: frozenset[str], share: float, seed: int
) -> tuple[list[Row], list[Question]]:
    """(rows to learn from, questions about what is held out). A positive that is a passage of the corpus
    goes where its document goes, any other is a document by itself; rows with positives on both sides, and
    questions that are also learned from, are left out."""
    documents = {text: source.document for source in corpus for text in (source.text, source.whole)}
    alone = {text for row, _ in pairs if row.kind == "retrieval" for text in row.positives}
    alone -= documents.keys()
    held_texts = draw(alone, share, seed) if len(alone) > 1 else frozenset()
    rows, asked = [], []
    for row, language in pairs:
        if row.kind != "retrieval":
            rows.append(row)
            continue
        sides = {
            documents[text] in held if text in documents else text in held_texts for text in row.positives
        }
        if sides == {True}:
            asked.append(Question(row.query, language, row.positives))
        elif sides == {False}:
            rows.append(row)
    learned = {plain(row.query) for row in rows}
    return rows, [question for question in asked if plain(question.text) not in learned]


def ask(sources: Sequence[Source], held: frozenset[str], least_chars: int, seed: int) -> list[Question]:
    """A question for each passage that is held out, of the corpus's own words, see `structure`. None that is
    also the title of a passage to learn from: it has more right answers than are known."""
    rarity = rarities([Passage(source.title, source.text) for source in sources])
    titles = {plain(source.title) for source in sources if source.document not in held}
    found: dict[str, tuple[Row, str, list[str]]] = {}
    for source in sources:
        if source.document not in held:
            continue
        passage = Passage(source.title, source.text)
        rows = queries_of(passage, rarity, least_chars=least_chars, seed=seed)
        rows = [row for row in rows if plain(row.query) not in titles]
        if rows:
            row = rows[key(source.text) % len(rows)]
            found.setdefault(plain(row.query), (row, source.language, []))[2].extend(row.positives)
    return [Question(row.query, language, tuple(texts)) for row, language, texts in found.values()]


def write_task(
    folder: Path,
    questions: Sequence[Question],
    passages: Iterable[str],
    *,
    most_queries: int,
    most_passages: int,
    seed: int,
) -> int:
    """Write a BEIR folder of some of the questions, their answers, and passages beside them; returns how many
    questions it has. With none, no folder is written."""
    rng = np.random.default_rng(seed)
    chosen = [questions[at] for at in rng.permutation(len(questions))[:most_queries]]
    if not chosen:
        return 0
    texts = dict.fromkeys(text for question in chosen for text in question.answers)
    others = [text for text in dict.fromkeys(passages) if text not in texts]
    texts |= dict.fromkeys(
        others[at] for at in rng.permutation(len(others))[: max(0, most_passages - len(texts))]
    )
    identities = {text: f"p{at}" for at, text in enumerate(texts)}
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "corpus.jsonl", ({"_id": identities[text], "text": text} for text in texts))
    write_lines(
        folder / "queries.jsonl",
        (
            {"_id": f"q{at}", "text": question.text, "lang": question.language}
            for at, question in enumerate(chosen)
        ),
    )
    judged = [
        f"q{at}\t{identities[text]}\t1\n"
        for at, question in enumerate(chosen)
        for text in dict.fromkeys(question.answers)
    ]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged), encoding="utf-8")
    return len(chosen)


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def plain(text: str) -> str:
    """By which two queries are the same."""
    return " ".join(text.casefold().split())


def _language(fields: Mapping[str, object]) -> str:
    return str(fields.get("lang") or fields.get("language") or "")
