"""A document as it was read: its passages in order, the opened one first in sight."""

import streamlit as st

from app.schemas import Passage
from app.ui.render import passage_html
from app.ui.session import attempt, client, escape_markdown, texts

BEFORE, AFTER = 1, 2
"""Passages around the opened one."""

t = texts()


def show(passage: Passage, *, opened: bool = False) -> None:
    page = t("page_number", page=passage.page) if passage.page else ""
    st.html(passage_html(passage.text, passage.heading, page, opened=opened))


wanted = st.query_params.get("document")
if not wanted:
    st.info(t("no_document"), icon=":material/menu_book:")
    st.stop()
document_id: str = wanted
found = attempt(lambda: client().document(document_id))
document = found.document
st.title(escape_markdown(document.title or document.name))
st.caption(
    escape_markdown(" · ".join([document.name, document.language or "", f"{document.chunks} {t('chunks')}"]))
)
if document.error:
    st.error(escape_markdown(document.error), icon=":material/error:")

at = st.query_params.get("passage", "")
if at.isdigit() and int(at) < len(found.passages):
    st.subheader(t("found_passage"))
    opened = int(at)
    for passage in found.passages[max(0, opened - BEFORE) : opened + AFTER + 1]:
        show(passage, opened=passage.position == opened)
with st.expander(t("all_passages"), icon=":material/menu_book:", expanded=not at.isdigit()):
    for passage in found.passages:
        show(passage)
if st.button(t("download"), icon=":material/download:"):
    original = attempt(lambda: client().original(document.id))
    st.download_button(document.name, original, file_name=document.name, mime="application/octet-stream")
