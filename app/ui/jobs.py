"""A job, drawn: where it stands, what can be done about it, and what became of its documents."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import streamlit as st

from app.schemas import Job, JobAction, JobDetail, JobItem, JobState, Outcome, StageWork
from app.ui.amounts import count, duration, moment, size
from app.ui.render import item_html, rows_html
from app.ui.session import attempt, client, escape_markdown, zone
from app.ui.text import Texts

COLORS: dict[JobState, Literal["blue", "green", "orange", "gray", "red"]] = {
    "queued": "gray",
    "running": "blue",
    "waiting": "orange",
    "paused": "gray",
    "done": "green",
    "cancelled": "gray",
    "stopped": "red",
}
ICONS: dict[JobAction, str] = {
    "pause": ":material/pause:",
    "resume": ":material/play_arrow:",
    "cancel": ":material/close:",
    "retry": ":material/replay:",
}
SOURCE_CHARS = 160
ITEMS = 200
"""Of a job that are listed at once."""


def summary(job: Job, t: Texts) -> None:
    """State, source, progress, speed, and what is wrong."""
    to_come = job.outcomes.get("queued", 0) + job.outcomes.get("running", 0)
    done = job.total - to_come
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(t(f"job_{job.state}"), color=COLORS[job.state])
        st.markdown(f"**{job.collection}** · {escape_markdown(job.source[:SOURCE_CHARS])}", width="content")
    listing = job.finished is None and not job.total
    line = t("job_listing") if listing else t("job_progress", done=count(done), total=count(job.total))
    st.progress(done / job.total if job.total else float(job.finished is not None), line)
    st.caption(escape_markdown(" · ".join(_figures(job, t))))
    if job.problem:
        st.error(escape_markdown(job.problem), icon=":material/error:")


def buttons(job: Job, t: Texts) -> None:
    """What can be done about a job as it is."""
    with st.container(horizontal=True):
        for action in actions(job):
            if st.button(t(action), key=f"{action}-{job.id}", icon=ICONS[action]):
                attempt(partial(client().act, job.id, action))
                st.rerun()


def actions(job: Job) -> Iterator[JobAction]:
    if job.state in ("queued", "running", "waiting"):
        yield "pause"
    if job.state in ("paused", "waiting"):
        yield "resume"
    if job.state in ("queued", "running", "waiting", "paused"):
        yield "cancel"
    elif job.outcomes.get("failed") or job.state in ("cancelled", "stopped"):
        yield "retry"


def details(job: Job, t: Texts) -> None:
    """Seconds and work of each stage, and the documents by outcome: what failed first."""
    stages = st.container()
    outcomes: list[Outcome] = sorted(job.outcomes)  # type: ignore[arg-type]  # the keys of `outcomes`
    chosen: Outcome | None = st.pills(
        t("outcome"),
        outcomes,
        default="failed" if "failed" in outcomes else None,
        format_func=lambda one: f"{t(f'outcome_{one}')} ({count(job.outcomes.get(one, 0))})",
        key=f"outcome-{job.id}",
    )
    found: JobDetail = attempt(lambda: client().job(job.id, outcome=chosen, limit=ITEMS))
    if found.stages:
        head = [t("stage"), t("time"), t("work"), t("speed")]
        stages.html(rows_html([_stage(name, done, t) for name, done in found.stages.items()], head))
        stages.caption(t("stages_hint"))
    if not found.items:
        st.caption(t("none_of_these"))
    st.html("".join(_item(item, t) for item in found.items) or " ")
    total = job.outcomes.get(chosen, 0) if chosen else job.total
    if total > len(found.items) > 0:
        st.caption(t("first_of", count=count(len(found.items)), total=count(total)))


def _figures(job: Job, t: Texts) -> Iterator[str]:
    for outcome, number in sorted(job.outcomes.items()):
        yield f"{t(f'outcome_{outcome}')}: {count(number)}"
    if job.progress:
        left = "…" if job.progress.eta_s is None else duration(job.progress.eta_s)
        documents, tokens = count(job.progress.documents_per_h), count(job.progress.tokens_per_s)
        yield t("job_speed", documents=documents, tokens=tokens, left=left)
    if job.retry_at:
        yield t("job_tries", time=moment(job.retry_at, zone()))
    yield t("job_began", time=moment(job.created, zone()))
    if job.finished:
        yield t("job_took", time=duration((job.finished - job.created).total_seconds()))


def _item(item: JobItem, t: Texts) -> str:
    figures = [
        t("work_chunk", count=count(item.chunks)) if item.chunks else "",
        duration(item.seconds) if item.seconds is not None else "",
        t(f"stage_{item.stage}") if item.stage and item.outcome in ("running", "failed") else "",
    ]
    badge = t(f"outcome_{item.outcome}")
    return item_html(item.name, badge, figures, error=item.error or "", note=item.note or "")


def _stage(name: str, done: StageWork, t: Texts) -> list[str]:
    units: dict[str, Callable[[float], str]] = {
        "read": size,
        "parse": lambda work: t("work_parse", count=count(work)),
        "chunk": lambda work: t("work_chunk", count=count(work)),
        "encode": lambda work: t("work_encode", count=count(work)),
        "write": lambda work: t("work_chunk", count=count(work)),
    }
    say = units.get(name)
    if say is None or not done.work:
        return [t(f"stage_{name}"), duration(done.seconds), "", ""]
    return [
        t(f"stage_{name}"),
        duration(done.seconds),
        say(done.work),
        say(done.work / done.seconds) if done.seconds else "",
    ]
