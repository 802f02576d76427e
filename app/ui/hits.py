"""Found passages: a card for each, what else its document has, and how they were found."""

from collections.abc import Callable

import streamlit as st

from app.schemas import Explanation, Hit, SearchResponse
from app.ui.render import as_figure, hit_html, passage_html, rows_html
from app.ui.session import escape_markdown, link_to
from app.ui.text import Texts

Opinion = Callable[[Hit], None]
"""Asks what somebody thinks of a hit."""


def show(response: SearchResponse, first: int, t: Texts, opinion: Opinion | None) -> None:
    """All hits of a page; the first has the number `first`."""
    if response.warning:
        st.warning(escape_markdown(response.warning), icon=":material/translate:")
    if response.reranker_problem:
        problem = t("not_reranked", problem=response.reranker_problem)
        st.warning(escape_markdown(problem), icon=":material/sort:")
    if not response.hits:
        st.info(t("no_hits"), icon=":material/search_off:")
        return
    said: dict[str, object] = {
        "dim": response.dim,
        "mode": t(f"mode_{response.mode}"),
        "search": max(1, round(response.timing.search_ms)),
    }
    encode_ms = response.timing.encode_ms
    line = t("search_line", **said, encode=round(encode_ms)) if encode_ms else t("similar_line", **said)
    by = [t("reranked_by", name=response.reranker)] if response.reranker else []
    st.caption(escape_markdown(" · ".join([line, *by])))
    for number, hit in enumerate(response.hits, first):
        card(hit, number, t, opinion, explained=response.explain is not None)
    if response.explain:
        with st.expander(t("how_found"), icon=":material/account_tree:", key="found"):
            st.html(rows_html(_explained(response.explain, t)))


def card(hit: Hit, number: int, t: Texts, opinion: Opinion | None, *, explained: bool) -> None:
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
        if explained:
            st.caption(escape_markdown(_legs(hit, t)))
        with st.container(horizontal=True, vertical_alignment="center"):
            link_to(hit, t("open"))
            _more_like(hit, t)
            if opinion:
                opinion(hit)
        if hit.more:
            more(hit, t)


def more(hit: Hit, t: Texts) -> None:
    """The document's further passages, folded."""
    with st.expander(t("more_passages", count=hit.others), icon=":material/unfold_more:"):
        for one in hit.more:
            st.html(
                passage_html(
                    one.text,
                    one.heading,
                    t("page_number", page=one.page) if one.page else "",
                    language=one.language,
                    unseen=t("unseen") if one.unseen else "",
                    figures=f"{one.score:.2f}",
                    share=one.score,
                    marks=one.marks,
                )
            )
            link_to(one, t("open"))
        if hit.others > len(hit.more):
            st.caption(t("more_behind", count=hit.others - len(hit.more)))


def _more_like(hit: Hit, t: Texts) -> None:
    passage = f"{hit.sources[0].document}.{hit.position}"

    def ask() -> None:
        st.query_params["like"] = passage

    # a link to the page one is on does nothing
    st.button(
        t("more_like"), icon=":material/join_inner:", type="tertiary", key=f"like-{passage}", on_click=ask
    )


def _legs(hit: Hit, t: Texts) -> str:
    """Rank and score in each ranking that has it."""
    legs = {
        t("ranking_dense"): hit.dense,
        t("ranking_lexical"): hit.lexical,
        t("reranker"): hit.rerank,
        t("variety"): hit.diverse,
    }
    return " · ".join(
        f"{name} {as_figure(f'#{leg.rank} ({leg.score:.2f})')}" for name, leg in legs.items() if leg
    )


def _explained(said: Explanation, t: Texts) -> list[tuple[str, str]]:
    names = {"dense": t("ranking_dense"), "lexical": t("ranking_lexical")}
    rows = [
        (t("candidates"), ", ".join(f"{names[one]}: {count}" for one, count in said.candidates.items())),
        (t("rounds"), str(said.levels)),
        (
            t("compared_dims"),
            as_figure(" → ".join([*map(str, said.dims)]) + (f" ({said.finder})" if said.finder else "")),
        ),
        (t("filters"), "; ".join(f"{name}: {', '.join(values)}" for name, values in said.filters.items())),
        (t("joined_by"), ", ".join(f"{name} {value:.3g}" for name, value in said.join.items())),
        (t("reranker"), str(said.reranked) if said.reranked else ""),
        (t("diversity"), f"{said.diversity:g}" if said.diversity else ""),
        (t("steps"), ", ".join(f"{step} {took_ms:.1f} ms" for step, took_ms in said.steps_ms.items())),
    ]
    return [row for row in rows if row[1]]
