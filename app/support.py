"""How far the passages that a sentence cites bear it out: by its numbers, its words and its meaning."""

from collections.abc import Sequence

from app.figures import missing
from app.schemas import Citation, Sentence, Support
from embedder.encoder import ModelCard
from ingest import language
from ingest.sentences import sentences


def judge(sentence: Sentence, cited: Sequence[Citation], nearest: float | None, card: ModelCard) -> Sentence:
    """The sentence, marked.

    nearest: the best cosine of the sentence to one of the passages' sentences; None if none was compared.
    """
    texts = [text for one in cited for text in (one.hit.title, *one.hit.heading, one.hit.text)]
    absent = missing(sentence.text, "\n".join(texts)) if cited else []
    support: Support
    if not cited or absent:
        support = "unsupported"
    elif any(_plain(sentence.text) in _said(one.hit.text) for one in cited):
        support = "supported"
    elif nearest is None or card.support is None or not _speaks(card, sentence, cited):
        support = "unchecked"
    else:
        weak, sure = card.support
        support = "supported" if nearest >= sure else "weak" if nearest >= weak else "unsupported"
    return sentence.model_copy(update={"support": support, "missing": absent})


def _speaks(card: ModelCard, sentence: Sentence, cited: Sequence[Citation]) -> bool:
    """Whether all is in one language, and the encoder knows it: its thresholds were measured so."""
    used = {language.detect(sentence.text), *(one.hit.language for one in cited)} - {language.UNKNOWN}
    return len(used) < 2 and (not card.language_codes or used <= {*card.language_codes})


def _said(text: str) -> set[str]:
    return {_plain(text[slice(*span)]) for span in sentences(text)}


def _plain(text: str) -> str:
    return " ".join(text.split())
