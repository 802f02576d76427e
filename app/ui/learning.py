"""Curves and gains of a training -> charts."""

from collections.abc import Mapping, Sequence

import altair as alt

from app.adaptation.schemas import Gain, Score, Step
from app.ui.text import Texts

_HEIGHT = 300


def loss(curve: Sequence[Step], t: Texts) -> alt.Chart:
    """Of each step; a training has its ups and downs, the line shows where they lead."""
    rows = [{"step": one.step, "value": one.loss} for one in curve]
    chart: alt.Chart = _lines(rows, t("train_loss"), t).mark_line(point=len(rows) < 2)
    return chart


def accuracy(curve: Sequence[Step], t: Texts) -> alt.Chart:
    """A line per task."""
    rows = [
        {"step": one.step, "value": 100 * share, "what": task}
        for one in curve
        for task, share in one.accuracy.items()
    ]
    tasks = sorted({task for one in curve for task in one.accuracy})
    return _coloured(_lines(rows, t("train_accuracy"), t).mark_line(point=len(curve) < 2), tasks)


def scores(found: Sequence[Score], t: Texts) -> alt.Chart:
    """A line per width."""
    rows = [{"step": one.step, "value": 100 * one.value, "what": str(one.dim)} for one in found]
    dims = sorted({one.dim for one in found}, reverse=True)
    return _coloured(_lines(rows, t("train_scores"), t).mark_line(point=True), list(map(str, dims)))


def gains(found: Sequence[Gain], t: Texts) -> alt.LayerChart | alt.FacetChart:
    """A point with its interval for each width and language, beside the line of no difference."""
    rows = [
        {
            "dim": one.dim,
            "language": one.language or t("all"),
            "value": 100 * one.difference,
            "low": 100 * one.low,
            "high": 100 * one.high,
            "queries": one.queries,
        }
        for one in found
    ]
    languages = [str(row["language"]) for row in rows]
    points = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("language:N", title=None, sort=list(dict.fromkeys(languages)), axis=alt.Axis(labelLimit=120)),
        yOffset=alt.YOffset("dim:N", sort="descending"),
        color=alt.Color(
            "dim:N", title=t("dims"), sort="descending", legend=alt.Legend(orient="bottom", columns=5)
        ),
        tooltip=[
            alt.Tooltip("language:N", title=t("language")),
            alt.Tooltip("dim:N", title=t("dims")),
            alt.Tooltip("value:Q", format="+.1f", title=t("train_difference")),
            alt.Tooltip("queries:Q", title=t("eval_queries")),
        ],
    )
    marks = points.mark_point(filled=True, size=60).encode(x=alt.X("value:Q", title=t("train_difference")))
    intervals = points.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    nothing = alt.Chart(alt.InlineData(values=[{"value": 0}])).mark_rule(strokeDash=[4, 4], opacity=0.5)
    return alt.layer(nothing.encode(x="value:Q"), intervals, marks)


def _lines(rows: Sequence[Mapping[str, object]], title: str, t: Texts) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(rows)), height=_HEIGHT, title=title).encode(
        x=alt.X("step:Q", title=t("train_at_step"), axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
    )


def _coloured(chart: alt.Chart, names: Sequence[str]) -> alt.Chart:
    legend = alt.Legend(orient="bottom", columns=2)
    return chart.encode(color=alt.Color("what:N", title=None, legend=legend, sort=list(names)))
