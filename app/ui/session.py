"""What every page needs: the client, the texts, the collection in use, and what to say when there is none."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import streamlit as st

from app.client import Client, ServiceError
from app.schemas import Collection, Hit
from app.settings import Settings, reveal
from app.ui.conversations import Conversations
from app.ui.text import Texts, best_language

R = TypeVar("R")


@st.cache_resource
def client() -> Client:
    """One connection pool for all visitors."""
    settings = Settings()
    return Client(settings.service_url, reveal(settings.api_key))


@st.cache_resource
def conversations() -> Conversations:
    """Those of all visitors."""
    return Conversations(lambda request: client().answer(request))


def texts() -> Texts:
    """The page's language: `?lang=`, which stays from page to page, then the browser's."""
    asked = st.query_params.get("lang") or st.session_state.get("lang")
    if asked:
        st.query_params["lang"] = st.session_state["lang"] = asked
    return Texts(best_language(asked, st.context.locale))


def choose_collection(t: Texts) -> Collection:
    """The collection in use, picked where there are several; stops the page if there is none to use."""
    collections = attempt(client().collections)
    if not collections:
        nothing_yet(t("no_collections"), t)
    names = [collection.name for collection in collections]
    if st.session_state.get("collection") not in names:
        st.session_state.pop("collection", None)
    name = names[0]
    if len(names) > 1:
        name = st.selectbox(t("collection"), names, key="collection", bind="query-params")
    return next(collection for collection in collections if collection.name == name)


def require_searchable(collection: Collection, t: Texts) -> None:
    """Stops the page with what to do if nothing can be found in the collection."""
    if collection.problem:
        st.warning(escape_markdown(t("other_encoder", problem=collection.problem)), icon=":material/block:")
        st.stop()
    if not collection.chunks:
        nothing_yet(t("no_documents"), t)


def nothing_yet(message: str, t: Texts) -> None:
    """An empty page that says what to do next."""
    st.info(message, icon=":material/inbox:")
    st.page_link("views/ingest.py", label=t("go_ingest"), icon=":material/upload_file:", query_params=kept())
    st.stop()


def kept(**more: str) -> dict[str, str]:
    """Query parameters that go along from page to page, and `more`."""
    along = {key: st.query_params[key] for key in ("lang", "collection") if key in st.query_params}
    return {**along, **more}


def link_to(hit: Hit, label: str) -> None:
    """A link to the passage in its document."""
    st.page_link(
        "views/document.py",
        label=label,
        icon=":material/menu_book:",
        query_params=kept(document=hit.sources[0].document, passage=str(hit.position)),
    )


def attempt(call: Callable[[], R]) -> R:
    """The result of a call to the service; its error is shown and ends the page."""
    try:
        return call()
    except ServiceError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        st.stop()


def once(name: str, about: Hashable, call: Callable[[], R]) -> R:
    """The result of `call`, kept for this visitor until `about` changes: reruns don't ask again."""
    kept_one: tuple[Hashable, R] | None = st.session_state.get(name)
    if kept_one is None or kept_one[0] != about:
        kept_one = st.session_state[name] = (about, call())
    return kept_one[1]


def from_url(key: str, options: Sequence[str], *, single: bool = False) -> None:
    """Give the widget `key`, which is drawn next, the choices that the URL names, where it changed.

    Streamlit's own binding writes choices as the page words them: other counts, or another language of the
    page, and a shared link says nothing.
    """
    named = st.query_params.get_all(key)
    if named == st.session_state.get(f"url-{key}", []):
        return
    known = [one for one in named if one in options]
    if not single:
        st.session_state[key] = known
    elif known:
        st.session_state[key] = known[0]
    else:
        st.session_state.pop(key, None)


def to_url(key: str, chosen: Sequence[str]) -> None:
    """Let the URL name what is chosen; nothing, where that is how the page begins."""
    if st.query_params.get_all(key) != list(chosen):
        if chosen:
            st.query_params[key] = list(chosen)
        else:
            st.query_params.pop(key, None)
    st.session_state[f"url-{key}"] = list(chosen)


def zone() -> str | None:
    """The browser's time zone, such as "Asia/Tokyo"."""
    return st.context.timezone


def escape_markdown(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is: names and messages are data, not markup.

    >>> escape_markdown("![x](http://e)")
    '\\\\!\\\\[x\\\\]\\\\(http\\\\:\\\\/\\\\/e\\\\)'
    """
    return "".join(f"\\{character}" if character in _MARKDOWN else character for character in text)


_MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~$:/&=\"'@")
