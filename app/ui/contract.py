"""What a collection promises, and how its ledger and index compare, drawn."""

import streamlit as st

from app.schemas import Check, Collection
from app.ui.amounts import count, moment
from app.ui.render import rows_html
from app.ui.session import escape_markdown, zone
from app.ui.text import Texts

NAMED = 5
"""Of the documents without all of their points that are named."""


def figures(collection: Collection, t: Texts) -> None:
    """How much is in a collection, and whether it can be used."""
    with st.container(horizontal=True, gap="large"):
        for name, number in {
            "documents_count": collection.documents,
            "failed_count": collection.failed,
            "stale_count": collection.stale,
            "chunks": collection.chunks,
        }.items():
            st.metric(t(name), count(number), width="content")
    if collection.problem:
        st.warning(escape_markdown(collection.problem), icon=":material/block:")


def promises(collection: Collection, t: Texts) -> None:
    """How its vectors were made, and of what."""
    chunking = collection.chunking
    languages = sorted(collection.languages.items(), key=lambda one: -one[1])
    rows = [
        (t("encoder"), collection.encoder),
        (t("fingerprint"), collection.fingerprint),
        (t("dims"), ", ".join(map(str, collection.dims))),
        (
            t("chunking"),
            t(
                "chunking_line",
                mode=t(f"chunking_{chunking.mode}"),
                chunk=count(chunking.chunk_tokens),
                window=count(chunking.window_tokens),
            ),
        ),
        (t("recipe"), collection.recipe),
        (t("filter_languages"), ", ".join(f"{code} ({count(chunks)})" for code, chunks in languages)),
        (t("created"), moment(collection.created, zone())),
    ]
    with st.expander(t("contract"), icon=":material/handshake:", type="compact"):
        st.html(rows_html([row for row in rows if row[1]]))


def compared(check: Check, t: Texts) -> None:
    """The outcome of a check or a repair."""
    if check.consistent:
        st.success(t("check_fine", points=count(check.points)), icon=":material/check_circle:")
        return
    if check.repaired:
        st.success(t("check_repaired"), icon=":material/build:")
    else:
        line = t("check_wrong", expected=count(check.expected_points), points=count(check.points))
        st.warning(line, icon=":material/difference:")
    for one in check.missing:
        names = ", ".join(one.names[:NAMED]) + (" …" if len(one.names) > NAMED else "")
        line = t("check_missing", names=names, found=count(one.found), expected=count(one.expected))
        st.markdown(f"- {escape_markdown(line)}")
    if check.unknown:
        lost = sum(one.points for one in check.unknown)
        st.markdown(f"- {escape_markdown(t('check_unknown', points=count(lost)))}")
    if check.hidden:
        st.markdown(f"- {escape_markdown(t('check_hidden', count=count(check.hidden)))}")
    if check.uncited:
        st.markdown(f"- {escape_markdown(t('check_uncited', count=count(check.uncited)))}")
