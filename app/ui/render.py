"""Hits and passages -> HTML. The only place that makes any; everything from a document is escaped here."""

from collections.abc import Sequence
from html import escape

from app.schemas import Hit

STYLE = """
<style>
.stMainBlockContainer {padding-top: 3.2rem}
.kalm-meta {color: color-mix(in srgb, currentColor 62%, transparent); font-size: .84rem;
  overflow-wrap: anywhere}
.kalm-title {font-weight: 650; font-size: 1.06rem; overflow-wrap: anywhere}
.kalm-text {line-height: 1.6; margin: .45rem 0 .2rem; white-space: pre-line; overflow-wrap: anywhere;
  max-width: 75ch}
.kalm-text mark {background: color-mix(in srgb, #f5b301 38%, transparent); color: inherit;
  border-radius: 3px; padding: 0 .1em}
.kalm-badge {display: inline-block; border: 1px solid color-mix(in srgb, currentColor 28%, transparent);
  border-radius: 999px; padding: 0 .55em; font-size: .76rem; line-height: 1.5; margin-inline-end: .35em}
.kalm-number {display: inline-block; min-width: 1.55em; text-align: center; border-radius: 6px;
  background: color-mix(in srgb, #0f766e 18%, transparent); font-weight: 650; font-size: .84rem;
  margin-inline-end: .45em}
.kalm-bar {display: inline-block; width: 4.2rem; height: .38rem; border-radius: 4px; vertical-align: middle;
  background: color-mix(in srgb, currentColor 14%, transparent); margin-inline: .1rem .4rem}
.kalm-bar i {display: block; height: 100%; border-radius: 4px; background: #0f766e}
.kalm-passage {padding: .1rem .9rem; margin-bottom: .5rem; border-inline-start: 3px solid transparent}
.kalm-passage.opened {border-inline-start-color: #0f766e;
  background: color-mix(in srgb, #0f766e 9%, transparent); border-radius: 6px}
.kalm-rtl {direction: rtl}
</style>
"""
_SNIPPET_CHARS = 700
"""Of a hit that are shown; the rest is one click away."""


def as_figure(text: str) -> str:
    """Signs and arrows that stay where they are on a page written from the right."""
    return f"\u2066{text}\u2069"


def direction(right_to_left: bool) -> str:
    """Style that turns the page round for languages written from the right; charts stay as they are."""
    return (
        "<style>.stMain, section[data-testid='stSidebar'] {direction: rtl}"
        ".stVegaLiteChart {direction: ltr}</style>"
        if right_to_left
        else ""
    )


def hit_html(hit: Hit, number: int, *, page: str, also_in: str, marks: Sequence[tuple[int, int]]) -> str:
    """A found passage: title, where it is, its text with `marks` highlighted. `page` and `also_in` are
    in the reader's language, empty where there is nothing to say."""
    where = " › ".join(hit.heading)
    meta = [escape(hit.sources[0].name), escape(where), escape(page), escape(also_in)]
    share = round(100 * min(1.0, max(0.0, hit.score)))
    return (
        f'<div><span class="kalm-number">{number}</span>'
        f'<span class="kalm-title" dir="auto">{escape(hit.title)}</span></div>'
        f'<div class="kalm-meta" dir="auto"><span class="kalm-badge">{escape(hit.language)}</span>'
        f'<span class="kalm-bar"><i style="width:{share}%"></i></span>{hit.score:.2f} · '
        f"{' · '.join(part for part in meta if part)}</div>"
        f'<div class="kalm-text" dir="auto">{_snippet(hit.text, marks)}</div>'
    )


def passage_html(text: str, heading: Sequence[str], page: str, *, opened: bool) -> str:
    """A passage in the reading view."""
    meta = " · ".join(escape(part) for part in (" › ".join(heading), page) if part)
    name = "kalm-passage opened" if opened else "kalm-passage"
    return (
        f'<div class="{name}"><div class="kalm-meta" dir="auto">{meta}</div>'
        f'<div class="kalm-text" dir="auto">{escape(text)}</div></div>'
    )


def sentence_html(text: str, numbers: Sequence[int]) -> str:
    """A sentence of an answer with the numbers of its sources."""
    cited = "".join(f' <span class="kalm-number">{number}</span>' for number in numbers)
    return f'<div class="kalm-text" dir="auto">{escape(text)}{cited}</div>'


def plain_html(text: str) -> str:
    return f'<div class="kalm-text" dir="auto">{escape(text)}</div>'


def _snippet(text: str, marks: Sequence[tuple[int, int]]) -> str:
    """The part of the text around the first mark, escaped, with the marks in it."""
    start = 0
    if marks and marks[0][0] > _SNIPPET_CHARS // 2:
        start = text.rfind(" ", 0, marks[0][0] - 100) + 1
    end = min(len(text), start + _SNIPPET_CHARS)
    parts = ["… " if start else ""]
    at = start
    for begin, stop in marks:
        if start <= begin and stop <= end:
            parts += [escape(text[at:begin]), "<mark>", escape(text[begin:stop]), "</mark>"]
            at = stop
    parts += [escape(text[at:end]), " …" if end < len(text) else ""]
    return "".join(parts)
