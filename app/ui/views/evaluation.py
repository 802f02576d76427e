"""Evaluation: how good search is on queries with known answers, by language and width, and what changed."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.evaluation.schemas import MEASURES, Comparison, Measure, NewQuerySet, NewRuns, QuerySet, Run
from app.schemas import Collection, Ranking
from app.ui.charts import curve, heat_map
from app.ui.render import as_figure
from app.ui.session import (
    attempt,
    choose_collection,
    client,
    escape_markdown,
    kept,
    require_searchable,
    texts,
)

REFRESH_S = 1.5
RANKINGS: tuple[Ranking, ...] = ("hybrid", "dense", "lexical")
_SURE = 0.05
"""A p below it is said to be more than chance."""

t = texts()


def add_set(collection: Collection, *, expanded: bool) -> None:
    """Import files, or have a set made from thumbs or from the collection's own words."""
    with st.expander(t("eval_add"), icon=":material/playlist_add:", expanded=expanded):
        name = st.text_input(t("name"), help=t("eval_name_help"), max_chars=63, key="set-name")
        files = st.file_uploader(
            t("eval_files"), ["csv", "jsonl", "tsv"], accept_multiple_files=True, help=t("eval_files_help")
        )

        def make(label: str, icon: str, what: Callable[[], QuerySet], *, ready: bool, tip: str = "") -> None:
            if st.button(label, icon=icon, disabled=not (name and ready), help=tip or None):
                attempt(what)
                st.rerun()

        named = [(file.name, file) for file in files]
        liked = NewQuerySet.model_construct(name=name, collection=collection.name, origin="feedback")
        own = liked.model_copy(update={"origin": "synthetic"})
        with st.container(horizontal=True):
            make(
                t("eval_import"),
                ":material/upload_file:",
                lambda: client().import_set(name, named),
                ready=bool(files),
            )
            make(t("eval_thumbs"), ":material/thumb_up:", lambda: client().make_set(liked), ready=True)
            make(
                t("eval_synthetic"),
                ":material/auto_awesome:",
                lambda: client().make_set(own),
                ready=True,
                tip=t("eval_synthetic_help"),
            )


def choose_set(sets: Sequence[QuerySet]) -> QuerySet:
    by_name = {one.name: one for one in sets}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(t("eval_set"), list(by_name), key="set", bind="query-params")
        if st.button(t("delete"), icon=":material/delete:", key="delete-set"):
            attempt(lambda: client().delete_set(name))
            st.session_state.pop("set", None)
            st.rerun()
    chosen = by_name[name]
    languages = ", ".join(f"{language} {count}" for language, count in chosen.languages.items())
    origin = t(f"origin_{chosen.origin}")
    st.caption(escape_markdown(f"{t('eval_queries')}: {chosen.queries} ({languages}) · {origin}"))
    return chosen


