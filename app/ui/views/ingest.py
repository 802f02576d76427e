"""Ingest: files of this computer, or what is at a place; what would happen is shown before it does."""

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from app.schemas import CollectionName, NewJob
from app.ui import plan
from app.ui.files import forecast, preview
from app.ui.jobs import summary
from app.ui.saying import say
from app.ui.session import attempt, client, escape_markdown, kept, texts
from app.ui.sources import globs

FIRST_COLLECTION = "library"
REFRESH_S = 1.5
JOBS = 20
"""That are looked through for those that run."""

t = texts()


def choose() -> str:
    """The collection to ingest into; a new one is made when it is needed."""
    names = [collection.name for collection in attempt(client().collections)]
    name = st.selectbox(
        t("collection"),
        names or [FIRST_COLLECTION],
        key="collection",
        bind="query-params",
        accept_new_options=True,
    )
    try:
        return TypeAdapter(CollectionName).validate_python(name)
    except ValidationError:
        st.error(escape_markdown(t("new_collection_bad", name=name)), icon=":material/error:")
        st.stop()


def upload(collection: str) -> None:
    generation = st.session_state.setdefault("uploads", 0)
    files = st.file_uploader(
        t("upload"),
        accept_multiple_files=True,
        help=t("upload_help"),
        key=f"files-{generation}",
        label_visibility="collapsed",
    )
    st.caption(t("formats", formats=", ".join(attempt(client().formats))))
    if not files:
        return
    said = say("upload", t)
    outcomes = forecast(files, collection, t)
    good = [file for file, one in zip(files, outcomes, strict=True) if one.outcome != "failed"]
    if len(good) < len(files):
        st.caption(t("refused_stay", count=len(files) - len(good)))
    send = st.button(
        t("upload_button", count=len(good)),
        type="primary",
        icon=":material/upload_file:",
        disabled=not good,
    )
    if send:
        for file in good:
            file.seek(0)
        attempt(lambda: client().create_collection(collection))
        attempt(lambda: client().upload(collection, [(file.name, file) for file in good], said))
        st.session_state["uploads"] += 1  # a new key empties the drop zone
        st.rerun()
    if good:
        preview(good, collection, t)


def place(collection: str) -> None:
    where = st.text_input(t("place"), help=t("place_help"), placeholder="/srv/documents", key="place")
    left, right = st.columns(2)
    include = left.text_input(t("include"), help=t("globs_help"), placeholder="*.pdf", key="include")
    exclude = right.text_input(t("exclude"), help=t("globs_help"), placeholder="drafts/", key="exclude")
    sync = st.toggle(t("sync"), key="sync")
    said = say("place", t)
    job = NewJob(
        place=where.strip(),
        collection=collection,
        include=globs(include),
        exclude=globs(exclude),
        sync=sync,
        labels=said.labels,
        access=said.access,
    )
    with st.container(horizontal=True):
        look = st.button(t("plan_button"), icon=":material/visibility:", disabled=not job.place)
        begin = st.button(
            t("place_button"), type="primary", icon=":material/folder_open:", disabled=not job.place
        )
    if look:
        attempt(lambda: client().create_collection(collection))
        with st.spinner(t("looking")):
            st.session_state["plan"] = (job, attempt(lambda: client().plan(job)))
    force = False
    planned = st.session_state.get("plan")
    if planned and planned[0] == job:
        plan.show(planned[1], t, sync=sync)
        force = sync and planned[1].refusal is not None and st.toggle(t("force"), key="force")
    if begin:
        attempt(lambda: client().create_collection(collection))
        attempt(lambda: client().ingest(job.model_copy(update={"force": force})))
        st.session_state.pop("plan", None)
        st.rerun()


@st.fragment(run_every=REFRESH_S)
def watch() -> None:
    """The newest job, and all that are not finished."""
    jobs = attempt(lambda: client().jobs(JOBS))
    if not jobs:
        st.caption(t("no_jobs"))
        return
    for job in jobs:
        if job.finished is None or job == jobs[0]:
            with st.container(border=True):
                summary(job, t)
    st.page_link("views/jobs.py", label=t("all_jobs"), icon=":material/arrow_forward:", query_params=kept())


st.title(t("ingest_title"))
collection = choose()
files, elsewhere = st.tabs([t("upload"), t("place")])
with files:
    upload(collection)
with elsewhere:
    place(collection)
st.subheader(t("jobs"))
watch()
