"""The page's frame: menu, language, and what it runs on."""

import streamlit as st

from app.ui.render import STYLE, WIDE, direction
from app.ui.session import attempt, client, escape_markdown, texts
from app.ui.text import NAMES, RIGHT_TO_LEFT, Texts

t = texts()
manage = [
    st.Page("views/ingest.py", title=t("nav_ingest"), icon=":material/upload_file:"),
    st.Page("views/jobs.py", title=t("nav_jobs"), icon=":material/progress_activity:"),
    st.Page("views/library.py", title=t("nav_library"), icon=":material/library_books:"),
    st.Page("views/collections.py", title=t("nav_collections"), icon=":material/inventory_2:"),
    st.Page("views/evaluation.py", title=t("nav_evaluation"), icon=":material/speed:"),
    st.Page("views/training.py", title=t("nav_training"), icon=":material/model_training:"),
    st.Page("views/lab.py", title=t("nav_lab"), icon=":material/straighten:"),
    st.Page("views/document.py", title=t("nav_document"), visibility="hidden"),
]
use = [
    st.Page("views/search.py", title=t("nav_search"), icon=":material/search:", default=True),
    st.Page("views/ask.py", title=t("nav_ask"), icon=":material/forum:"),
]
page = st.navigation({t("nav_use"): use, t("nav_manage"): manage})
wide = page in manage
st.set_page_config(
    page_title=t("app"), page_icon=":material/travel_explore:", layout="wide" if wide else "centered"
)
st.html(STYLE + (WIDE if wide else "") + direction(t.language in RIGHT_TO_LEFT))


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
