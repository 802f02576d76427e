"""What is said of documents as they come in: labels, and who may see them."""

import streamlit as st
from pydantic import ValidationError

from app.schemas import Labelled
from app.ui.session import escape_markdown
from app.ui.text import Texts


def say(key: str, t: Texts) -> Labelled:
    """What the widgets say; stops the page with what is wrong. `key` tells several of them apart."""
    with st.expander(t("say"), icon=":material/label:", key=f"{key}-say"):
        typed = st.text_input(
            t("labels"), placeholder=t("labels_example"), help=t("labels_help"), key=f"{key}-labels"
        )
        groups = st.text_input(t("access"), help=t("access_help"), key=f"{key}-access")
    labels: dict[str, list[str]] = {}
    for pair in _listed(typed):
        name, separator, value = pair.partition("=")
        if not separator:
            _stop(t("labels_bad", pair=pair))
        labels.setdefault(name.strip(), []).append(value)
    try:
        return Labelled.model_validate({"labels": labels or None, "access": _listed(groups) or None})
    except ValidationError as error:
        first = error.errors()[0]
        _stop(f"{' '.join(map(str, first['loc']))}: {first['msg']}")
        raise  # unreachable: the page has stopped


def _listed(typed: str | None) -> list[str]:
    return [part.strip() for part in (typed or "").split(",") if part.strip()]


def _stop(problem: str) -> None:
    st.error(escape_markdown(problem), icon=":material/error:")
    st.stop()
