"""An answer that has ended, however it did, with its sources."""

import streamlit as st

from app.schemas import Answer, Sentence
from app.ui.conversations import Turn
from app.ui.render import hit_html, plain_html, sentence_html
from app.ui.session import escape_markdown, link_to
from app.ui.text import Texts


def show(turn: Turn, model: str | None, t: Texts) -> None:
    if turn.answer is not None:
        show_answer(turn.answer, model, t)
        return
    if turn.text:
        st.html(plain_html(turn.text))
    if turn.state == "failed":
        st.error(escape_markdown(turn.error), icon=":material/error:")
    else:
        st.caption(t("stopped"))


def show_answer(answer: Answer, model: str | None, t: Texts) -> None:
    if answer.warning:
        st.warning(escape_markdown(answer.warning), icon=":material/translate:")
    if answer.searched_for:
        st.caption(escape_markdown(t("searched_for", question=answer.searched_for)))
    if answer.mode == "nothing_found":
        st.info(t("nothing_found"), icon=":material/search_off:")
        return
    for sentence in answer.sentences:
        st.html(sentence_html(sentence, support(sentence, t)))
    line = t("quotes_only") if answer.mode == "extractive" else t("written_by", model=model)
    if answer.removed_citations:
        line += " " + t("removed_citations", count=answer.removed_citations)
    if answer.mode == "llm":
        line += " " + t("support_hint")
    st.caption(escape_markdown(line))
    with st.expander(t("sources"), icon=":material/format_quote:", expanded=True):
        for citation in answer.citations:
            hit = citation.hit
            page = t("page_number", page=hit.page) if hit.page else ""
            unseen = t("unseen") if hit.unseen else ""
            st.html(
                hit_html(hit, citation.number, page=page, also_in="", marks=citation.quotes, unseen=unseen)
            )
            link_to(hit, t("open"))


def support(sentence: Sentence, t: Texts) -> str:
    """How far its sources bear a sentence out, in words."""
    if not sentence.citations:
        return t("support_uncited")
    if sentence.missing:
        return t("support_missing", numbers=", ".join(sentence.missing))
    return t(f"support_{sentence.support}")
