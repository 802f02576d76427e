"""The sources of a collection, drawn: where each is, when it is synced, what came of it, and what to do."""

from collections.abc import Sequence
from functools import partial

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from app.client import ServiceError
from app.schemas import NamedSource, NewJob, NewSource, SourceName
from app.ui import plan
from app.ui.amounts import count, interval, moment
from app.ui.jobs import COLORS
from app.ui.session import attempt, client, escape_markdown, kept, zone
from app.ui.text import Texts

EVERY_S = (None, 15 * 60, 3600, 6 * 3600, 86_400, 7 * 86_400)
"""Offered; the command line takes any."""
REFRESH_S = 2
FORBIDDEN = 403


def known() -> list[NamedSource] | None:
    """All sources; None for a reader whose key may not see them."""
    try:
        return client().sources()
    except ServiceError as error:
        if error.status == FORBIDDEN:
            return None
        return attempt(client().sources)


def show(collection: str, sources: Sequence[NamedSource], t: Texts) -> None:
    """Each source of one collection with its buttons, and one to add another."""
    if sources:
        st.markdown(f"**{t('synced_with')}**")
    for source in sources:
        with st.container(border=True):
            st.fragment(partial(_state, source, t), run_every=REFRESH_S if _is_coming(source) else None)()
            _buttons(source, t)
            _planned(source, t)
    if st.button(t("add_source"), icon=":material/add_link:", key=f"add-source-{collection}"):
        st.dialog(t("add_source"))(_edit)(collection, None, t)


def _chosen(source: NamedSource) -> tuple[tuple[str, list[str]], ...]:
    return ("include", source.include), ("exclude", source.exclude)


def _apart(text: str) -> str:
    """In its own direction, also amid Arabic."""
    return f"\u2068{text}\u2069"


def globs(typed: str) -> list[str]:
    """Patterns with commas between."""
    return [glob.strip() for glob in typed.split(",") if glob.strip()]


def _is_coming(source: NamedSource) -> bool:
    return source.watch or source.due is not None or bool(source.job and source.job.finished is None)


def _state(source: NamedSource, t: Texts) -> None:
    """As it is now, not as it was when the page was drawn."""
    now = next((one for one in known() or [] if one.name == source.name), source)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if now.job:
            st.badge(t(f"job_{now.job.state}"), color=COLORS[now.job.state])
        else:
            st.badge(t("never_synced"), color="gray")
        st.markdown(f"**{escape_markdown(now.name)}** · {escape_markdown(now.place)}", width="content")
    when = [t("every", time=_apart(interval(now.every_s)))] if now.every_s else []
    when += [t("watched")] if now.watch else []
    parts = [", ".join(when) or t("by_hand")]
    parts += [f"{t(what)}: {_apart(', '.join(globs))}" for what, globs in _chosen(now) if globs]
    st.caption(escape_markdown(" · ".join(parts)))
    if now.job:
        done = [
            f"{t(f'outcome_{outcome}')}: {count(number)}"
            for outcome, number in sorted(now.job.outcomes.items())
        ]
        parts = [t("last_sync", time=moment(now.job.finished or now.job.created, zone())), *done]
        parts += [t("next_sync", time=moment(now.due, zone()))] if now.due else []
        st.caption(escape_markdown(" · ".join(parts)))
    if now.problem:
        st.error(escape_markdown(now.problem), icon=":material/error:")


def _buttons(source: NamedSource, t: Texts) -> None:
    name = source.name
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(t("sync_now"), icon=":material/sync:", key=f"run-{name}"):
            attempt(lambda: client().run_source(name))
            st.session_state.pop(f"plan-{name}", None)
            st.rerun()
        if st.button(t("plan_button"), icon=":material/visibility:", key=f"look-{name}"):
            job = NewJob(
                place=source.place,
                collection=source.collection,
                include=source.include,
                exclude=source.exclude,
                sync=True,
            )
            with st.spinner(t("looking")):
                st.session_state[f"plan-{name}"] = attempt(lambda: client().plan(job))
        if st.button(t("edit"), icon=":material/edit:", key=f"edit-{name}"):
            st.dialog(t("edit_source"))(_edit)(source.collection, source, t)
        if st.button(t("forget"), icon=":material/link_off:", key=f"forget-{name}"):
            st.dialog(t("forget"))(_forget)(source, t)
        if source.job:
            st.page_link(
                "views/jobs.py",
                label=t("details"),
                icon=":material/list_alt:",
                query_params=kept(job=source.job.id),
            )


def _planned(source: NamedSource, t: Texts) -> None:
    """What the dry run found; a sync that would be refused can be made from here all the same."""
    planned = st.session_state.get(f"plan-{source.name}")
    if planned is None:
        return
    plan.show(planned, t, sync=True, key=f"plan-state-{source.name}")
    if planned.refusal and st.button(
        t("sync_force"), type="primary", icon=":material/delete_sweep:", key=f"force-{source.name}"
    ):
        attempt(lambda: client().run_source(source.name, force=True))
        st.session_state.pop(f"plan-{source.name}")
        st.rerun()


def _edit(collection: str, source: NamedSource | None, t: Texts) -> None:
    """The form of a source: a new one, or one that is there."""
    name = st.text_input(
        t("name"), source.name if source else "", max_chars=63, disabled=source is not None
    ).strip()
    place = st.text_input(
        t("place"), source.place if source else "", help=t("place_help"), placeholder="/srv/documents"
    ).strip()
    left, right = st.columns(2)
    include = left.text_input(
        t("include"), ", ".join(source.include) if source else "", help=t("globs_help"), placeholder="*.pdf"
    )
    exclude = right.text_input(
        t("exclude"), ", ".join(source.exclude) if source else "", help=t("globs_help"), placeholder="drafts/"
    )
    now = source.every_s if source else None
    choices = [*EVERY_S, *([now] if now not in EVERY_S else [])]
    every_s = st.selectbox(
        t("by_the_clock"),
        choices,
        choices.index(now),
        format_func=lambda one: t("by_hand") if one is None else t("every", time=interval(one)),
    )
    watch = st.toggle(t("watch"), source.watch if source else False, help=t("watch_help"))
    if not st.button(t("save"), type="primary", disabled=not (name and place)):
        return
    try:
        TypeAdapter(SourceName).validate_python(name)
    except ValidationError:
        st.error(escape_markdown(t("new_collection_bad", name=name)), icon=":material/error:")
        return
    made = NewSource(
        place=place,
        collection=collection,
        include=globs(include),
        exclude=globs(exclude),
        every_s=every_s,
        watch=watch,
    )
    attempt(lambda: client().put_source(name, made))
    st.session_state.pop(f"plan-{name}", None)
    st.rerun()


def _forget(source: NamedSource, t: Texts) -> None:
    st.markdown(escape_markdown(t("forget_confirm", name=source.name)))
    if st.button(t("forget"), type="primary", icon=":material/link_off:", key="forget-it"):
        attempt(lambda: client().delete_source(source.name))
        st.rerun()
