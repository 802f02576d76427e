"""Ask: a conversation in which every sentence of an answer names its source."""

import streamlit as st

from app.client import ServiceError
from app.schemas import Answer, AnswerRequest
from app.ui.render import hit_html, plain_html, sentence_html
from app.ui.session import (
    choose_collection,
    client,
    escape_markdown,
    link_to,
    require_searchable,
    texts,
)

t = texts()


def stream(request: AnswerRequest) -> Answer | None:
    """Show the answer while it comes; the checked one is returned. None after an error, which is shown."""
    place = st.empty()
    text = ""
    try:
        for event in client().answer(request):
            if event.text:
                text += event.text
                place.html(plain_html(text))
            if event.answer:
                place.empty()
                return event.answer
    except ServiceError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    return None


def show(answer: Answer, model: str | None) -> None:
    """The checked answer with its sources."""
    if answer.warning:
        st.warning(escape_markdown(answer.warning), icon=":material/translate:")
    if answer.mode == "nothing_found":
        st.info(t("nothing_found"), icon=":material/search_off:")
        return
    for sentence in answer.sentences:
        st.html(sentence_html(sentence.text, sentence.citations))
    line = t("quotes_only") if answer.mode == "extractive" else t("written_by", model=model)
    if answer.removed_citations:
        line += " " + t("removed_citations", count=answer.removed_citations)
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


st.title(t("ask_title"))
collection = choose_collection(t)
require_searchable(collection, t)
model = client().status().llm
conversation: list[tuple[str, Answer]] = st.session_state.setdefault("conversation", [])
if not conversation:
    st.caption(t("ask_hint"))
for question, answer in conversation:
    with st.chat_message("user"):
        st.html(plain_html(question))
    with st.chat_message("assistant"):
        show(answer, model)

asked = st.chat_input(t("ask_placeholder"), max_chars=4000)
shared = st.query_params.get("question") if not conversation else None
if question := (asked or shared or "").strip():
    st.query_params["question"] = question
    with st.chat_message("user"):
        st.html(plain_html(question))
    with st.chat_message("assistant"):
        finished = stream(AnswerRequest(question=question, collection=collection.name))
    if finished is not None:
        conversation.append((question, finished))
        st.rerun()
if conversation and st.button(t("clear"), icon=":material/restart_alt:"):
    conversation.clear()
    st.query_params.pop("question", None)
    st.rerun()
