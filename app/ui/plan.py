"""A plan, drawn: how many files would change, which, and why a sync would stop."""

import streamlit as st

from app.schemas import Plan
from app.ui.amounts import count
from app.ui.render import item_html
from app.ui.session import escape_markdown
from app.ui.text import Texts

STATES = ("new", "changed", "gone", "alias", "failed", "skipped", "unchanged")
FILES = 200
"""That are listed at once."""


def show(plan: Plan, t: Texts, *, sync: bool, key: str = "plan_state") -> None:
    """`key` is the widget's: another one for each plan on a page."""
    states = [state for state in STATES if plan.counts.get(state)]
    with st.container(horizontal=True, gap="large"):
        for state in states:
            st.metric(t(f"plan_{state}"), count(plan.counts[state]), width="content")
    if not plan.files:
        st.info(t("plan_nothing"), icon=":material/check:")
        return
    if plan.counts.get("gone") and not sync:
        st.caption(t("gone_stays"))
    if sync and plan.refusal:
        st.warning(escape_markdown(plan.refusal), icon=":material/block:")
    told = [state for state in states if state != "unchanged"]
    chosen = st.pills(
        t("would_happen"),
        told,
        format_func=lambda state: t(f"plan_{state}"),
        key=key,
        label_visibility="collapsed",
    )
    files = [file for file in plan.files if chosen in (None, file.state)]
    total = sum(plan.counts.get(state, 0) for state in ([chosen] if chosen else told))
    st.html(
        "".join(
            item_html(file.name, t(f"plan_{file.state}"), [], error=file.reason or "")
            for file in files[:FILES]
        )
    )
    if total > FILES:
        st.caption(t("first_of", count=count(min(FILES, len(files))), total=count(total)))
