"""Ask: a conversation in which every sentence of an answer names its source."""

import streamlit as st

from app.schemas import AnswerRequest
from app.ui.answers import show
from app.ui.conversations import Conversation, Turn
from app.ui.render import plain_html
from app.ui.session import choose_collection, client, conversations, require_searchable, texts

SOON_S = 0.4
"""Most answers without a language model are there by then, and are drawn at once."""
POLL_S = 0.3

t = texts()


def current() -> Conversation | None:
    """The one in the address, else the one this visitor had open; None if there is none any more."""
    wanted = st.query_params.get("conversation") or st.session_state.get("conversation")
    found = conversations().find(wanted) if wanted else None
    if found is None:
        forget()
        return None
    st.query_params["conversation"] = st.session_state["conversation"] = found.id
    return found


def forget() -> None:
    st.session_state.pop("conversation", None)
    st.query_params.pop("conversation", None)


@st.fragment(run_every=POLL_S)
def follow(turn: Turn) -> None:
    """The answer as it comes; the page is drawn anew at its end."""
    if turn.wait(0):
        st.rerun()
    if turn.text:
        st.html(plain_html(turn.text))
    else:
        st.caption(t("answer_begins"))
    if st.button(t("stop"), icon=":material/stop_circle:"):
        turn.stop()
        st.rerun()


def offer(conversation: Conversation, model: str | None) -> None:
    """What can be done with the last answer, and with all of it."""
    last = conversation.turns[-1]
    with st.container(horizontal=True):
        if last.state != "done":
            again = st.button(t("try_again"), icon=":material/refresh:")
        else:
            written = model is not None and last.answer is not None and last.answer.mode == "llm"
            again = written and st.button(t("regenerate"), icon=":material/refresh:")
        if again:
            conversation.again().wait(SOON_S)
            st.rerun()
        if st.button(t("clear"), icon=":material/restart_alt:"):
            forget()
            st.query_params.pop("question", None)
            st.rerun()


st.title(t("ask_title"))
collection = choose_collection(t)
require_searchable(collection, t)
model = client().status().llm
conversation = current()
asked = st.chat_input(t("ask_placeholder"), max_chars=4000)
shared = st.query_params.get("question") if conversation is None else None
if question := (asked or shared or "").strip():
    conversation = conversation or conversations().begin()
    st.query_params["question"] = question
    st.query_params["conversation"] = st.session_state["conversation"] = conversation.id
    previous = [turn.request.question for turn in conversation.turns]
    request = AnswerRequest(question=question, previous=previous, collection=collection.name)
    conversation.ask(request).wait(SOON_S)

if conversation is None:
    st.caption(t("ask_hint"))
else:
    for turn in conversation.turns:
        with st.chat_message("user"):
            st.html(plain_html(turn.request.question))
        with st.chat_message("assistant"):
            if turn.state == "running":
                follow(turn)
            else:
                show(turn, model, t)
    if not conversation.running:
        offer(conversation, model)
