"""Bytes -> text: declared, damaged, unmarked."""

import unicodedata
from pathlib import Path

import pytest

from ingest.errors import FileTooLarge, UnreadableFile
from ingest.parse.decode import decode, read_bytes, read_lines


def test_utf8_with_a_few_bad_bytes_stays_utf8() -> None:
    line = "Straße über die Brücke. " * 10

    assert decode(line.encode() + b"\xff\xfe\xfd" + line.encode(), "a.txt").count("Straße") == 20


WIDE = (
    "Grüße aus Köln",
    "电池要放在阴凉干燥的地方，冬天不要充电。",
    "冬は電池を涼しい場所に置いてください。",
    "배터리는 서늘하고 건조한 곳에 두십시오.",
    "Аккумулятор следует хранить в прохладном месте.",
    "يجب حفظ البطارية في مكان بارد وجاف.",
    "बैटरी को ठंडी जगह पर रखें।",
)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", WIDE)
def test_utf16_is_read_with_and_without_a_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    "text",
    ["Bush hid the facts", "this app can break", "a\x0cb, a form feed", "A bell \x07 that nobody hears"],
)
def test_ascii_is_not_taken_for_utf16(text: str) -> None:
    assert decode(text.encode(), "a.txt") == text.replace("\x07", "")


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 8, b"\0\1\2\3" * 50, bytes([1, 200, 7, 99, 250, 3]) * 99]
)
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="a is not text, nor in any other format"):
        decode(data, "a")


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
    "iso2022_jp": ("冬は電池を涼しい場所に置いてください。", "こんにちは世界"),
    "cp949": ("배터리는 서늘하고 건조한 곳에 두십시오.", "똠방각하 펲시콜라, 안녕하세요"),
    "koi8-r": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "cp1251": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "koi8-u": ("Всі люди народжуються вільними і рівними у своїй гідності та правах.",),
    "iso8859-5": ("Все люди рождаются свободными.", "Сва људска бића рађају се слободна"),
    "cp866": ("Аккумулятор хранить в прохладном месте.", "Привет, мир"),
    "cp1252": ("Größe über Übermut: Straße, Köln, Äpfel.", "Où est l'été ?"),
    "cp1250": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zażółć gęślą jaźń, proszę państwa"),
    "iso8859-2": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zażółć gęślą jaźń, proszę państwa"),
    "cp1257": ("Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis.", "Visi cilvēki piedzimst brīvi"),
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


def test_vietnamese_in_windows_1258_is_composed() -> None:
    text = "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi."
    tones = "\u0300\u0301\u0303\u0309\u0323"
    parts = "".join(
        unicodedata.normalize(
            "NFC", "".join(part for part in unicodedata.normalize("NFD", letter) if part not in tones)
        )
        + "".join(part for part in unicodedata.normalize("NFD", letter) if part in tones)
        for letter in text
    )

    assert decode(parts.encode("cp1258"), "a.txt") == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8-r"])
def test_lines_of_a_file_are_those_of_its_text(tmp_path: Path, encoding: str) -> None:
    text = "".join(f"Аккумулятор {number} хранить в прохладном месте.\r\n" for number in range(40_000))
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))

    assert "".join(read_lines(path, path.name)) == decode(path.read_bytes(), path.name)


def test_a_line_that_never_ends_is_refused_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"one\ntwo\n" + b"x" * (10 << 20))

    with pytest.raises(
        FileTooLarge, match=r"a\.csv: line 3 has more than 8 million characters; break it into"
    ):
        list(read_lines(path, path.name))


def test_a_text_that_memory_can_not_hold_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(1 << 30)

    with pytest.raises(FileTooLarge, match=r"a\.txt has 1024 MB; text is read up to 64 MB"):
        read_bytes(path, path.name)
