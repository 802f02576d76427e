"""A training, drawn: where it stands, what can be done about it, what it gained, and its index."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.adaptation.schemas import STAGES, Gain, Shadow, Training, TrainingAction, TrainingDetail
from app.ui import learning
from app.ui.amounts import count, duration, moment
from app.ui.jobs import COLORS
from app.ui.render import as_figure, rows_html
from app.ui.session import attempt, client, escape_markdown, zone
from app.ui.text import Texts


def is_moving(training: Training) -> bool:
    """Whether it changes by itself."""
    shadow = training.shadow
    return training.state in ("queued", "running") or (
        shadow is not None and shadow.state in ("queued", "building")
    )


def summary(detail: TrainingDetail, t: Texts) -> None:
    """State, stages, progress, and what is wrong."""
    one = detail.training
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(t(f"job_{one.state}"), color=COLORS[one.state])
        st.markdown(escape_markdown(f"{one.settings.name} ← {one.base}"), width="content")
        st.caption(escape_markdown(t("job_began", time=moment(one.created, zone()))), width="content")
    done = sum(stage in detail.figures for stage in STAGES)
    share, line = done / len(STAGES), t(f"train_stage_{one.stage}") if one.stage else ""
    if one.stage == "training" and one.total_steps:
        share += one.steps / one.total_steps / len(STAGES)
        line = f"{line} · {t('train_step', step=count(one.steps), total=count(one.total_steps))}"
    if one.left_s is not None:
        line = f"{line} · {t('train_left', left=duration(round(one.left_s)))}"
    if one.stage is not None:
        st.progress(min(share, 1.0), line)
    rows = [
        [t(f"train_stage_{stage}"), _told(stage, detail, t)] for stage in STAGES if stage in detail.figures
    ]
    if rows:
        st.html(rows_html(rows))
    if one.problem:
        st.error(escape_markdown(one.problem), icon=":material/error:")


def buttons(training: Training, t: Texts) -> None:
    """What can be done about the training as it is."""
    served = training.shadow is not None and training.shadow.served
    with st.container(horizontal=True):
        if training.state in ("queued", "running"):
            _button(training, "cancel", t("cancel"), ":material/close:")
        if training.state in ("cancelled", "stopped"):
            _button(training, "resume", t("resume"), ":material/play_arrow:")
        if not served and st.button(t("delete"), icon=":material/delete:", key=f"delete-{training.id}"):
            _confirm(training, t)


def curves(detail: TrainingDetail, t: Texts) -> None:
    if not detail.curve:
        return
    charts = [learning.loss(detail.curve, t)]
    if any(step.accuracy for step in detail.curve):
        charts.append(learning.accuracy(detail.curve, t))
    if detail.scores:
        charts.append(learning.scores(detail.scores, t))
    for column, chart in zip(st.columns(len(charts)), charts, strict=True):
        column.altair_chart(chart, key=f"chart-{charts.index(chart)}")


def gained(gains: Sequence[Gain], t: Texts) -> None:
    """The verdict at full width, every figure, and the differences with their intervals."""
    st.subheader(t("train_gain"), anchor=False)
    st.caption(t("train_gain_hint"))
    for task in dict.fromkeys(gain.task for gain in gains):
        of_task = [gain for gain in gains if gain.task == task]
        st.markdown(f"**{t('train_task')}: {t(f'train_task_{task}')}**")
        _verdict(max((one for one in of_task if not one.language), key=lambda one: one.dim), t)
        table, chart = st.columns(2)
        head = [t("dims"), t("language"), t("eval_queries"), t("train_before"), t("train_after"), "95 %"]
        table.html(rows_html([_row(gain, t) for gain in of_task], head))
        chart.altair_chart(learning.gains(of_task, t), key=f"gains-{task}")


def index(training: Training, t: Texts) -> None:
    """Build the index, see that it works, use it."""
    shadow = training.shadow
    if shadow is None or shadow.state == "stopped":
        if shadow is not None and shadow.problem:
            st.error(escape_markdown(shadow.problem), icon=":material/error:")
        _button(
            training, "index", t("train_index"), ":material/database:", t("train_index_help"), primary=True
        )
        return
    if shadow.state in ("queued", "building"):
        line = t("train_building", done=count(shadow.done), total=count(shadow.total))
        st.progress(shadow.done / shadow.total if shadow.total else 0.0, line)
        return
    _checked(shadow, t)
    if shadow.served:
        st.success(t("train_serves"), icon=":material/check_circle:")
        return
    with st.container(horizontal=True):
        _button(
            training,
            "promote",
            t("train_promote"),
            ":material/swap_horiz:",
            t("train_promote_help"),
            primary=True,
        )


def _checked(shadow: Shadow, t: Texts) -> None:
    if shadow.asked:
        st.caption(t("train_found", asked=shadow.asked, before=shadow.found_before, after=shadow.found_after))


def _verdict(gain: Gain, t: Texts) -> None:
    points = [as_figure(f"{100 * value:+.1f}") for value in (gain.difference, gain.low, gain.high)]
    values = dict(zip(("gain", "low", "high"), points, strict=True), dim=gain.dim)
    if gain.low > 0:
        st.success(escape_markdown(t("train_better", **values)), icon=":material/trending_up:")
    elif gain.high < 0:
        st.error(escape_markdown(t("train_worse", **values)), icon=":material/trending_down:")
    else:
        st.info(escape_markdown(t("train_same", **values)), icon=":material/trending_flat:")


def _row(gain: Gain, t: Texts) -> list[str]:
    before, after = f"{100 * gain.base:.1f}", f"{100 * gain.candidate:.1f}"
    low, high = (as_figure(f"{100 * value:+.1f}") for value in (gain.low, gain.high))
    return [str(gain.dim), gain.language or t("all"), count(gain.queries), before, after, f"{low} … {high}"]


def _told(stage: str, detail: TrainingDetail, t: Texts) -> str:
    figures = detail.figures[stage]  # type: ignore[index]  # the keys of `figures` are stages
    shown: dict[str, Callable[[], str]] = {
        "soup": lambda: t("train_told_soup", keep=f"{100 * figures['keep']:.0f}"),
        "comparison": lambda: t(
            "train_told_comparison",
            before=f"{100 * figures['ndcg_at_10 before']:.1f}",
            after=f"{100 * figures['ndcg_at_10 after']:.1f}",
        ),
    }
    if stage in shown:
        return shown[stage]()
    return t(f"train_told_{stage}", **{name: count(figure) for name, figure in figures.items()})


def _button(
    training: Training,
    action: TrainingAction,
    label: str,
    icon: str,
    tip: str | None = None,
    *,
    primary: bool = False,
) -> None:
    if st.button(
        label, icon=icon, help=tip, type="primary" if primary else "secondary", key=f"{action}-{training.id}"
    ):
        with st.spinner(label):
            attempt(partial(client().act_on_training, training.id, action))
        st.rerun()


def _confirm(training: Training, t: Texts) -> None:
    @st.dialog(t("delete"))
    def ask() -> None:
        st.write(escape_markdown(f"{training.settings.name}: {t('train_delete_confirm')}"))
        if st.button(t("delete"), type="primary", icon=":material/delete:", key="delete-for-good"):
            attempt(lambda: client().delete_training(training.id))
            st.session_state.pop("training", None)
            st.rerun()

    ask()
