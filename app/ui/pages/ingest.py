"""Ingest: upload files or name a server folder, and watch the jobs."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import streamlit as st

from app.schemas import Job, JobAction, NewJob
from app.ui.session import attempt, client, escape_markdown, texts

FIRST_COLLECTION = "library"
REFRESH_S = 1.5
JOBS = 5

t = texts()


def choose() -> str:
    """The collection to ingest into; the first one is made when it is needed."""
    names = [collection.name for collection in attempt(client().collections)]
    name = st.selectbox(
        t("collection"),
        names or [FIRST_COLLECTION],
        key="collection",
        bind="query-params",
        accept_new_options=True,
    )
    return str(name)


def upload(collection: str) -> None:
    generation = st.session_state.setdefault("uploads", 0)
    files = st.file_uploader(
        t("upload"), accept_multiple_files=True, help=t("upload_help"), key=f"files-{generation}"
    )
    if files and st.button(
        t("upload_button", count=len(files)), type="primary", icon=":material/upload_file:"
    ):
        attempt(lambda: client().create_collection(collection))
        attempt(lambda: client().upload(collection, [(file.name, file) for file in files]))
        st.session_state["uploads"] += 1  # a new key empties the drop zone
        st.rerun()


def folder(collection: str) -> None:
    with st.form("folder", border=False):
        path = st.text_input(t("folder"), help=t("folder_help"), placeholder="/srv/documents")
        sync = st.toggle(t("sync"))
        if st.form_submit_button(t("folder_button"), icon=":material/folder_open:") and path.strip():
            attempt(lambda: client().create_collection(collection))
            attempt(lambda: client().ingest(NewJob(place=path.strip(), collection=collection, sync=sync)))


@st.fragment(run_every=REFRESH_S)
def watch() -> None:
    jobs = attempt(lambda: client().jobs(JOBS))
    if not jobs:
        st.caption(t("no_jobs"))
    for job in jobs:
        with st.container(border=True):
            show(job)


def show(job: Job) -> None:
    to_come = job.outcomes.get("queued", 0) + job.outcomes.get("running", 0)
    done = job.total - to_come
    line = f"**{t(f'job_{job.state}')}** · {job.collection} · {escape_markdown(job.source[:120])}"
    st.progress(done / job.total if job.total else 0.0, line)
    counts = [f"{t(f'outcome_{outcome}')}: {count}" for outcome, count in sorted(job.outcomes.items())]
    st.caption(" · ".join([t("job_progress", done=done, total=job.total), *counts]))
    if job.progress:
        left = "…" if job.progress.eta_s is None else str(timedelta(seconds=round(job.progress.eta_s)))
        speed = {
            "documents": f"{job.progress.documents_per_h:,.0f}",
            "tokens": f"{job.progress.tokens_per_s:,.0f}",
        }
        st.caption(t("job_speed", **speed, left=left))
    if job.problem:
        st.error(escape_markdown(job.problem), icon=":material/error:")
    failures = job.outcomes.get("failed", 0)
    if failures:
        with st.expander(f"{t('outcome_failed')}: {failures}", icon=":material/error:"):
            for item in attempt(lambda: client().job(job.id)).items:
                if item.outcome == "failed":
                    st.write(escape_markdown(item.error or item.name))
    with st.container(horizontal=True):
        for action in actions(job):
            if st.button(t(action), key=f"{action}-{job.id}"):
                attempt(partial(client().act, job.id, action))
                st.rerun(scope="fragment")


def actions(job: Job) -> Iterator[JobAction]:
    """What can be done about a job as it is."""
    if job.state in ("queued", "running", "waiting"):
        yield "pause"
    if job.state in ("paused", "waiting"):
        yield "resume"
    if job.state in ("queued", "running", "waiting", "paused"):
        yield "cancel"
    elif job.outcomes.get("failed") or job.state in ("cancelled", "stopped"):
        yield "retry"


st.title(t("ingest_title"))
collection = choose()
upload(collection)
st.caption(t("formats", formats=", ".join(attempt(client().formats))))
folder(collection)
st.subheader(t("jobs"))
watch()
