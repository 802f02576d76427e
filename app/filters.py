"""What a request asks to be found -> what the index and the ledger compare; unknown fields are named."""

from pathlib import Path, PurePath

from app.schemas import Filters, Labelled, Period
from ingest.index.contract import Between, Where
from ingest.pipeline import Shelf
from ingest.places import store_uri
from ingest.records import Given

PASSAGE_FIELDS: dict[str, type[str] | type[int]] = {
    "title": str,
    "heading": str,
    "page": int,
    "position": int,
}
"""What `fields` may name beside labels."""
_ELSEWHERE = {
    "document": "documents",
    "language": "languages",
    "source": "sources",
    "modified": "modified",
    "ingested": "ingested",
}
"""Fields with a parameter of their own."""


class UnknownField(ValueError):
    """A filter names what no passage and no document has, or can't have."""


def where_of(filters: Filters, shelf: Shelf) -> Where:
    """The filters of a request, and what the shelf's caller may see. Raises UnknownField."""
    labels: list[tuple[str, ...]] = []
    fields: list[tuple[str, tuple[str | int, ...]]] = []
    for name, values in filters.fields.items():
        if name in PASSAGE_FIELDS:
            fields.append((name, tuple(_as(PASSAGE_FIELDS[name], name, value) for value in values)))
        elif shelf.ledger.has_label(shelf.name, name, shelf.sees):
            labels.append(tuple(f"{name}={value}" for value in values))
        else:
            raise UnknownField(_unknown(name, shelf))
    return Where(
        languages=tuple(filters.languages),
        documents=tuple(filters.documents),
        groups=shelf.sees if shelf.ledger.is_restricted(shelf.name) else None,
        sources=tuple(map(source_uri, filters.sources)),
        labels=tuple(labels),
        modified=_between(filters.modified),
        ingested=_between(filters.ingested),
        fields=tuple(fields),
    )


def applied(where: Where) -> dict[str, list[str]]:
    """The filters in words, for those who ask what was searched."""
    said = {
        "languages": where.languages,
        "documents": where.documents,
        "sources": where.sources,
        "labels": [" or ".join(wanted) for wanted in where.labels],
        "modified": _words(where.modified),
        "ingested": _words(where.ingested),
        **{name: [str(value) for value in values] for name, values in where.fields},
    }
    if where.groups is not None:
        said["seen by"] = ["everybody", *sorted(where.groups)]
    return {name: list(values) for name, values in said.items() if values}


def given_of(labelled: Labelled) -> Given:
    """What a request says of documents."""
    labels, access = labelled.labels, labelled.access
    return Given(
        None if labels is None else {key: tuple(dict.fromkeys(labels[key])) for key in sorted(labels)},
        None if access is None else tuple(sorted(set(access))),
        labelled.modified,
    )


def source_uri(place: str) -> str:
    """A place as the URIs of its documents begin: a path, a URL, a store's folder, or an upload.

    >>> source_uri("/srv/papers/"), source_uri("s3://bucket/a folder")
    ('file:///srv/papers', 's3://bucket/a%20folder')
    """
    if PurePath(place).is_absolute():
        return Path(place).as_uri()
    scheme, separator, rest = place.partition("://")
    if not separator or scheme in {"file", "http", "https"} or "%" in rest:
        return place.rstrip("/")
    return store_uri(scheme, rest)


def _as(kind: type[str] | type[int], name: str, value: str) -> str | int:
    try:
        return kind(value)
    except ValueError:
        raise UnknownField(f"{name}: {value!r} is no number") from None


def _unknown(name: str, shelf: Shelf) -> str:
    if name in _ELSEWHERE:
        return f"{name!r} is not among `fields`: say `{_ELSEWHERE[name]}` beside them"
    labels = ", ".join(shelf.ledger.labels(shelf.name, shelf.sees)) or "none"
    return (
        f"no field {name!r}; there is {', '.join(PASSAGE_FIELDS)}, and of labels in {shelf.name!r}: {labels}"
    )


def _between(period: Period | None) -> Between | None:
    return Between(period.since, period.until) if period and (period.since or period.until) else None


def _words(between: Between | None) -> list[str]:
    if between is None:
        return []
    bounds = {"since": between.since, "until": between.until}
    return [f"{word} {when.isoformat()}" for word, when in bounds.items() if when]
