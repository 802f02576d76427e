"""Bytes -> text: declared, damaged, unmarked."""

import pytest

from ingest.parse.decode import decode


def test_utf8_with_a_few_bad_bytes_stays_utf8() -> None:
    line = "Straße über die Brücke. " * 10

    assert decode(line.encode() + b"\xff\xfe\xfd" + line.encode(), "a.txt").count("Straße") == 20


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told_by_its_zeros(encoding: str) -> None:
    assert decode("Grüße aus Köln".encode(encoding), "a.txt") == "Grüße aus Köln"


@pytest.mark.parametrize(
    ("declared", "written", "text"),
    [
        ("iso-8859-1", "cp1252", "5 € “quoted”"),
        ("gb2312", "gb18030", "镕基，€"),
        ("shift_jis", "cp932", "①髙橋"),
        ("windows-1255", "cp1255", "שלום עולם"),
        ("undefined", "cp1252", "été à la plage, où il fait très chaud"),
        ("no-such-thing", "cp1252", "été à la plage, où il fait très chaud"),
    ],
)
def test_a_declared_encoding_is_read_as_browsers_read_it(declared: str, written: str, text: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>'

    assert decode(head.encode() + text.encode(written), "a.xml") == head + text


def test_the_callers_declaration_goes_before_the_files_own() -> None:
    assert decode("charset=utf-8 привет".encode("koi8-r"), "a.eml", "koi8-r") == "charset=utf-8 привет"


def test_line_ends_are_one_character_and_soft_hyphens_are_none() -> None:
    assert decode(b"a\r\nb\rc Ver\xc2\xadord\xc2\xadnung \x07", "a.txt") == "a\nb\nc Verordnung "


SHORT = {
    "gb18030": ("电池要放在阴凉干燥的地方。", "你好，世界"),
    "big5": ("電池要放在陰涼乾燥的地方。", "你好，世界"),
    "shift_jis": ("冬は電池を涼しい場所に置いてください。", "こんにちは世界"),
    "euc_jp": ("冬は電池を涼しい場所に置いてください。", "こんにちは世界"),
    "euc_kr": ("배터리는 서늘하고 건조한 곳에 두십시오.", "안녕하세요 세계"),
    "koi8-r": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "cp1251": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "cp866": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "cp1252": ("Größe über Übermut: Straße, Köln, Äpfel.", "Où est l'été ?"),
    "cp1250": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zażółć gęślą jaźń, proszę państwa"),
    "iso8859-2": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zażółć gęślą jaźń, proszę państwa"),
    "cp1254": ("Bugün hava çok güzel, dışarı çıkalım mı şimdi?",),
    "cp1253": ("Η μπαταρία πρέπει να φυλάσσεται σε δροσερό μέρος.", "Καλημέρα κόσμε"),
    "cp1255": ("יש לשמור את הסוללה במקום קריר ויבש.", "שלום עולם"),
    "cp1256": ("يجب حفظ البطارية في مكان بارد وجاف.", "مرحبا بالعالم"),
    "cp874": ("ควรเก็บแบตเตอรี่ไว้ในที่เย็น",),
}


@pytest.mark.parametrize(
    ("encoding", "text"), [(key, text) for key, texts in SHORT.items() for text in texts]
)
def test_a_few_words_tell_their_encoding(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text
