"""Compression lab: what each width and kind of code keeps, costs and takes; measure, pick, apply, undo."""

import streamlit as st

from app.schemas import Collection, Funnel, Setting, Tuning
from app.ui import charts
from app.ui.amounts import size
from app.ui.session import attempt, choose_collection, client, escape_markdown, require_searchable, texts

KEPT = 0.99
"""Of the exact hits: what a way to search should keep."""
LOOK_AGAIN_S = 2.0

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


def said(key: str, funnel: Funnel | Setting) -> str:
    kind = t(f"quant_{funnel.quantisation or 'none'}")
    return t(key, dim=funnel.dim, kind=kind, candidates=funnel.candidates)


def in_use(collection: Collection, tuning: Tuning) -> None:
    """What searches go through now, and the way back."""
    if tuning.problem:
        st.error(escape_markdown(t("lab_problem", problem=tuning.problem)), icon=":material/error:")
    if tuning.applying:
        watch(collection.name, said("lab_applying", tuning.applying))
        return
    now = said("lab_now", tuning.applied) if tuning.applied else t("lab_default")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(now, icon=":material/filter_alt:")
        if tuning.previous and st.button(t("lab_undo"), icon=":material/undo:"):
            attempt(lambda: client().undo_funnel(collection.name))
            st.rerun()


@st.fragment(run_every=LOOK_AGAIN_S)
def watch(name: str, line: str) -> None:
    """Until the change is done."""
    st.info(line, icon=":material/hourglass_top:")
    found = attempt(lambda: client().tuning(name))
    if found is None or found.applying is None:
        st.rerun()


def cells(tuning: Tuning) -> list[Setting]:
    """Of each width and kind of code the fewest candidates that keep enough, or else the most."""
    found: dict[tuple[int, str | None], Setting] = {}
    for one in tuning.settings:
        known = found.get((one.dim, one.quantisation))
        if one.candidates is not None and (known is None or known.agreement < KEPT):
            found[one.dim, one.quantisation] = one
    return list(found.values())


def pick(collection: Collection, tuning: Tuning) -> None:
    """The heat map, and one of its cells to search by."""
    offered = cells(tuning)
    if not offered:
        return
    st.caption(t("lab_map"))
    fewest = {(one.dim, one.quantisation): one.agreement for one in reversed(tuning.settings)}
    chart = charts.compression(offered, fewest, t)
    clicked = charts.clicked(st.altair_chart(chart, on_select="rerun", key=f"map-{collection.name}"))
    best = tuning.chosen
    start = next((at for at, one in enumerate(offered) if (one.dim, one.quantisation) == clicked), None)
    if start is None and best:
        kind = (best.dim, best.quantisation)
        start = next((at for at, one in enumerate(offered) if (one.dim, one.quantisation) == kind), None)
    st.caption(said("lab_best", best) if best else t("funnel_none"))
    chosen = st.selectbox(
        t("lab_pick"),
        offered,
        index=start or 0,
        format_func=lambda one: said("lab_choice", one),
        key=f"pick-{collection.name}-{clicked}",
    )
    assert chosen.candidates is not None
    funnel = Funnel(dim=chosen.dim, candidates=chosen.candidates, quantisation=chosen.quantisation)
    if st.button(
        t("lab_apply"),
        icon=":material/check:",
        disabled=tuning.applying is not None or funnel == tuning.applied,
    ):
        attempt(lambda: client().apply_funnel(collection.name, funnel))
        st.rerun()


def everything(tuning: Tuning) -> None:
    """All figures."""
    rows = [
        {
            t("dims"): one.dim,
            t("quantisation"): t(f"quant_{one.quantisation or 'none'}"),
            t("way"): t("way_alone")
            if one.candidates is None
            else t("way_funnel", candidates=one.candidates),
            t("agreement"): one.agreement,
            "p50 ms": one.p50_ms,
            "p95 ms": one.p95_ms,
            t("memory"): size(one.memory_bytes),
        }
        for one in tuning.settings
    ]
    with st.expander(t("lab_curves")):
        bar = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        st.dataframe(rows, hide_index=True, column_config={t("agreement"): bar})
    st.caption(
        t(
            "tuned_line",
            queries=tuning.queries,
            chunks=tuning.chunks,
            when=f"{tuning.measured:%Y-%m-%d %H:%M}",
        )
    )


st.title(t("lab_title"))
st.caption(t("lab_hint"))
collection = choose_collection(t)
require_searchable(collection, t)
tuning = attempt(lambda: client().tuning(collection.name))
if tuning:
    in_use(collection, tuning)
if st.button(t("measure"), type="primary", icon=":material/speed:"):
    with st.spinner(t("measuring")):
        attempt(lambda: client().tune(collection.name))
    st.rerun()
if tuning:
    pick(collection, tuning)
    everything(tuning)
stored(collection)
if collection.problem:
    st.warning(escape_markdown(collection.problem), icon=":material/block:")
