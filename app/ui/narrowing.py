"""The search page's filters and settings: every one of them stands in the URL."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.schemas import Collection, Ranking
from app.ui.session import attempt, client, escape_markdown, from_url, to_url
from app.ui.text import Texts

EXACT = "exact"
RANKINGS: tuple[Ranking, ...] = ("hybrid", "dense", "lexical")
MOST_LABELS = 6
"""That are offered; others can be asked for over the API."""
_FILTERS = ("languages", "documents", "source", "since", "until")


def narrow(collection: Collection, t: Texts, *, by_query: bool) -> dict[str, Any]:
    """What the widgets ask for, as a request has it. `by_query` is false where a passage is asked for."""
    labels = attempt(lambda: client().labels(collection.name))
    offered = list(labels)[:MOST_LABELS]
    used = sum(bool(st.query_params.get(name)) for name in (*_FILTERS, *map(_key, offered)))
    title = t("filters_set", count=used) if used else t("filters")
    with st.expander(title, icon=":material/tune:", key="filters"):
        asked = _filters(collection, t)
        chosen = {name: _choose(_key(name), name, labels[name]) for name in offered}
        asked["fields"] = {name: values for name, values in chosen.items() if values}
        asked |= _effort(collection, t, by_query=by_query)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        group = st.toggle(t("each_document"), value=True, key="each", bind="query-params")
        explain = st.toggle(t("explain"), key="explain", bind="query-params")
    return {**asked, "group": "document" if group else None, "explain": explain}


def _filters(collection: Collection, t: Texts) -> dict[str, Any]:
    by_count = sorted(collection.languages, key=lambda code: -collection.languages[code])
    from_url("languages", by_count)
    languages = st.pills(
        t("filter_languages"),
        by_count,
        selection_mode="multi",
        format_func=lambda code: f"{code} ({collection.languages[code]})",
        key="languages",
    )
    to_url("languages", languages)
    documents = {
        document.id: document.name
        for document in attempt(lambda: client().documents(collection.name, limit=1000)).documents
    }
    from_url("documents", list(documents))
    chosen = st.multiselect(
        t("filter_documents"), list(documents), format_func=documents.__getitem__, key="documents"
    )
    to_url("documents", chosen)
    source = st.text_input(
        t("filter_source"),
        help=escape_markdown(t("filter_source_help")),
        placeholder="/srv/papers",
        key="source",
        bind="query-params",
    )
    left, right = st.columns(2)
    since = left.date_input(t("filter_since"), value=None, key="since", bind="query-params")
    until = right.date_input(t("filter_until"), value=None, key="until", bind="query-params")
    dated = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    return {
        "languages": list(languages),
        "documents": chosen,
        "sources": [place.strip() for place in (source or "").split(",") if place.strip()],
        "modified": dated if since or until else None,
    }


def _choose(key: str, name: str, values: dict[str, int]) -> list[str]:
    """Values of a label, each with the number of its documents."""
    from_url(key, list(values))
    chosen = st.multiselect(
        escape_markdown(name),
        list(values),
        format_func=lambda value: f"{value} ({values[value]})",
        key=key,
    )
    to_url(key, chosen)
    return chosen


def _key(label: str) -> str:
    return f"label.{label}"


def _effort(collection: Collection, t: Texts, *, by_query: bool) -> dict[str, Any]:
    """Ranking, width and variety."""
    asked: dict[str, Any] = {}
    if by_query:
        asked["ranking"] = _one_of(
            "ranking",
            t("ranking"),
            RANKINGS,
            {one: t(f"ranking_{one}") for one in RANKINGS},
            t("ranking_help"),
        )
    widths = {str(dim): t("full", dim=dim) for dim in collection.dims}
    named = {**widths, EXACT: t("exact")}
    effort = _one_of("dims", t("dims"), list(named), named, t("dims_help"))
    asked["diversity"] = st.slider(
        t("diversity"), 0.0, 1.0, 0.0, 0.1, help=t("diversity_help"), key="variety", bind="query-params"
    )
    return {**asked, "dim": None if effort == EXACT else int(effort), "exact": effort == EXACT}


def _one_of(key: str, label: str, options: Sequence[str], named: dict[str, str], told: str) -> str:
    """One choice; the first is how the page begins."""
    from_url(key, options, single=True)
    st.session_state.setdefault(key, options[0])
    chosen = st.segmented_control(
        label, options, required=True, format_func=named.__getitem__, help=told, key=key
    )
    one = chosen or options[0]
    to_url(key, [] if one == options[0] else [one])
    return one
