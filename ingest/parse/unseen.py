"""Elements of a page that nobody sees: what their own style, or a class of the page's, says.

Links, media queries and whatever scripts do are not followed; a browser would be needed for them.
"""

import re
from functools import cached_property
from typing import Any

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_AT_RULE = re.compile(r"@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
"""`@media print { … }`: not for all readers."""
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_NAME = re.compile(r"(?:\w+)?([.#][\w-]+)")
"""A selector that is one class or one id."""
_HIDES = re.compile(
    r"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|opacity:0*\.?0*(?:;|$|!)"
    r"|font-size:0*(?:\.0*)?(?:px|pt|em|rem|%)?(?:;|$|!)|font-size:0?\.\d+(?:px|pt)"
    r"|(?:left|right|top|text-indent|margin-left):-\d{4,})"
)
"""In a style without spaces. Elements pushed to the side by thousands are out of every window."""
_WHITE = re.compile(
    r"(?:^|;)color:(?:white|#fff(?:fff)?|rgba?\(255,255,255(?:,[\d.]+)?\)|transparent|[^;]*,0\))(?:;|$|!)"
)
_BOXES = ("link", "body", "table", "td", "tr", "div", "p", "span", "section")
_BACKGROUND = re.compile(r"background(?:-color|-image)?:|bgcolor|stylesheet", re.IGNORECASE)


class Unseen:
    """What hides elements on one page."""

    def __init__(self, page: Any) -> None:
        sheet = _COMMENT.sub("", "\n".join(style.text or "" for style in page.iter("style")))
        self._names = {
            name[1]
            for selectors, style in _RULE.findall(_AT_RULE.sub("", sheet))
            if _HIDES.search(_closed_up(style))
            for selector in selectors.split(",")
            if (name := _NAME.fullmatch(selector.strip()))
        }
        self._page = page
        self._sheet = sheet

    @cached_property
    def _is_plain(self) -> bool:
        """Whether nothing on the page has a colour behind it: white letters are on white."""
        boxes = self._page.iter(*_BOXES)
        return not _BACKGROUND.search(self._sheet) and not any(map(_has_background, boxes))

    def hides(self, part: Any) -> bool:
        """Whether an element is hidden by itself; not whether one around it is."""
        told = dict(part.items())
        if not told:
            return False
        if "hidden" in told:
            return True
        if style := told.get("style"):
            style = _closed_up(style)
            if _HIDES.search(style) or (_WHITE.search(style) and self._is_plain):
                return True
        if self._names and ("class" in told or "id" in told):
            names = {f".{name}" for name in told.get("class", "").split()}
            if self._names & {*names, f"#{told.get('id', '')}"}:
                return True
        return told.get("color", "").lower() in ("white", "#ffffff") and self._is_plain  # <font>


def _has_background(part: Any) -> bool:
    if part.get("bgcolor") or part.get("rel") == "stylesheet":
        return True
    return bool(_BACKGROUND.search(part.get("style", "")))


def _closed_up(style: str) -> str:
    return "".join(style.split()).lower()
