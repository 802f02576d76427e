"""Lexical search finds words in every script, by vectors that are the same everywhere and always."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest

from ingest.analysis import runs, terms
from ingest.lexical import AVERAGE_WORDS, B, K, SparseVector, encode_documents, encode_queries


def overlap(query: str, document: str) -> float:
    """The dot product, every term worth the same."""
    (asked,), (held,) = encode_queries([query]), encode_documents([document])
    _, at, where = np.intersect1d(asked.indices, held.indices, return_indices=True)
    return float(asked.values[at] @ held.values[where])


def ranking(query: str, *documents: str) -> list[str]:
    return sorted(documents, key=lambda document: -overlap(query, document))


def values(vector: SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("query", "right", "wrong"),
    [
        ("天气", "今天上海天气很好。", "今天上海交通很好。"),  # a Chinese word inside a sentence
        ("東京タワー", "私は東京タワーへ行きました。", "私は東京駅へ行きました。"),
        ("자전거", "자전거를 빌리는 곳", "자동차를 빌리는 곳"),
        ("จักรยาน", "คู่มือเช่าจักรยานในเมือง", "คู่มือเช่ารถยนต์ในเมือง"),
        ("ปี", "เงินคืนภายในหนึ่งปี", "เงินคืนภายในสองวัน"),  # two letters
        ("ភាសា", "ខ្ញុំរៀនភាសាខ្មែរ", "ខ្ញុំទៅផ្សារ"),
        ("ພາສາ", "ຂ້ອຍຮຽນພາສາລາວ", "ຂ້ອຍໄປຕະຫຼາດ"),
        ("စာအုပ်", "ကျွန်တော်စာအုပ်ဖတ်သည်", "ကျွန်တော်ထမင်းစားသည်"),
        ("كتاب", "قرأت الكِتابَ أمس", "أكلت الطعام أمس"),  # an article, and vowel marks
        ("كتــاب", "كتاب جديد", "باب جديد"),  # tatweel
        ("احمد", "أحمد في البيت", "عمر في البيت"),
        ("کتابی", "كتابي القديم", "بيتي القديم"),  # Persian letters, Arabic letters
        ("שלום", "שָׁלוֹם לכולם", "תודה לכולם"),
        ("Αθήνα", "ΤΟ ΜΟΥΣΕΙΟ ΤΗΣ ΑΘΗΝΑΣ", "ΤΟ ΜΟΥΣΕΙΟ ΤΗΣ ΠΑΤΡΑΣ"),
        ("Häuser", "Das Haus am See", "Der Hund am See"),
        ("Versicherung", "Haftpflichtversicherungsgesetz", "Straßenverkehrsgesetz"),  # part of a compound
        ("STRASSE", "die Straße", "die Stadt"),
        ("İSTANBUL", "istanbul rehberi", "ankara rehberi"),
        ("kitaplarımızdan", "kitap okumak", "yemek yemek"),
        ("किताब", "किताबें पढ़ना", "खाना खाना"),
        ("ёлка", "наша елка", "наша палка"),
        ("cafe", "le café du coin", "le vélo du coin"),
        ("Donaudampfer", "Donau\u00addampfer", "Rhein\u00addampfer"),  # a soft hyphen
        ("ＦａｓｔＡＰＩ", "FastAPI tutorial", "Django tutorial"),  # full width
        ("refunds", "A refund takes 14 days", "A train takes 14 hours"),
    ],
)
def test_a_query_finds_the_text_that_has_its_word_in_another_form(query: str, right: str, wrong: str) -> None:
    assert ranking(query, wrong, right)[0] == right


def test_upper_case_is_the_same_query() -> None:
    (small,), (capital,) = encode_queries(["größe der wohnung"]), encode_queries(["GRÖSSE DER WOHNUNG"])

    assert values(capital) == values(small)


def test_an_exact_word_outranks_one_that_begins_alike() -> None:
    assert ranking("Haus", "Hausverwaltung", "Haus")[0] == "Haus"


def test_numbers_and_codes_are_words() -> None:
    assert ranking("KX-4711", "Typ KX-4712", "Typ KX-4711")[0] == "Typ KX-4711"


@pytest.mark.parametrize("text", ["", " \n\t", "!?… — ،。", "\ud800", "\u00ad", "\u0301\u0301", "\0"])
def test_a_text_without_words_gives_an_empty_vector(text: str) -> None:
    for vector in (*encode_queries([text]), *encode_documents([text])):
        assert len(vector.indices) == len(vector.values) == 0


@pytest.mark.parametrize("sign", ["a", "中", "ก", "5 ", "😀"])
def test_a_megabyte_of_one_character_is_a_few_terms(sign: str) -> None:
    (vector,) = encode_documents([sign * 1_000_000])

    assert len(vector.indices) <= 64
    assert np.isfinite(vector.values).all()


def test_any_text_gives_a_vector_an_index_takes() -> None:
    chance = random.Random(0)
    texts = ["".join(chr(chance.randrange(0x110000)) for _ in range(200)) for _ in range(200)]

    for vector in encode_documents(texts) + encode_queries(texts):
        assert vector.indices.dtype == np.uint32
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
        assert np.isfinite(vector.values).all()
        assert (vector.values > 0).all()


def test_a_vector_is_the_same_in_another_process() -> None:
    text = "Der Häuserblock, 東京, ภาษาไทย"
    program = f"from ingest.lexical import encode_documents as e; print(e([{text!r}])[0].indices.tolist())"
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert there.strip() == str(encode_documents([text])[0].indices.tolist())


def test_hashes_are_those_of_stored_collections() -> None:
    (vector,) = encode_queries(["haus"])

    assert vector.indices.tolist() == [165933962, 226954450, 2885909117, 2930177342]
    assert terms("haus", "word") == ["haus", "~_hau", "~haus", "~aus_"]


def test_values_are_the_formula_of_bm25() -> None:
    (term,) = values(encode_queries(["東"])[0])

    (query,), (document,) = encode_queries(["東 東"]), encode_documents(["東 東 東 京"])

    words = 2  # two signs count as one
    assert values(query) == {term: 2.0}
    assert math.isclose(
        values(document)[term], 3 * (K + 1) / (3 + K * (1 - B + B * words / AVERAGE_WORDS)), rel_tol=1e-6
    )


def test_no_word_is_cut_where_scripts_meet() -> None:
    assert runs("使用FastAPI创建接口v2") == [
        ("使用", "signs"),
        ("fastapi", "word"),
        ("创建接口", "signs"),
        ("v2", "word"),
    ]
