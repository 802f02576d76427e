"""Search: a question or a passage, filters, and the passages that are nearest."""

import re
from typing import Any

import streamlit as st

from app.evaluation.schemas import Feedback
from app.schemas import Collection, Hit, SearchRequest, SimilarRequest
from app.ui import hits
from app.ui.narrowing import narrow
from app.ui.render import FOCUS, passage_html
from app.ui.session import (
    attempt,
    choose_collection,
    client,
    escape_markdown,
    require_searchable,
    texts,
)

_PASSAGE = re.compile(r"([0-9a-f-]{36})\.(\d{1,9})")
"""A document's id and a position in it, as `?like=` has them."""
PER_PAGE = 10
MOST_PAGES = 5

t = texts()


def page_of(asked: dict[str, Any]) -> int:
    """The number of the page of results; another question begins at its first."""
    about = repr(asked)
    if st.session_state.get("search_of", about) != about:
        st.session_state["page"] = 1
    st.session_state["search_of"] = about
    at = st.session_state.get("page") or st.query_params.get("page", "1")
    return int(at) if str(at).isdigit() and int(at) else 1


def pages(found: int, number: int) -> None:
    """Below the hits, where there is another page."""
    if number > 1 or found == PER_PAGE:
        most = max(number, MOST_PAGES) if found == PER_PAGE else number
        st.pagination(most, default=number, key="page", bind="query-params")


def ask_opinion(hit: Hit) -> None:
    """Thumbs: those up become queries on the evaluation page."""
    document = hit.sources[0].document
    key = f"thumb-{document}-{hit.position}-{query}"

    def keep() -> None:
        thumb = {0: "down", 1: "up"}.get(st.session_state[key])
        given = Feedback.model_validate(
            {"query": query, "document": document, "passage": hit.position, "thumb": thumb}
        )
        attempt(lambda: client().give_feedback(given))

    st.feedback("thumbs", key=key, on_change=keep)


def by_query(collection: Collection, query: str) -> None:
    asked = {"query": query, "collection": collection.name, **narrow(collection, t, by_query=True)}
    number = page_of(asked)
    request = SearchRequest.model_validate({**asked, "limit": PER_PAGE, "offset": (number - 1) * PER_PAGE})
    response = attempt(lambda: client().search(request))
    hits.show(response, request.offset + 1, t, ask_opinion)
    pages(len(response.hits), number)


def by_passage(collection: Collection, document: str, place: int) -> None:
    found = attempt(lambda: client().document(document))
    passages = [passage for passage in found.passages if passage.position == place]
    st.subheader(escape_markdown(t("like_title", title=found.document.title or found.document.name)))
    for passage in passages:
        st.html(passage_html(passage.text, passage.heading, "", opened=True, language=passage.language))
    st.button(t("back_to_search"), icon=":material/arrow_back:", on_click=ask_instead)
    asked = {"document": document, "passage": place, **narrow(collection, t, by_query=False)}
    number = page_of(asked)
    request = SimilarRequest.model_validate({**asked, "limit": PER_PAGE, "offset": (number - 1) * PER_PAGE})
    response = attempt(lambda: client().similar(request))
    hits.show(response, request.offset + 1, t, None)
    pages(len(response.hits), number)


def ask_instead() -> None:
    """The passage is no longer asked for."""
    st.query_params.pop("like", None)


st.title(t("search_title"))
collection = choose_collection(t)
require_searchable(collection, t)
st.html(FOCUS, unsafe_allow_javascript=True)
query = st.text_input(
    t("search_title"),
    placeholder=t("search_placeholder"),
    label_visibility="collapsed",
    icon=":material/search:",
    max_chars=4000,
    key="q",
    bind="query-params",
    on_change=ask_instead,
)
if like := _PASSAGE.fullmatch(st.query_params.get("like", "")):
    by_passage(collection, like[1], int(like[2]))
elif query and query.strip():
    by_query(collection, query)
else:
    st.caption(t("search_hint"))
