"""Files dropped on the page, drawn before they are ingested: what would happen, what would become of each."""

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.schemas import Preflight, Preview, PreviewChunk
from app.ui.amounts import count, duration
from app.ui.render import item_html, passage_html
from app.ui.session import attempt, client, escape_markdown, once
from app.ui.text import Texts

PER_PAGE = 10


def forecast(files: Sequence[UploadedFile], collection: str, t: Texts) -> list[Preflight]:
    """Ask the service what ingesting `files` would do, and show it as a table."""

    def ask() -> list[Preflight]:
        with st.spinner(t("looking")):
            return attempt(lambda: client().preflight(collection, [(one.name, _begin(one)) for one in files]))

    found = once("preflight", (collection, *(file.file_id for file in files)), ask)
    rows = [
        {
            t("name"): one.name,
            t("would_happen"): t(f"plan_{'new' if one.outcome == 'added' else one.outcome}"),
            t("format"): one.format or "",
            t("size"): one.size_bytes,
            t("same_as"): ", ".join(one.same_as),
        }
        for one in found
    ]
    st.dataframe(
        rows,
        hide_index=True,
        column_order=[name for name in rows[0] if any(row[name] for row in rows)],
        column_config={t("size"): st.column_config.NumberColumn(format="bytes")},
    )
    refused = [item_html(one.name, t("plan_failed"), [], error=one.error) for one in found if one.error]
    if refused:
        st.html("".join(refused))
    return found


def preview(files: Sequence[UploadedFile], collection: str, t: Texts) -> None:
    """Show what would become of a chosen one of `files`."""
    number = st.selectbox(
        t("look_into"),
        range(len(files)),
        index=None,
        placeholder=t("choose_file"),
        format_func=lambda one: files[one].name,
        key=f"look-{len(files)}",
    )
    if number is None:
        return
    file = files[number]

    def ask() -> Preview:
        with st.spinner(t("looking")):
            return attempt(lambda: client().preview(collection, file.name, _begin(file)))

    show(once("preview", (collection, file.file_id), ask), t)


def show(seen: Preview, t: Texts) -> None:
    """A file as it would be stored: its passages, and the elements they were cut from."""
    line = t(
        "preview_line",
        elements=count(seen.element_count),
        chunks=count(seen.chunk_count),
        tokens=count(seen.token_count),
        seconds=duration(seen.seconds),
    )
    st.markdown(f"**{escape_markdown(seen.title)}** · {escape_markdown(seen.language)}")
    st.caption(escape_markdown(line))
    passages, elements = st.tabs([t("chunks"), t("elements")])
    with passages:
        first, last = _part(len(seen.chunks), seen.chunk_count, "preview_chunks", t)
        st.html("".join(_chunk(chunk, seen.chunk_tokens, t) for chunk in seen.chunks[first:last]) or " ")
    with elements:
        first, last = _part(len(seen.elements), seen.element_count, "preview_elements", t)
        st.html(
            "".join(
                item_html(
                    "",
                    t(f"element_{element.kind}"),
                    [
                        t("page_number", page=element.page) if element.page else "",
                        t("unseen") if element.unseen else "",
                    ],
                    note=element.text + (" …" if element.capped else ""),
                )
                for element in seen.elements[first:last]
            )
            or " "
        )


def _part(shown: int, total: int, key: str, t: Texts) -> tuple[int, int]:
    """The part of a long list that the reader turned to."""
    if total > shown:
        st.caption(t("first_of", count=count(shown), total=count(total)))
    number = 1
    if shown > PER_PAGE:
        number = st.pagination(-(-shown // PER_PAGE), key=key)
    return (number - 1) * PER_PAGE, number * PER_PAGE


def _chunk(chunk: PreviewChunk, most: int, t: Texts) -> str:
    return passage_html(
        chunk.text,
        chunk.heading,
        t("page_number", page=chunk.page) if chunk.page else "",
        language=chunk.language,
        unseen=t("unseen") if chunk.unseen else "",
        figures=t("tokens_of", tokens=chunk.tokens, most=most),
        share=chunk.tokens / most,
    )


def _begin(file: UploadedFile) -> UploadedFile:
    """The file, to be read from its start once more."""
    file.seek(0)
    return file
