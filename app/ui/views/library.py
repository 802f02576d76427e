"""Library: what a collection holds, what failed and why; open, ingest again, delete."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256

import streamlit as st

from app.schemas import Collection, Document, DocumentFilter, Documents, DocumentSort
from app.ui.amounts import count, moment, size
from app.ui.contract import figures
from app.ui.render import rows_html
from app.ui.session import (
    attempt,
    choose_collection,
    client,
    escape_markdown,
    kept,
    nothing_yet,
    texts,
    zone,
)

PER_PAGE = 100
STATES: tuple[DocumentFilter, ...] = ("ready", "failed", "stale")
SORTS: tuple[DocumentSort, ...] = ("name", "updated", "size", "chunks")
NAMED = 10
"""Of the documents to be deleted that are named."""

t = texts()


@st.dialog(t("delete"))
def confirm(collection: Collection, documents: Sequence[Document]) -> None:
    st.write(t("delete_many_confirm"))
    for document in documents[:NAMED]:
        st.markdown(f"- {escape_markdown(document.name)}")
    if len(documents) > NAMED:
        st.caption(t("and_more", count=count(len(documents) - NAMED)))
    if st.button(t("delete_many", count=len(documents)), type="primary", icon=":material/delete:"):
        attempt(lambda: client().delete_documents(collection.name, [one.id for one in documents]))
        st.rerun()


def find(collection: Collection, languages: dict[str, int]) -> Documents:
    """One page of the documents that the filters ask for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            t("find_document"), key="name", bind="query-params", icon=":material/search:", width=190
        )
        state = st.pills(
            t("state"), STATES, format_func=lambda one: t(f"state_{one}"), key="state", bind="query-params"
        )
        language = st.selectbox(
            t("language"),
            ["", *sorted(languages, key=lambda code: -languages[code])],
            format_func=lambda code: f"{code} ({languages[code]})" if code else t("any_language"),
            key="language",
            width=120,
        )
        sort = st.selectbox(t("sort"), SORTS, format_func=t, key="sort", width=140)
        descending = st.toggle(t("descending"), key="descending")
    wanted = (collection.name, text, state, language, sort, descending)
    if st.session_state.get("library_of") != wanted:  # other filters begin at their first page
        st.session_state["library_of"] = wanted
        st.session_state["library_page"] = 1
    ask = partial(
        client().documents,
        collection.name,
        text=text,
        state=state,
        language=language or None,
        sort=sort,
        descending=descending,
        limit=PER_PAGE,
    )
    first = (st.session_state["library_page"] - 1) * PER_PAGE
    found = attempt(lambda: ask(offset=first))
    if first and not found.documents:  # deleted meanwhile
        st.session_state["library_page"] = 1
        found = attempt(ask)
    return found


def table(documents: Sequence[Document]) -> list[Document]:
    """The documents as rows; returns those selected."""
    rows = [
        {
            t("name"): document.name,
            t("state"): t("state_stale" if document.stale else f"state_{document.state}"),
            t("problem"): document.error or "",
            t("title"): document.title or "",
            t("language"): document.language or "",
            t("chunks"): document.chunks,
            t("size"): document.size_bytes,
            t("updated"): document.updated,
        }
        for document in documents
    ]
    # rows are selected by number: other documents make another table, with nothing selected in it
    key = sha256("".join(one.id for one in documents).encode()).hexdigest()
    event = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"rows-{key[:12]}",
        column_order=[name for name in rows[0] if any(row[name] for row in rows)],
        column_config={
            t("size"): st.column_config.NumberColumn(format="bytes"),
            t("updated"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone=zone()),
        },
    )
    return [documents[row] for row in event.selection.rows if row < len(documents)]


def actions(collection: Collection, selected: Sequence[Document]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(selected) == 1:
            st.page_link(
                "views/document.py",
                label=t("open"),
                icon=":material/menu_book:",
                query_params=kept(document=selected[0].id),
            )
        if st.button(t("rerun", count=len(selected)), icon=":material/replay:"):
            job = attempt(lambda: client().rerun(collection.name, [one.id for one in selected]))
            st.switch_page("views/jobs.py", query_params=kept(job=job.id))
        if st.button(t("delete_many", count=len(selected)), icon=":material/delete:"):
            confirm(collection, selected)
    if len(selected) == 1:
        facts(selected[0])


def facts(document: Document) -> None:
    """Where a document is from, what it is served from, and what is wrong with it."""
    if document.error:
        st.error(escape_markdown(document.error), icon=":material/error:")
    rows = [
        (t("title"), document.title or ""),
        (t("source"), document.uri),
        (t("size"), size(document.size_bytes)),
        (t("updated"), moment(document.updated, zone())),
        (t("same_as"), ", ".join(document.same_as)),
        (t("version"), document.version or ""),
        (t("recipe"), document.recipe or ""),
    ]
    st.html(rows_html([row for row in rows if row[1]]))


st.title(t("library_title"))
collection = choose_collection(t)
figures(collection, t)
if not collection.documents:
    nothing_yet(t("no_documents"), t)
found = find(collection, attempt(lambda: client().documents(collection.name, limit=1)).languages)
if not found.documents:
    st.info(t("none_fit"), icon=":material/search_off:")
    st.stop()
st.caption(f"{t('found_documents', count=count(found.total))} · {t('select_documents')}")
selected = table(found.documents)
if found.total > PER_PAGE:
    st.pagination(-(-found.total // PER_PAGE), key="library_page")
if selected:
    actions(collection, selected)
