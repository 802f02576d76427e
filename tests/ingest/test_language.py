"""Languages: scripts first, no guesses on short texts, the same answer every time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("上海天气", "zh"),
        ("這個國家的醫學發展", "zh-Hant"),
        ("使用 FastAPI 和 Pydantic 创建接口", "zh"),
        ("The word 你好 means hello in Chinese", "en"),
        ("東京の天気", "ja"),
        ("東京のPython勉強会", "ja"),
        ("서울의 날씨는 어떻습니까", "ko"),
        ("อากาศวันนี้ดีมาก", "th"),
        ("Πού είναι η αποθήκη;", "el"),
        ("איפה המחסן", "he"),
        ("बैटरी को ठंडी जगह पर रखना चाहिए", "hi"),
        ("The battery should be kept in a cool place.", "en"),
        ("Der Akku soll an einem kühlen Ort gelagert werden.", "de"),
        ("La batería debe guardarse en un lugar fresco.", "es"),
        ("Аккумулятор следует хранить в прохладном месте.", "ru"),
        ("Акумулятор слід зберігати в прохолодному місці.", "uk"),
        ("يجب حفظ البطارية في مكان بارد وجاف.", "ar"),
        ("باتری باید در جای خنک و خشک نگهداری شود.", "fa"),
    ],
)
def test_the_language_of_a_sentence_is_found(text: str, language: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize("text", ["", "OK", "hello", "123 456", "😀", "error 404", "\ud800"])
def test_a_text_that_tells_nothing_is_unknown(text: str) -> None:
    assert detect(text) == "unknown"


def test_many_threads_agree_from_a_cold_start() -> None:
    texts = ["Le vélo est à rendre avant midi, sinon il faut payer."] * 16

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(detect, texts)) == {"fr"}
