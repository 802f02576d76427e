"""Jobs: what is being ingested and what became of it, live."""

import streamlit as st

from app.ui.jobs import buttons, details, summary
from app.ui.session import attempt, client, kept, texts

REFRESH_S = 1.5
PER_PAGE = 10

t = texts()


@st.fragment(run_every=REFRESH_S)
def watch(collection: str | None) -> None:
    """The list; what is open stays so, by the key of each job."""
    number = int(st.session_state.get("jobs_page", 1))
    first = (number - 1) * PER_PAGE
    jobs = attempt(lambda: client().jobs(PER_PAGE + 1, offset=first, collection=collection))
    if not jobs:
        st.info(t("no_jobs"), icon=":material/inbox:")
        st.page_link(
            "views/ingest.py", label=t("go_ingest"), icon=":material/upload_file:", query_params=kept()
        )
    for job in jobs[:PER_PAGE]:
        with st.container(border=True):
            summary(job, t)
            buttons(job, t)
            with st.expander(
                t("details"),
                expanded=job.id == st.query_params.get("job"),
                key=f"open-{job.id}",
                type="compact",
                on_change="rerun",
            ) as opened:
                if opened.open:
                    details(job, t)
    if number > 1 or len(jobs) > PER_PAGE:
        st.pagination(number + (len(jobs) > PER_PAGE), key="jobs_page")


st.title(t("jobs"))
names = [collection.name for collection in attempt(client().collections)]
chosen: str | None = None
if len(names) > 1:
    chosen = st.pills(t("collection"), names, key="jobs_of", label_visibility="collapsed")
watch(chosen)
