"""A document as it was read: its passages in order, for a pdf beside the picture of their page."""

from collections.abc import Sequence

import streamlit as st

from app.schemas import Document, Passage
from app.ui.render import passage_html
from app.ui.session import attempt, client, escape_markdown, texts

BEFORE, AFTER = 1, 2
"""Passages around the opened one."""
PER_PAGE = 50

t = texts()


def show(passages: Sequence[Passage], opened: int | None) -> None:
    st.html(
        "".join(
            passage_html(
                passage.text,
                passage.heading,
                t("page_number", page=passage.page) if passage.page else "",
                opened=passage.position == opened,
                language=passage.language,
                unseen=t("unseen") if passage.unseen else "",
            )
            for passage in passages
        )
    )


def page_by_page(document: Document, passages: Sequence[Passage], opened: int | None) -> None:
    """The picture of a page, the opened passage highlighted, beside the passages that begin on it."""
    key = f"page-{document.id}-{opened}"
    begin = next((one.page for one in passages if one.position == opened and one.page), 1)
    number = int(st.session_state.get(key, begin))
    picture, pages = attempt(lambda: client().picture(document.id, number, opened))
    if pages > 1:
        st.pagination(pages, default=begin, key=key)
    left, right = st.columns(2, gap="medium")
    line = t("page_of", page=number, pages=pages)
    left.image(picture, caption=line, width="stretch", alt=line)
    with right:
        here = [passage for passage in passages if passage.page == number]
        if not here:
            st.caption(t("no_passage_here"))
        else:
            show(here, opened)


def all_of_them(passages: Sequence[Passage], opened: int | None, *, expanded: bool) -> None:
    with st.expander(
        t("all_passages"), icon=":material/menu_book:", expanded=expanded, key="all", on_change="rerun"
    ) as reading:
        if not reading.open:
            return
        first = 0
        if len(passages) > PER_PAGE:
            pages = -(-len(passages) // PER_PAGE)
            first = (st.pagination(pages, default=(opened or 0) // PER_PAGE + 1, key="part") - 1) * PER_PAGE
        if passages:
            show(passages[first : first + PER_PAGE], opened)


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
if document.stale:
    st.caption(t("state_stale"))

at = st.query_params.get("passage", "")
opened = int(at) if at.isdigit() and int(at) < len(found.passages) else None
if found.has_pictures:
    page_by_page(document, found.passages, opened)
elif opened is not None:
    st.subheader(t("found_passage"))
    show(found.passages[max(0, opened - BEFORE) : opened + AFTER + 1], opened)
all_of_them(found.passages, opened, expanded=opened is None and not found.has_pictures)
st.download_button(
    t("download"),
    lambda: client().original(document.id),
    file_name=document.name,
    mime="application/octet-stream",
    icon=":material/download:",
    on_click="ignore",
)
