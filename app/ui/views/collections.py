"""Collections: make one, see what it promises, keep it in sync, check and repair it, delete it."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from app.schemas import ChunkingChoice, Collection, CollectionName
from app.ui import contract, sources
from app.ui.session import attempt, client, escape_markdown, kept, texts

MOST_AT_ONCE = 1000
"""Documents that one job takes up again."""
MODES: tuple[Literal["windows", "late"], ...] = ("windows", "late")

t = texts()


@st.dialog(t("delete_collection"))
def confirm(collection: Collection) -> None:
    line = t("delete_collection_confirm", name=collection.name, documents=collection.documents)
    typed = st.text_input(escape_markdown(line))
    if st.button(t("delete"), type="primary", disabled=typed != collection.name, icon=":material/delete:"):
        attempt(lambda: client().delete_collection(collection.name))
        st.session_state.pop(f"check-{collection.name}", None)
        st.rerun()


@st.dialog(t("new_collection"))
def create() -> None:
    full, *prefixes = attempt(client().status).encoder.dims
    name = st.text_input(t("name"), help=t("new_collection_help"), max_chars=63).strip()
    mode = st.segmented_control(
        t("mode"),
        MODES,
        format_func=lambda one: t(f"chunking_{one}"),
        help=t("mode_help"),
    )
    best = t("mode_best")
    chunk_tokens = st.number_input(t("chunk_tokens"), min_value=16, value=None, step=64, placeholder=best)
    window_tokens = st.number_input(t("window_tokens"), min_value=16, value=None, step=64, placeholder=best)
    dims = st.multiselect(t("stored_dims", dim=full), prefixes, placeholder=best)
    st.caption(t("stays"))
    if not st.button(t("create"), type="primary", disabled=not name):
        return
    try:
        TypeAdapter(CollectionName).validate_python(name)
    except ValidationError:
        st.error(escape_markdown(t("new_collection_bad", name=name)), icon=":material/error:")
        return
    chunking = ChunkingChoice(mode=mode, chunk_tokens=chunk_tokens, window_tokens=window_tokens)
    attempt(lambda: client().create_collection(name, chunking, dims or None))
    st.rerun()


def again(collection: Collection, documents: Sequence[str]) -> None:
    """Ingest documents (ids) once more, and go to where that shows."""
    for first in range(0, len(documents), MOST_AT_ONCE):
        attempt(partial(client().rerun, collection.name, documents[first : first + MOST_AT_ONCE]))
    st.switch_page("views/jobs.py", query_params=kept())


def stale(collection: Collection) -> list[str]:
    """Ids of the documents that an older recipe made."""
    found: list[str] = []
    ask = partial(client().documents, collection.name, state="stale", limit=MOST_AT_ONCE)
    while len(found) < collection.stale:
        part = attempt(partial(ask, offset=len(found)))
        if not part.documents:
            break
        found += [document.id for document in part.documents]
    return found


def actions(collection: Collection) -> None:
    name = collection.name
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "views/library.py",
            label=t("open_library"),
            icon=":material/library_books:",
            query_params={**kept(), "collection": name},
        )
        if collection.stale and st.button(
            t("rerun_stale", count=collection.stale), icon=":material/replay:", key=f"stale-{name}"
        ):
            again(collection, stale(collection))
        if collection.usable and st.button(
            t("check"), icon=":material/fact_check:", help=t("check_help"), key=f"check-of-{name}"
        ):
            with st.spinner(t("looking")):
                st.session_state[f"check-{name}"] = attempt(lambda: client().check_collection(name))
        if st.button(t("delete"), icon=":material/delete_forever:", key=f"delete-{name}"):
            confirm(collection)


def check(collection: Collection) -> None:
    """What the last check found, and what can be done about it."""
    name = collection.name
    found = st.session_state.get(f"check-{name}")
    if found is None:
        return
    contract.compared(found, t)
    wrong = not found.consistent and not found.repaired
    if wrong and st.button(t("repair"), type="primary", icon=":material/build:", key=f"repair-{name}"):
        with st.spinner(t("looking")):
            mended = attempt(lambda: client().check_collection(name, repair=True))
        st.session_state[f"check-{name}"] = mended
        st.rerun()
    lost = [document for one in found.missing for document in one.documents]
    if (
        found.repaired
        and lost
        and st.button(
            t("rerun", count=len(lost)), type="primary", icon=":material/replay:", key=f"lost-{name}"
        )
    ):
        st.session_state.pop(f"check-{name}")
        again(collection, lost)


st.title(t("collections_title"))
if st.button(t("new_collection"), icon=":material/create_new_folder:"):
    create()
collections = attempt(client().collections)
if not collections:
    st.info(t("no_collections"), icon=":material/inbox:")
    st.page_link("views/ingest.py", label=t("go_ingest"), icon=":material/upload_file:", query_params=kept())
named = sources.known()
for one in collections:
    with st.container(border=True):
        st.subheader(one.name, anchor=False)
        contract.figures(one, t)
        actions(one)
        check(one)
        if named is not None:
            sources.show(one.name, [source for source in named if source.collection == one.name], t)
        contract.promises(one, t)
