"""Hits, passages, lists -> HTML. The only place that makes any; all text of documents is escaped here."""

import html
import re
from collections.abc import Sequence

from app.schemas import Hit, Sentence
from app.ui.text import RIGHT_TO_LEFT

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
.kalm-badge.bad {border-color: #dc2626; color: color-mix(in srgb, #dc2626 78%, currentColor)}
.kalm-number {display: inline-block; min-width: 1.55em; text-align: center; border-radius: 6px;
  background: color-mix(in srgb, #0f766e 18%, transparent); font-weight: 650; font-size: .84rem;
  margin-inline-end: .45em}
.kalm-support {white-space: nowrap; font-size: .78rem; font-weight: 600;
  color: color-mix(in srgb, currentColor 62%, transparent)}
.kalm-support.supported {color: color-mix(in srgb, #15803d 78%, currentColor)}
.kalm-support.weak {color: color-mix(in srgb, #b45309 78%, currentColor)}
.kalm-support.unsupported {color: color-mix(in srgb, #dc2626 78%, currentColor); white-space: normal}
.kalm-bar {display: inline-block; width: 4.2rem; height: .38rem; border-radius: 4px; vertical-align: middle;
  background: color-mix(in srgb, currentColor 14%, transparent); margin-inline: .1rem .4rem}
.kalm-bar i {display: block; height: 100%; border-radius: 4px; background: #0f766e}
.kalm-passage {padding: .1rem .9rem; margin-bottom: .5rem; border-inline-start: 3px solid transparent}
.kalm-passage.opened {border-inline-start-color: #0f766e;
  background: color-mix(in srgb, #0f766e 9%, transparent); border-radius: 6px}
.kalm-text[dir=rtl] {margin-inline: 0 auto}
.kalm-item {padding: .3rem 0; border-top: 1px solid color-mix(in srgb, currentColor 12%, transparent);
  overflow-wrap: anywhere}
.kalm-item p {margin: .15rem 0 .1rem; line-height: 1.45}
.kalm-item p.bad {color: color-mix(in srgb, #dc2626 78%, currentColor)}
.kalm-rows {border-collapse: collapse; width: 100%; max-width: 34rem; font-size: .92rem}
.kalm-rows td, .kalm-rows th {padding: .2rem .6rem .2rem 0; text-align: start; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); overflow-wrap: anywhere}
.kalm-rows th {font-weight: 500; white-space: nowrap;
  color: color-mix(in srgb, currentColor 62%, transparent)}
</style>
"""
WIDE = """
<style>
.stMainBlockContainer {max-width: 76rem; margin-inline: auto}
[data-testid="stImage"] img {border: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  border-radius: 6px}
</style>
"""
"""Of the pages with tables and pictures: wider than a text, not as wide as a large screen."""
_TURNED = """
<style>
.stMain, section[data-testid='stSidebar'] {direction: rtl}
.stApp .stElementContainer, .stApp .stElementContainer * {text-align: start}
.stVegaLiteChart {direction: ltr}
</style>
"""
_OVERRIDES = re.compile("[\u202a-\u202e]")
_SIGNS = {"supported": "✓", "weak": "≈", "unsupported": "✗", "unchecked": "?"}
FOCUS = """
<script>
if (!window.kalmSlash) {
  window.kalmSlash = true;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, [contenteditable=true]");
    const box = document.querySelector(".stMain .stTextInput input");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && box) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  });
}
</script>
"""
"""The key "/" leads to the question; nothing of a document is ever in here."""
_SNIPPET_CHARS = 700
"""Of a hit that are shown; the rest is one click away."""


def escape(text: str) -> str:
    """Text as text, read in the order it is stored: neither markup nor a turned line comes of it."""
    return html.escape(_OVERRIDES.sub("", text))


def as_figure(text: str) -> str:
    """Signs and arrows that stay where they are on a page written from the right."""
    return f"\u2066{text}\u2069"


def direction(right_to_left: bool) -> str:
    """Style that turns the page round for languages written from the right; charts stay as they are."""
    return _TURNED if right_to_left else ""


def hit_html(
    hit: Hit, number: int, *, page: str, also_in: str, marks: Sequence[tuple[int, int]], unseen: str = ""
) -> str:
    """A found passage: title, where it is, its text with `marks` highlighted. `page`, `also_in` and
    `unseen` are in the reader's language, empty where there is nothing to say."""
    where = " › ".join(hit.heading)
    meta = [escape(hit.sources[0].name), escape(where), escape(page), escape(also_in)]
    share = round(100 * min(1.0, max(0.0, hit.score)))
    badges = f'<span class="kalm-badge">{escape(hit.language)}</span>{_warning(unseen)}'
    return (
        f'<div><span class="kalm-number">{number}</span>'
        f'<span class="kalm-title" dir="auto">{escape(hit.title)}</span></div>'
        f'<div class="kalm-meta" dir="auto">{badges}'
        f'<span class="kalm-bar"><i style="width:{share}%"></i></span>{hit.score:.2f} · '
        f"{' · '.join(part for part in meta if part)}</div>"
        f'<div class="kalm-text" dir="{reading(hit.language)}">{_snippet(hit.text, marks)}</div>'
    )


def passage_html(
    text: str,
    heading: Sequence[str],
    page: str,
    *,
    opened: bool = False,
    language: str = "",
    unseen: str = "",
    figures: str = "",
    share: float | None = None,
    marks: Sequence[tuple[int, int]] = (),
) -> str:
    """A passage in the reading view; `share` (0 to 1) draws a bar before `figures`; `unseen` warns. With
    `marks` only the part around the first of them is shown."""
    bar = ""
    if share is not None:
        bar = f'<span class="kalm-bar"><i style="width:{round(100 * min(1.0, max(0.0, share)))}%"></i></span>'
    badge = f'<span class="kalm-badge">{escape(language)}</span>' if language else ""
    badge += _warning(unseen)
    meta = " · ".join(escape(part) for part in (" › ".join(heading), page, figures) if part)
    shown = _snippet(text, marks) if marks else escape(text)
    name = "kalm-passage opened" if opened else "kalm-passage"
    return (
        f'<div class="{name}" dir="{reading(language)}"><div class="kalm-meta">{badge}{bar}{meta}</div>'
        f'<div class="kalm-text" dir="{reading(language)}">{shown}</div></div>'
    )


def _warning(said: str) -> str:
    return f'<span class="kalm-badge bad">{escape(said)}</span>' if said else ""


def reading(language: str) -> str:
    """The `dir` of a text: its first letter may be of another script than the rest."""
    return "rtl" if language in RIGHT_TO_LEFT else "auto"


def item_html(name: str, badge: str, figures: Sequence[str], *, error: str = "", note: str = "") -> str:
    """A line of a long list: what it is, how it went, and what there is to say about it."""
    meta = " · ".join(escape(figure) for figure in figures if figure)
    said = f'<p class="bad" dir="auto">{escape(error)}</p>' if error else ""
    said += f'<p class="kalm-meta" dir="auto">{escape(note)}</p>' if note else ""
    return (
        f'<div class="kalm-item"><span class="kalm-badge">{escape(badge)}</span>'
        f'<bdi>{escape(name)}</bdi> <span class="kalm-meta">{meta}</span>{said}</div>'
    )


def rows_html(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """A small table; the first cell of a row names it."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = [f"<tr>{top}</tr>"] if head else []
    for first, *others in rows:
        cells = "".join(f'<td><span dir="auto">{escape(cell)}</span></td>' for cell in others)
        lines.append(f"<tr><th>{escape(first)}</th>{cells}</tr>")
    return f'<table class="kalm-rows">{"".join(lines)}</table>'


def sentence_html(sentence: Sentence, mark: str) -> str:
    """A sentence of an answer with the numbers of its sources, and in words how they bear it out."""
    cited = "".join(f' <span class="kalm-number">{number}</span>' for number in sentence.citations)
    support = (
        f'<span class="kalm-support {sentence.support}">{_SIGNS[sentence.support]} {escape(mark)}</span>'
    )
    return f'<div class="kalm-text" dir="auto"><bdi>{escape(sentence.text)}</bdi>{cited} {support}</div>'


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
