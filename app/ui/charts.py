"""Figures of evaluations -> charts."""

import math
from collections.abc import Mapping, Sequence

import altair as alt

from app.evaluation.schemas import Measure, Run, Slice
from app.schemas import Quantisation, Setting
from app.ui.amounts import size
from app.ui.text import Texts

_DARK = 90
"""Percent kept, above which a cell of the lab is dark."""
_CELL_PX = 48
"""Height of a cell of the lab: two lines."""
_HALF = 50
"""Percent, above which a cell is dark and its figure white."""


def heat_map(pairs: Sequence[Slice], measure: Measure, t: Texts) -> alt.LayerChart | alt.FacetChart:
    """Query language × document language, each cell with its figure."""
    rows = [
        {
            "query": pair.query_language,
            "document": pair.document_language,
            "value": 100 * pair.values[measure].value,
            "interval": f"{100 * pair.values[measure].low:.1f} – {100 * pair.values[measure].high:.1f}",
            "queries": pair.queries,
        }
        for pair in pairs
    ]
    cells = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("document:N", title=t("eval_document_language"), axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("query:N", title=t("eval_query_language")),
        tooltip=[
            alt.Tooltip("query:N", title=t("eval_query_language")),
            alt.Tooltip("document:N", title=t("eval_document_language")),
            alt.Tooltip("value:Q", format=".1f", title=t(f"measure_{measure}")),
            alt.Tooltip("interval:N", title=t("eval_interval")),
            alt.Tooltip("queries:Q", title=t("eval_queries")),
        ],
    )
    scale = alt.Scale(domain=[0, 100], scheme="tealblues")
    shades = cells.mark_rect().encode(color=alt.Color("value:Q", scale=scale, legend=None))
    figures = cells.mark_text().encode(
        text=alt.Text("value:Q", format=".0f"),
        color=alt.condition(alt.datum.value > _HALF, alt.value("white"), alt.value("#134e4a")),
    )
    return alt.layer(shades, figures)


def curve(runs: Sequence[Run], measure: Measure, t: Texts) -> alt.LayerChart | alt.FacetChart:
    """A measure by width, a line for each ranking, with the intervals of its points."""
    rows = [
        {
            "dim": run.dim,
            "ranking": t(f"ranking_{run.ranking}"),
            "value": 100 * run.report.overall.values[measure].value,
            "low": 100 * run.report.overall.values[measure].low,
            "high": 100 * run.report.overall.values[measure].high,
        }
        for run in runs
        if run.report is not None and run.dim is not None
    ]
    points = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("dim:O", title=t("dims"), axis=alt.Axis(labelAngle=0)),
        color=alt.Color("ranking:N", title=t("ranking"), legend=alt.Legend(orient="bottom")),
    )
    lines = points.mark_line(point=True).encode(
        y=alt.Y("value:Q", scale=alt.Scale(zero=False), title=t(f"measure_{measure}"))
    )
    intervals = points.mark_rule().encode(y="low:Q", y2="high:Q")
    return alt.layer(intervals, lines)


def compression(
    settings: Sequence[Setting], shades: Mapping[tuple[int, Quantisation | None], float], t: Texts
) -> alt.LayerChart | alt.FacetChart:
    """Width × kind of code, each cell with what it keeps, takes and costs; a click picks it.

    shades: by width and kind, 0 to 1: the higher, the darker the cell.
    """
    rows = [
        {
            "dim": one.dim,
            "kind": one.quantisation,
            "name": t(f"quant_{one.quantisation or 'none'}"),
            "shade": 100 * shades[one.dim, one.quantisation],
            "value": 100 * one.agreement,
            "kept": f"{math.floor(1000 * one.agreement) / 10:g} % · {one.candidates}",
            "cost": ("" if one.p50_ms is None else f"{one.p50_ms:.1f} ms · ") + size(one.memory_bytes),
            "way": t("way_funnel", candidates=one.candidates),
        }
        for one in settings
    ]
    order = [t(f"quant_{kind}") for kind in ("none", "int8", "binary")]
    shared = alt.Chart(alt.InlineData(values=rows), height=alt.Step(_CELL_PX)).encode(
        x=alt.X("name:N", title=t("quantisation"), sort=order, axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("dim:O", title=t("dims"), sort="descending"),
        tooltip=[
            alt.Tooltip("dim:O", title=t("dims")),
            alt.Tooltip("name:N", title=t("quantisation")),
            alt.Tooltip("way:N", title=t("way")),
            alt.Tooltip("value:Q", format=".2f", title=t("agreement")),
        ],
    )
    picked = alt.selection_point(name="cell", fields=["dim", "kind"])
    scale = alt.Scale(domain=[80, 100], scheme="tealblues", clamp=True)
    rectangles = (
        shared.mark_rect(cursor="pointer", cornerRadius=4)
        .encode(
            color=alt.Color("shade:Q", scale=scale, legend=None),
            strokeWidth=alt.condition(picked, alt.value(3), alt.value(0), empty=False),
            stroke=alt.value("#f59e0b"),
        )
        .add_params(picked)
    )
    ink = alt.condition(alt.datum.shade > _DARK, alt.value("white"), alt.value("#134e4a"))
    kept = shared.mark_text(dy=-8, fontWeight="bold").encode(text="kept:N", color=ink)
    cost = shared.mark_text(dy=9, fontSize=11).encode(text="cost:N", color=ink)
    return alt.layer(rectangles, kept, cost)


def clicked(event: object) -> tuple[int, str] | None:
    """Width and kind of the cell that was clicked in `compression`."""
    cells = getattr(event, "selection", {}).get("cell") or []
    return (int(cells[0]["dim"]), str(cells[0]["kind"])) if cells else None
