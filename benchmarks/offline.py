"""unstructured without its download and its telemetry: what our readers are compared with.

As installed it fetches a spaCy model at first use and sends usage. The model only tells sentences and
parts of speech, in English; the stand-in below does that for any language, deterministically.
"""

import os
import sys
import types
from functools import lru_cache
from typing import Any

from ingest.sentences import sentences

os.environ["DO_NOT_TRACK"] = "1"
os.environ["SCARF_NO_ANALYTICS"] = "1"
os.environ["UNSTRUCTURED_DISABLE_NOTICE"] = "1"


@lru_cache(maxsize=512)
def _sent_tokenize(text: str) -> list[str]:
    return [text[begin:end] for begin, end in sentences(text)]


@lru_cache(maxsize=512)
def _word_tokenize(text: str) -> list[str]:
    return text.split()


def _pos_tag(text: str) -> list[tuple[str, str]]:
    """Every text "has a verb": unstructured takes one without for a heading, in any language but English."""
    return [(word, "NN" if at else "VB") for at, word in enumerate(_word_tokenize(text))]


_stand_in = types.ModuleType("unstructured.nlp.tokenize")
vars(_stand_in).update(sent_tokenize=_sent_tokenize, word_tokenize=_word_tokenize, pos_tag=_pos_tag)
sys.modules["unstructured.nlp.tokenize"] = _stand_in


def partition(path: str) -> list[Any]:
    """unstructured's elements of a file, which is told to be in English: guessing takes it longer."""
    from unstructured.partition.auto import partition

    return list(partition(path, languages=["eng"]))
