"""Search: a question, filters, and the passages that are nearest."""

import streamlit as st

from app.evaluation.schemas import Feedback
from app.schemas import Collection, Hit, Ranking, SearchRequest, SearchResponse
from app.ui.render import hit_html
from app.ui.session import (
    attempt,
    choose_collection,
    client,
    escape_markdown,
    link_to,
    require_searchable,
    texts,
)

PER_PAGE = 10
MOST_PAGES = 5
EXACT = "exact"
RANKINGS: tuple[Ranking, ...] = ("hybrid", "dense", "lexical")

t = texts()


def ask_for(collection: Collection, query: str) -> tuple[SearchRequest, int]:
    """The request that the widgets describe, and the number of its page of results."""
    with st.expander(t("filters"), icon=":material/tune:"):
        by_count = sorted(collection.languages, key=lambda code: -collection.languages[code])
        languages = st.pills(
            t("filter_languages"),
            by_count,
            selection_mode="multi",
            format_func=lambda code: f"{code} ({collection.languages[code]})",
            key="languages",
            bind="query-params",
        )
        documents = {
            document.id: document.name
            for document in attempt(lambda: client().documents(collection.name, limit=1000)).documents
        }
        chosen = st.multiselect(
            t("filter_documents"), list(documents), format_func=documents.__getitem__, key="documents"
        )
        ranking = st.segmented_control(
            t("ranking"),
            RANKINGS,
            default="hybrid",
            required=True,
            format_func=lambda one: t(f"ranking_{one}"),
            help=t("ranking_help"),
            key="ranking",
            bind="query-params",
        )
        efforts = [*(str(dim) for dim in collection.dims), EXACT]
        effort = st.segmented_control(
            t("dims"),
            efforts,
            default=efforts[0],
            required=True,
            format_func=lambda one: t("exact") if one == EXACT else t("full", dim=one),
            help=t("dims_help"),
            key="dims",
            bind="query-params",
        )
    number = int(st.session_state.get("page", 1))
    request = SearchRequest(
        query=query,
        ranking=ranking,
        collection=collection.name,
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
        dim=None if effort == EXACT else int(effort),
        exact=effort == EXACT,
        languages=list(languages),
        documents=chosen,
    )
    return request, number


def show(response: SearchResponse, first: int) -> None:
    if response.warning:
        st.warning(escape_markdown(response.warning), icon=":material/translate:")
    if not response.hits:
        st.info(t("no_hits"), icon=":material/search_off:")
        return
    st.caption(
        t(
            "search_line",
            dim=response.dim,
            mode=t(f"mode_{response.mode}"),
            encode=round(response.timing.encode_ms),
            search=max(1, round(response.timing.search_ms)),
        )
    )
    for number, hit in enumerate(response.hits, first):
        others = ", ".join(source.name for source in hit.sources[1:])
        with st.container(border=True):
            st.html(
                hit_html(
                    hit,
                    number,
                    page=t("page_number", page=hit.page) if hit.page else "",
                    also_in=t("also_in", names=others) if others else "",
                    marks=hit.marks,
                    unseen=t("unseen") if hit.unseen else "",
                )
            )
            with st.container(horizontal=True, horizontal_alignment="distribute"):
                link_to(hit, t("open"))
                ask_opinion(hit)


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


st.title(t("search_title"))
collection = choose_collection(t)
require_searchable(collection, t)
query = st.text_input(
    t("search_title"),
    placeholder=t("search_placeholder"),
    label_visibility="collapsed",
    icon=":material/search:",
    max_chars=4000,
    key="q",
    bind="query-params",
)
if not query.strip():
    st.caption(t("search_hint"))
    st.stop()
request, number = ask_for(collection, query)
response = attempt(lambda: client().search(request))
show(response, request.offset + 1)
if number > 1 or len(response.hits) == PER_PAGE:
    st.pagination(MOST_PAGES if len(response.hits) == PER_PAGE else number, key="page")
