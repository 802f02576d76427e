"""What the page says, in the reader's language: one catalogue per language in `strings/`."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "strings"
FALLBACK = "en"
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
NAMES = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
    "zh": "中文",
}
"""The page's languages, each in its own words."""


class Texts:
    """One language's catalogue, called with a key."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._strings = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text for `key`. KeyError for a key that is not in the catalogue: a test checks them all."""
        return self._strings[key].format(**values)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    strings: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return strings


def best_language(asked: str | None, browser: str | None) -> str:
    """The language asked for, else the browser's, else English.

    >>> best_language(None, "de-AT"), best_language("xx", "pt-BR")
    ('de', 'en')
    """
    for wanted in (asked, (browser or "").partition("-")[0]):
        if wanted in NAMES:
            return wanted
    return FALLBACK
