"""Training: an encoder from a collection's documents: watched, compared, put in service, taken back."""

from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from app.adaptation.schemas import ModelName, NewTraining, Training, TrainingDetail
from app.schemas import Collection
from app.ui import trainings
from app.ui.amounts import moment
from app.ui.session import (
    attempt,
    choose_collection,
    client,
    escape_markdown,
    require_searchable,
    texts,
    zone,
)

REFRESH_S = 2.0

t = texts()


def served(collection: Collection, found: list[Training]) -> None:
    """Which encoder searches use, and the way back."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("train_served", encoder=f"**{escape_markdown(collection.encoder)}**"), width="content")
        own = any(one.shadow is not None and one.shadow.served for one in found)
        if own and st.button(t("train_back"), icon=":material/undo:", help=t("train_back_help")):
            with st.spinner(t("train_switching")):
                attempt(lambda: client().roll_back(collection.name))
            st.rerun()


def start(collection: Collection, *, expanded: bool) -> None:
    """Choose what to learn from, what to start from and for how long."""
    with st.expander(t("train_new"), icon=":material/model_training:", expanded=expanded):
        left, right = st.columns(2)
        with left:
            name = st.text_input(t("train_name"), value=f"{collection.name}-1", max_chars=63).strip()
            base = choose_base(collection)
            minutes = st.number_input(
                t("train_minutes"), min_value=1, max_value=10_080, value=30, help=t("train_minutes_help")
            )
            steps = st.number_input(
                t("train_steps"), min_value=1, value=None, placeholder=t("train_steps_best")
            )
            keep = st.slider(t("train_keep"), 0, 90, 50, step=5, help=t("train_keep_help"))
        with right:
            documents = st.checkbox(t("train_documents"), value=True)
            writer = choose_writer(disabled=not documents)
            pairs = st.file_uploader(
                t("train_pairs"),
                ["jsonl", "gz", "parquet"],
                accept_multiple_files=True,
                help=t("train_pairs_help"),
            )
        ready = bool(name) and (documents or pairs)
        if not st.button(t("train_start"), type="primary", icon=":material/play_arrow:", disabled=not ready):
            return
        try:
            TypeAdapter(ModelName).validate_python(name)
        except ValidationError:
            st.error(escape_markdown(t("train_name_bad", name=name)), icon=":material/error:")
            return
        new = NewTraining(
            collection=collection.name,
            name=name,
            base=base,
            documents=documents,
            language_model=writer.language_model,
            count=writer.queries,
            query_languages=list(writer.languages),
            minutes=minutes,
            steps=steps or 0,
            keep=keep / 100,
        )
        files = [(file.name, file) for file in pairs]
        queued = attempt(lambda: client().train(new, files, writer.personas))
        st.session_state["training"] = queued.id
        st.rerun()


def choose_base(collection: Collection) -> str:
    """Empty for what serves the collection."""
    found = [one for one in attempt(client().bases) if PurePath(one).name != collection.encoder]
    in_use = t("train_base_served", name=collection.encoder)
    return st.selectbox(
        t("train_base"), ["", *found], format_func=lambda one: PurePath(one).name if one else in_use
    )


class Writer(NamedTuple):
    """Who makes the queries."""

    language_model: bool = False
    personas: BytesIO | None = None
    queries: int = 1000
    languages: tuple[str, ...] = ("English",)


def choose_writer(*, disabled: bool) -> Writer:
    there = attempt(client().status).llm is not None
    kind = st.radio(
        t("train_writer"),
        ["structure", "llm"],
        format_func=lambda one: t(f"train_writer_{one}"),
        help=t("train_writer_help"),
        disabled=disabled or not there,
        horizontal=True,
    )
    if kind != "llm":
        return Writer()
    personas = st.text_area(t("train_personas"), help=t("train_personas_help"), height=80).strip()
    count = st.number_input(t("train_count"), min_value=10, value=1000, step=100)
    typed = st.text_input(t("train_languages"), value="English").split(",")
    languages = tuple(one.strip() for one in typed if one.strip())
    return Writer(
        True, BytesIO(personas.encode()) if personas else None, count, languages or Writer().languages
    )


def choose(found: list[Training]) -> str:
    by_id = {one.id: one for one in found}
    if st.session_state.get("training") not in by_id:
        st.session_state.pop("training", None)
    if len(found) == 1:
        return found[0].id
    return st.selectbox(
        t("nav_training"),
        list(by_id),
        format_func=lambda one: f"{by_id[one].settings.name} · {moment(by_id[one].created, zone())}",
        key="training",
        bind="query-params",
    )


@st.fragment(run_every=REFRESH_S)
def watch(training: str) -> None:
    """A training at work; once it rests, the page is drawn anew."""
    detail = attempt(lambda: client().training(training))
    if not trainings.is_moving(detail.training):
        st.rerun()
    show(detail)


def show(detail: TrainingDetail) -> None:
    trainings.summary(detail, t)
    trainings.buttons(detail.training, t)
    if detail.training.state == "done":
        trainings.index(detail.training, t)
        trainings.gained(detail.gains, t)
    trainings.curves(detail, t)
    if detail.folder:
        st.caption(t("train_folder"))
        st.code(detail.folder, language=None)


st.title(t("train_title"))
st.caption(t("train_hint"))
collection = choose_collection(t)
found = attempt(lambda: client().trainings(collection.name))
served(collection, found)
require_searchable(collection, t)
start(collection, expanded=not found)
if not found:
    st.caption(t("train_none"))
    st.stop()
chosen = choose(found)
if any(trainings.is_moving(one) for one in found if one.id == chosen):
    watch(chosen)
else:
    show(attempt(lambda: client().training(chosen)))
