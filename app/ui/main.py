"""The page's frame: menu, language, and what it runs on."""

import streamlit as st

from app.ui.render import STYLE, direction
from app.ui.session import attempt, client, escape_markdown, texts
from app.ui.text import NAMES, RIGHT_TO_LEFT, Texts

t = texts()
st.set_page_config(page_title=t("app"), page_icon=":material/travel_explore:", layout="centered")
st.html(STYLE + direction(t.language in RIGHT_TO_LEFT))

page = st.navigation(
    {
        t("nav_use"): [
            st.Page("pages/search.py", title=t("nav_search"), icon=":material/search:", default=True),
            st.Page("pages/ask.py", title=t("nav_ask"), icon=":material/forum:"),
        ],
        t("nav_manage"): [
            st.Page("pages/library.py", title=t("nav_library"), icon=":material/library_books:"),
            st.Page("pages/ingest.py", title=t("nav_ingest"), icon=":material/upload_file:"),
            st.Page("pages/evaluation.py", title=t("nav_evaluation"), icon=":material/speed:"),
            st.Page("pages/lab.py", title=t("nav_lab"), icon=":material/straighten:"),
            st.Page("pages/document.py", title=t("nav_document"), visibility="hidden"),
        ],
    }
)


def runs_on(t: Texts) -> None:
    """Which encoder, index and language model answer here: always in sight."""
    health = attempt(client().status)
    encoder = health.encoder
    if encoder.english_only:
        st.warning(escape_markdown(t("english_only")), icon=":material/translate:")
    facts = {
        t("encoder"): f"{encoder.name} · {encoder.languages} · {encoder.device}",
        t("index"): health.index,
        t("language_model"): health.llm or t("no_language_model"),
    }
    st.caption("  \n".join(f"**{name}** {escape_markdown(value)}" for name, value in facts.items()))


with st.sidebar:
    languages = sorted(NAMES)
    chosen = st.selectbox(
        t("page_language"),
        languages,
        index=languages.index(t.language),
        format_func=NAMES.__getitem__,
    )
    if chosen != t.language:
        st.query_params["lang"] = chosen
        st.rerun()
    runs_on(t)

page.run()
