"""Dimensions: what each width and funnel gives on the collection's own sentences; measure, choose, apply."""

import streamlit as st

from app.schemas import Collection, Setting, Tuning
from app.ui.session import attempt, choose_collection, client, escape_markdown, require_searchable, texts

t = texts()


def stored(collection: Collection) -> None:
    """Which prefixes are stored beside the full vector."""
    full, *prefixes = collection.dims
    offered = [dim for dim in attempt(client().status).encoder.dims if dim != full]
    with st.form("dims", border=False):
        wanted = st.multiselect(t("lab_dims", full=full), offered, default=prefixes, help=t("lab_dims_help"))
        if st.form_submit_button(t("apply"), icon=":material/tune:") and set(wanted) != set(prefixes):
            with st.spinner(t("applying")):
                attempt(lambda: client().set_dims(collection.name, wanted))
            st.rerun()


def show(tuning: Tuning) -> None:
    chosen = tuning.chosen
    if chosen:
        st.success(
            t("funnel_chosen", dim=chosen.dim, candidates=chosen.candidates), icon=":material/filter_alt:"
        )
    else:
        st.info(t("funnel_none"), icon=":material/filter_alt_off:")
    rows = [
        {
            t("dims"): str(one.dim),
            t("way"): way(one),
            t("agreement"): one.agreement,
            "p50 ms": one.p50_ms,
            "p95 ms": one.p95_ms,
        }
        for one in tuning.settings
    ]
    st.scatter_chart(rows, x="p50 ms", y=t("agreement"), color=t("dims"))
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            t("agreement"): st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        },
    )
    st.caption(
        t(
            "tuned_line",
            queries=tuning.queries,
            chunks=tuning.chunks,
            when=f"{tuning.measured:%Y-%m-%d %H:%M}",
        )
    )


def way(one: Setting) -> str:
    return t("way_alone") if one.candidates is None else t("way_funnel", candidates=one.candidates)


st.title(t("lab_title"))
st.caption(t("lab_hint"))
collection = choose_collection(t)
require_searchable(collection, t)
stored(collection)
if st.button(t("measure"), type="primary", icon=":material/speed:"):
    with st.spinner(t("measuring")):
        attempt(lambda: client().tune(collection.name))
    st.rerun()
if tuning := attempt(lambda: client().tuning(collection.name)):
    show(tuning)
if collection.problem:
    st.warning(escape_markdown(collection.problem), icon=":material/block:")