def start_runs(chosen: QuerySet, collection: Collection) -> None:
    with st.form("runs", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        rankings = st.pills(
            t("ranking"),
            RANKINGS,
            selection_mode="multi",
            default=["hybrid"],
            format_func=lambda one: t(f"ranking_{one}"),
        )
        dims = st.pills(t("dims"), collection.dims, selection_mode="multi", default=collection.dims[:1])
        exact = st.toggle(t("exact"))
        if st.form_submit_button(t("eval_start"), type="primary", icon=":material/play_arrow:") and rankings:
            new = NewRuns(
                query_set=chosen.name,
                collection=collection.name,
                rankings=[ranking for ranking in RANKINGS if ranking in rankings],
                dims=list(dims),
                exact=exact,
            )
            attempt(lambda: client().evaluate(new))


@st.fragment(run_every=REFRESH_S)
def watch(query_set: str, collection: str) -> None:
    """Progress of the runs at work; once there are none, the page is drawn anew with their figures."""
    active = [run for run in found_runs(query_set, collection) if run.state in ("queued", "running")]
    for run in active:
        st.progress(run.done / run.total if run.total else 0.0, escape_markdown(label(run)))
    if not active:
        st.rerun()


def found_runs(query_set: str, collection: str) -> list[Run]:
    return attempt(lambda: client().runs(query_set=query_set, collection=collection))


def label(run: Run) -> str:
    width = t("exact") if run.exact else ""
    parts = [
        t(f"ranking_{run.ranking}"),
        str(run.dim or ""),
        width,
        run.encoder,
        f"{run.created:%m-%d %H:%M}",
    ]
    return " · ".join(part for part in parts if part)


def table(runs: Sequence[Run]) -> None:
    rows = [
        {
            t("ranking"): label(run),
            **{
                t(f"measure_{measure}"): 100 * run.report.overall.values[measure].value
                for measure in MEASURES
            },
            t("eval_interval"): _interval(run),
            t("eval_missing"): run.missing,
        }
        for run in runs
        if run.report is not None
    ]
    shown = {t(f"measure_{measure}"): st.column_config.NumberColumn(format="%.1f") for measure in MEASURES}
    st.dataframe(rows, hide_index=True, column_config=shown, key="runs-table")


def _interval(run: Run) -> str:
    assert run.report is not None  # it is done
    ndcg = run.report.overall.values["ndcg_at_10"]
    return f"{100 * ndcg.low:.1f} – {100 * ndcg.high:.1f}"


def detail(run: Run, measure: Measure) -> None:
    """By language pair, and whether hits in the query's own language push others aside."""
    assert run.report is not None  # it is done
    st.subheader(t("eval_pairs"))
    st.altair_chart(heat_map(run.report.pairs, measure, t))
    bias = run.report.bias[0]
    st.metric(
        t("eval_bias"),
        as_figure(f"{100 * (bias.hits - bias.relevant):+.1f}"),
        help=t("eval_bias_help", hits=f"{100 * bias.hits:.1f}", relevant=f"{100 * bias.relevant:.1f}"),
    )


def newest_by_width(runs: Sequence[Run]) -> list[Run]:
    """The last run of each ranking and width."""
    newest: dict[tuple[Ranking, int | None], Run] = {}
    for run in runs:
        newest.setdefault((run.ranking, run.dim), run)
    return list(newest.values())


def show_comparison(found: Comparison) -> None:
    with st.container(horizontal=True):
        st.metric(t("eval_difference"), as_figure(f"{100 * found.difference.value:+.1f}"))
        st.metric(t("eval_won"), found.won)
        st.metric(t("eval_lost"), found.lost)
        st.metric(t("eval_tied"), found.tied)
        st.metric("p", f"{found.p:.3f}")
    st.caption(t("eval_sure") if found.p < _SURE else t("eval_chance"))
    for one in found.biggest:
        change = as_figure(f"{100 * one.before:.0f} → {100 * one.after:.0f}")
        st.page_link(
            "views/search.py",
            label=escape_markdown(f"{change}  [{one.language}] {one.text}"),
            icon=":material/trending_up:" if one.after > one.before else ":material/trending_down:",
            query_params=kept(
                q=one.text,
                ranking=found.after.ranking,
                **({"dims": str(found.after.dim)} if found.after.dim else {}),
            ),
        )


st.title(t("eval_title"))
collection = choose_collection(t)
require_searchable(collection, t)
sets = attempt(client().query_sets)
add_set(collection, expanded=not sets)
if not sets:
    st.info(t("eval_no_sets"), icon=":material/checklist:")
    st.stop()
chosen = choose_set(sets)
start_runs(chosen, collection)
runs = found_runs(chosen.name, collection.name)
if any(run.state in ("queued", "running") for run in runs):
    watch(chosen.name, collection.name)
for run in runs[:1]:
    if run.problem:
        st.error(escape_markdown(run.problem), icon=":material/error:")
done = {run.id: run for run in runs if run.report is not None}
if not done:
    st.caption(t("eval_no_runs"))
    st.stop()
table(list(done.values()))
measure: Measure = st.segmented_control(
    t("eval_measure"),
    MEASURES,
    default="ndcg_at_10",
    required=True,
    format_func=lambda one: t(f"measure_{one}"),
    key="measure",
    bind="query-params",
)
if len({run.dim for run in done.values() if run.dim}) > 1:
    st.subheader(t("eval_by_dim"))
    st.altair_chart(curve(newest_by_width(list(done.values())), measure, t))
after = st.selectbox(
    t("eval_run"), list(done), format_func=lambda run: label(done[run]), key="run", bind="query-params"
)
detail(done[after], measure)
others = [run for run in done if run != after]
if others:
    st.subheader(t("eval_compare"))
    before = st.selectbox(
        t("eval_before"), others, format_func=lambda run: label(done[run]), key="before", bind="query-params"
    )
    show_comparison(attempt(lambda: client().compare(before, after, measure)))
