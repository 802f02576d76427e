"""A corpus -> training pairs: by a language model that plays personas, or from the corpus's own structure.

As KaLM did: six types of task; for the four of retrieval a persona, given as the system prompt, first
thinks up instructions, and the pairs are made in a second stage that knows no persona, so that two don't
clash. The paper's prompts are not published; those here are ours. Where a corpus is given, its passages are
the positives. Each answer is written to a journal first: a run that was killed asks for no answer twice.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.batches import key
from training.config import SynthesizeConfig
from training.data import Row, files, lines_of, write_rows
from training.dedup import Seen
from training.errors import BadConfig, BadData, LlmFailed
from training.llm import Llm
from training.structure import Passage, queries

log = logging.getLogger(__name__)

RETRIEVAL_TASKS = {
    "short-long": "a short query that a longer passage answers",
    "long-short": "a long text for which a short label, title or phrase is right",
    "short-short": "a short query and a short text that matches it",
    "long-long": "a long description or question and a long text that matches it",
}
SYMMETRIC_TASKS = {
    "similar": "two sentences that mean the same in other words",
    "translation": "a sentence and its translation into another language",
}
"""With those above, the six types."""


@dataclass
class Account:
    """What was made and what it took."""

    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    """By the judge."""
    failed: int = 0
    """Answers that never became usable; the same command asks for them again."""
    by_task: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.rows} pairs {dict(self.by_task)}", f"{self.duplicates} duplicates"]
        if self.requests:
            parts += [f"{self.rejected} rejected", f"{self.failed} failed"]
            parts += [f"{self.requests} requests, {self.tokens} tokens, cost {self.cost:.2f}"]
        return ", ".join(parts)


def synthesize(config: SynthesizeConfig, *, api_key: str = "") -> Account:
    """Write the pairs; returns the account. `api_key`: the language model's, where no file holds it. Raises
    BadConfig, BadData or LlmFailed."""
    passages = list(_passages(config))
    if config.corpus and not passages:
        raise BadData(
            f"no passage of {config.least_chars} characters or more in the corpus: lower --least-chars"
        )
    account, seen = Account(), Seen()
    if config.llm_url:
        made = _by_llm(config, passages, account, api_key)
    elif not passages:
        raise BadConfig("nothing to start from: give --corpus, or a language model by --llm-url")
    else:
        made = queries(
            passages, least_chars=config.least_chars, per_passage=config.per_passage, seed=config.seed
        )

    def kept() -> Iterator[Row]:
        for row in made:
            if seen.add(row.query):
                account.by_task[row.task] += 1
                yield row
            else:
                account.duplicates += 1

    account.rows = write_rows(config.output, kept())
    return account


class Journal:
    """Answers by what was asked; one line of JSON each, written before it is used."""

    def __init__(self, path: Path) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # cut short by a kill
                self._known[entry["asked"]] = entry["answer"]
            if not path.read_bytes().endswith(b"\n"):
                with path.open("a", encoding="utf-8") as file:
                    file.write("\n")
        self._file = path.open("a", encoding="utf-8")

    def get(self, asked: str) -> dict[str, Any] | None:
        return self._known.get(asked)

    def put(self, asked: str, answer: dict[str, Any]) -> None:
        self._known[asked] = answer
        self._file.write(json.dumps({"asked": asked, "answer": answer}, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    """The same for the same question, from run to run."""
    system: str
    prompt: str
    schema: dict[str, Any]


def _by_llm(
    config: SynthesizeConfig, passages: Sequence[Passage], account: Account, api_key: str
) -> Iterator[Row]:
    if not config.llm_model:
        raise BadConfig("name the language model: --llm-model")
    if config.api_key_file:
        api_key = config.api_key_file.read_text(encoding="utf-8").strip()
    llm = Llm(config.llm_url, config.llm_model, api_key)
    journal = Journal(config.output.with_name(config.output.name + ".journal"))
    try:
        with ThreadPoolExecutor(config.workers) as pool:

            def ask(questions: Sequence[_Question]) -> dict[str, dict[str, Any]]:
                return _ask(llm, journal, pool, questions, account, config.seed)

            instructions = ask(list(_first_stage(config)))
            drafts = list(_second_stage(config, instructions, passages))
            answers = ask([draft.question for draft in drafts])
            rows = [
                (draft, draft.row(answers[draft.question.name]))
                for draft in drafts
                if draft.question.name in answers
            ]
            marks = ask([_judgement(draft.question.name, row) for draft, row in rows]) if config.judge else {}
        for draft, row in rows:
            mark = marks.get(f"judge {draft.question.name}", {}).get("mark", config.judge)
            if mark >= config.judge:
                yield row
            else:
                account.rejected += 1
    finally:
        journal.close()
        llm.close()
        spent = llm.spent
        account.requests, account.tokens = spent.requests, spent.prompt_tokens + spent.completion_tokens
        account.cost = spent.cost(config.prompt_price, config.completion_price)


def _ask(
    llm: Llm,
    journal: Journal,
    pool: ThreadPoolExecutor,
    questions: Sequence[_Question],
    account: Account,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Question's name -> answer, from the journal or the model. A few failures are counted, many raise."""
    missing = [question for question in questions if journal.get(question.name) is None]
    futures = [
        (q, pool.submit(llm.ask, q.system, q.prompt, q.schema, (seed + key(q.name)) % 2**31)) for q in missing
    ]
    failures = 0
    for question, future in futures:
        try:
            journal.put(question.name, future.result())
        except LlmFailed as error:
            failures += 1
            log.warning("%s: %s", question.name, error)
            if failures > max(3, len(missing) // 10):
                for _, other in futures:
                    other.cancel()
                raise
    account.failed += failures
    known = ((question.name, journal.get(question.name)) for question in questions)
    return {name: answer for name, answer in known if answer is not None}


def _object(**fields: str) -> dict[str, Any]:
    """A JSON schema with these fields, all required."""
    kinds: dict[str, dict[str, Any]] = {
        "string": {"type": "string"},
        "integer": {"type": "integer"},
        "array": {"type": "array", "items": {"type": "string"}},
    }
    properties = {name: kinds[kind] for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": [*fields], "additionalProperties": False}


def _first_stage(config: SynthesizeConfig) -> Iterator[_Question]:
    """A persona thinks up instructions for each type of retrieval."""
    each = max(1, config.count // (len(RETRIEVAL_TASKS) + len(SYMMETRIC_TASKS)) // config.instructions)
    personas = _personas(config)
    for at in range(min(each, len(personas))):
        for task, told in RETRIEVAL_TASKS.items():
            prompt = (
                f"Think of {config.instructions} different text retrieval tasks that you would need in your "
                f"life or work. In each of them, {told}, are matched. Give each as one instruction in "
                "English, such as: Given a query, retrieve documents that answer the query."
            )
            system = f"You are this person: {personas[at]}"
            yield _Question(
                f"{task} instructions {key(system)}", system, prompt, _object(instructions="array")
            )


@dataclass(frozen=True, slots=True)
class _Draft:
    question: _Question
    task: str
    instruction: str
    positive: str
    """The corpus's passage; empty where the model writes it."""

    def row(self, answer: dict[str, Any]) -> Row:
        positive = self.positive or answer["positive"]
        negative = answer.get("hard_negative", "")
        negatives = (negative,) if negative and negative != positive else ()
        return Row(answer["query"], (positive,), negatives, task=self.task, instruction=self.instruction)


def _second_stage(
    config: SynthesizeConfig, stage_one: dict[str, dict[str, Any]], passages: Sequence[Passage]
) -> Iterator[_Draft]:
    rng = np.random.default_rng(config.seed)
    found = [
        (name.partition(" ")[0], str(instruction))
        for name, answer in stage_one.items()
        for instruction in answer["instructions"]
    ]
    found += [
        (task, "") for task in SYMMETRIC_TASKS for _ in range(max(1, len(found) // len(RETRIEVAL_TASKS)))
    ]
    system = "You write training data for a text embedding model. Answer with JSON only."
    for number in range(config.count):
        task, instruction = found[number % len(found)]
        language = config.languages[number % len(config.languages)]
        passage = (
            passages[int(rng.integers(len(passages)))]
            if passages and task in ("short-long", "long-long")
            else None
        )
        told = {**RETRIEVAL_TASKS, **SYMMETRIC_TASKS}[task]
        if passage is not None:
            text = f"{passage.title}\n{passage.text}".strip()
            prompt = (
                f"Task: {instruction}\nPassage:\n{text}\n\nWrite in {language} a query that this passage "
                "answers and that shares few of its words, and a hard negative: a passage on the same "
                "subject, as long, that does not answer the query."
            )
            fields = _object(query="string", hard_negative="string")
        else:
            text = ""
            kind = f"Task: {instruction}\n" if instruction else ""
            prompt = (
                f"{kind}Write one example: {told}. `query` is the first, in {language}, `positive` the "
                "second; `hard_negative` looks like `positive` and is wrong."
            )
            fields = _object(query="string", positive="string", hard_negative="string")
        yield _Draft(
            _Question(f"{task} pair {number} {key(prompt)}", system, prompt, fields), task, instruction, text
        )


def _judgement(name: str, row: Row) -> _Question:
    prompt = (
        f"Instruction: {row.instruction or 'find texts of the same meaning'}\nQuery: {row.query}\n"
        f"Text: {row.positives[0]}\n\nHow well does the text answer the query under this instruction? "
        "1: not at all; 5: fully."
    )
    return _Question(
        f"judge {name}", "You judge training data. Answer with JSON only.", prompt, _object(mark="integer")
    )


def _personas(config: SynthesizeConfig) -> list[str]:
    if config.personas is None:
        return [
            "a curious reader",
            "an expert in the field",
            "a customer in a hurry",
            "a student",
            "a translator",
        ]
    found = []
    for line in config.personas.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            line = str(json.loads(line).get("persona") or "")
        if line.strip():
            found.append(line.strip())
    if not found:
        raise BadData(f'{config.personas} holds no persona: one a line, or JSON with "persona"')
    order = np.random.default_rng(config.seed).permutation(len(found))
    return [found[at] for at in order]


def _passages(config: SynthesizeConfig) -> Iterator[Passage]:
    for path in config.corpus:
        for file in [path / "corpus.jsonl"] if (path / "corpus.jsonl").is_file() else files(path):
            for line, fields in lines_of(file):
                text = fields.get("text")
                if not isinstance(text, str):
                    raise BadData(f'{file}:{line}: no "text"; the row has {", ".join(fields)}')
                if len(text) >= config.least_chars:
                    yield Passage(str(fields.get("title") or fields.get("heading") or ""), text)
