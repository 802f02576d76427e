"""json and jsonl -> elements: a record at a time, each value under its name, as a person would note it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.decode import read_lines
from ingest.parse.plain import read_code
from ingest.records import Element

_TITLES = ("title", "headline", "subject", "name")
"""Keys whose value names the record, the best first."""
_TITLE_CHARS = 200
_KEY_CHARS = 200
"""A longer key is shown no further: it stands before each value under it."""


def read_json(text: str, name: str) -> Iterator[Element]:
    """The records of a list, or of the lists in an object. What is no JSON, but says so, is shown as it is:
    with comments it is source code, one value a line is jsonl."""
    try:
        value = json.loads(text)
    except ValueError:
        lines = [line for line in text.split("\n") if line.strip()]
        if isinstance(_value(lines[0]), dict | list):
            yield from (element for line in lines for element in _line(line))
        else:
            yield from read_code(text, name)
        return
    yield from _top(value)


def read_jsonl(path: Path, name: str) -> Iterator[Element]:
    """A line, a record; a file of any size. A line that is no JSON is shown as it is."""
    for line in read_lines(path, name):
        if line.strip():
            yield from _line(line)


def _line(line: str) -> Iterator[Element]:
    value = _value(line)
    return iter([Element("code", line)]) if value is None else _record(value)


def _value(line: str) -> Any:
    """None for what is no JSON, says nothing, or is nested deeper than a thousand."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _top(value: Any) -> Iterator[Element]:
    """A list is its records; an object is what it says itself, then each list of records under its key."""
    if isinstance(value, list):
        for record in value:
            yield from _record(record)
        return
    if not isinstance(value, dict):
        yield from _record(value)
        return
    lists = {key: inner for key, inner in value.items() if _is_records(inner)}
    yield from _record({key: inner for key, inner in value.items() if key not in lists}, depth=0)
    for key, records in lists.items():
        yield Element("title", key, depth=1)
        for record in records:
            yield from _record(record, depth=2)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(record, dict) for record in value)


def _record(record: Any, depth: int = 1) -> Iterator[Element]:
    """Its title if it has one, and one text of a line for each value.

    `{"name": "Ada", "at": {"town": "Köln"}, "likes": ["tea", "maths"]}` is a title, `Ada`, and
    `at.town: Köln`, `likes: tea, maths`.
    """
    title = None
    if isinstance(record, dict):
        title = next((key for key in _TITLES if _is_title(record.get(key))), None)
        if title is not None:
            yield Element("title", record[title], depth=depth)
            record = {key: value for key, value in record.items() if key != title}
    lines = list(_lines(record))
    if lines:
        yield Element("text", "\n".join(lines))


def _is_title(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _TITLE_CHARS and "\n" not in value


def _lines(value: Any) -> Iterator[str]:
    """`path: value` for everything in a record that says something, without recursion."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            inner = [(f"{path}.{key[:_KEY_CHARS]}".lstrip("."), each) for key, each in value.items()]
            waiting.extend(reversed(inner))
        elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
            waiting.extend((path, each) for each in reversed(value))
        else:
            shown = ", ".join(map(_show, value)) if isinstance(value, list) else _show(value)
            if shown.strip():
                yield f"{path}: {shown}" if path else shown


def _show(value: Any) -> str:
    """As JSON writes it, a text without its quotation marks; nothing for null."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
