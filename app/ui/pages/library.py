"""Library: what a collection holds, what failed and why; open, download, delete."""

import streamlit as st

from app.schemas import Collection, Document, DocumentFilter
from app.ui.session import attempt, choose_collection, client, escape_markdown, kept, nothing_yet, texts

ROWS = 200
STATES: tuple[DocumentFilter, ...] = ("ready", "failed", "stale")

t = texts()


@st.dialog(t("delete"))
def confirm_document(document: Document) -> None:
    st.write(escape_markdown(t("delete_confirm", name=document.name)))
    if st.button(t("delete"), type="primary", icon=":material/delete:"):
        attempt(lambda: client().delete_document(document.id))
        st.rerun()


@st.dialog(t("delete_collection"))
def confirm_collection(collection: Collection) -> None:
    line = t("delete_collection_confirm", name=collection.name, documents=collection.documents)
    typed = st.text_input(escape_markdown(line))
    if st.button(t("delete"), type="primary", disabled=typed != collection.name, icon=":material/delete:"):
        attempt(lambda: client().delete_collection(collection.name))
        st.rerun()


@st.dialog(t("new_collection"))
def create_collection() -> None:
    name = st.text_input(t("name"), help=t("new_collection_help"), max_chars=63)
    if st.button(t("create"), type="primary", disabled=not name):
        attempt(lambda: client().create_collection(name))
        st.rerun()


def table(documents: list[Document]) -> Document | None:
    """The documents as rows; returns the selected one."""
    rows = [
        {
            t("name"): document.name,
            t("state"): t(f"state_{document.state}"),
            t("title"): document.title or "",
            t("language"): document.language or "",
            t("chunks"): document.chunks,
            t("problem"): document.error or "",
        }
        for document in documents
    ]
    event = st.dataframe(rows, hide_index=True, on_select="rerun", selection_mode="single-row", key="rows")
    selected = event.selection.rows
    return documents[selected[0]] if selected and selected[0] < len(documents) else None


def actions(document: Document) -> None:
    if document.error:
        st.error(escape_markdown(document.error), icon=":material/error:")
    with st.container(horizontal=True):
        st.page_link(
            "pages/document.py",
            label=t("open"),
            icon=":material/menu_book:",
            query_params=kept(document=document.id),
        )
        if st.button(t("delete"), icon=":material/delete:"):
            confirm_document(document)


st.title(t("library_title"))
collection = choose_collection(t)
with st.container(horizontal=True):
    st.metric(t("documents_count"), collection.documents)
    st.metric(t("failed_count"), collection.failed)
    st.metric(t("chunks"), collection.chunks)
if collection.problem:
    st.warning(escape_markdown(collection.problem), icon=":material/block:")
if not collection.documents:
    nothing_yet(t("no_documents"), t)
with st.container(horizontal=True, vertical_alignment="bottom"):
    text = st.text_input(t("find_document"), key="name", bind="query-params")
    state = st.segmented_control(t("state"), STATES, format_func=lambda one: t(f"state_{one}"), key="state")
found = attempt(lambda: client().documents(collection.name, text=text, state=state, limit=ROWS))
st.caption(t("select_document"))
if selected := table(found.documents):
    actions(selected)
st.divider()
with st.container(horizontal=True):
    if st.button(t("new_collection"), icon=":material/create_new_folder:"):
        create_collection()
    if st.button(t("delete_collection"), icon=":material/delete_forever:"):
        confirm_collection(collection)
