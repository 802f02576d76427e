"""A follow-up and the questions before it -> a question that can be searched for by itself."""

import re
from collections.abc import Sequence
from contextlib import closing

from app.llm import LanguageModel, LanguageModelError
from app.schemas import MOST_QUESTION_CHARS

REMEMBERED = 3
"""Questions before a follow-up that are read."""
_MOST_CHARS = 400
"""Of a rewritten question: a model that writes more does something else."""
_FEW_WORDS = 4
_FEW_SIGNS = 8
"""Of Chinese or Japanese."""
_SIGN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+")
_POINTS_BACK = frozenset(
    "it its they them their theirs he him his she her hers this these those "
    "er ihn ihm deren dessen dies diese dieser dieses davon dafür damit darin dort "
    "il ils elle elles lui leur leurs ce cet cette ces cela ça celui celle ceux "
    "él ella ellos ellas este esta esto eso ese esa aquel aquella ello allí "
    "هو هي هم هذا هذه ذلك تلك هؤلاء".split()
)
"""Without words that are mostly something else: sie and Ihr (you), la and lo (the), there (is)."""
_SIGNS_BACK = re.compile("[它他她这那這]|それ|これ|その|この|そこ|彼")
_RULES = """Rewrite the follow-up as one question that can be understood by itself, in its own language. \
Put in what its words refer to in the earlier questions, and nothing else. Do not answer it. \
If it needs nothing, repeat it as it is. Write the question alone."""


def standalone(question: str, previous: Sequence[str], llm: LanguageModel | None) -> str:
    """What to search for instead of the question, which may be the question.

    A language model rewrites it in one bounded call. Without one, or if it fails or writes no question, the
    question before it is put in front where the follow-up is of few words or points back.
    """
    if not previous:
        return question
    rewritten = "" if llm is None else _rewritten(question, previous[-REMEMBERED:], llm)
    if rewritten:
        return rewritten
    if not _leans_on(question):
        return question
    return f"{previous[-1][: MOST_QUESTION_CHARS - len(question) - 1]} {question}".strip()


def _rewritten(question: str, previous: Sequence[str], llm: LanguageModel) -> str:
    earlier = "\n".join(f"Earlier question: {one}" for one in previous)
    text = ""
    try:
        with closing(llm.stream(_RULES, f"{earlier}\nFollow-up: {question}")) as pieces:
            for piece in pieces:
                text += piece
                if len(text) > _MOST_CHARS:
                    return ""
    except LanguageModelError:
        return ""  # the answer, which asks it again, says what is wrong
    return " ".join(text.split())


def _leans_on(question: str) -> bool:
    signs = len(_SIGN.findall(question))
    words = [word.lower() for word in _WORD.findall(question)]
    few = signs <= _FEW_SIGNS if signs else len(words) <= _FEW_WORDS
    return few or bool(_SIGNS_BACK.search(question)) or not _POINTS_BACK.isdisjoint(words)
