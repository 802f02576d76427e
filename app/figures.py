"""Numbers and months in a text, however they are written, to be compared with those of another."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,٫]\d+)?(?!\d)|\d+(?:[.,٫٬'’]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:(?P<mark>[.,٬'’ \u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*(?:[.,٫]\d+)?")
"""Thousands apart: 1,234 and 1.234.567,8"""
_DECIMAL = re.compile(r"\d+[.,٫]\d+")
_TIME = re.compile(r"(?<!\d)(\d{1,2})\.(\d{2})(?!\d)")
"""7.55 is 7:55 to some; full hours have zeros that nobody needs to write."""
_ITEM = re.compile(r"\s*\d{1,3}[.)](?=\s+\D)")
"""Counts the items of a list, unless a month follows."""
_WORD = re.compile(r"[^\W\d_]+")
_MONTHS = (
    "january jan januar janvier enero يناير",
    "february feb februar février febrero فبراير",
    "march mar märz mars marzo مارس",
    "april apr avril abril أبريل إبريل",
    "may mai mayo مايو",
    "june jun juni juin junio يونيو",
    "july jul juli juillet julio يوليو",
    "august aug août agosto أغسطس",
    "september sep sept septembre septiembre سبتمبر",
    "october oct oktober okt octobre octubre أكتوبر",
    "november nov novembre noviembre نوفمبر",
    "december dec dezember dez décembre diciembre ديسمبر",
)
_MONTH = {word: Decimal(at) for at, words in enumerate(_MONTHS, 1) for word in words.split()}
_COUNTS = (
    "zero null zéro cero صفر 零",
    "one a an ein eine einen einem einer eins un une uno una واحد واحدة 一",
    "two both zwei beide beiden deux dos اثنان اثنين 二 两 兩",
    "three drei trois tres ثلاثة ثلاث 三",
    "four vier quatre cuatro أربعة أربع 四",
    "five fünf cinq cinco خمسة خمس 五",
    "six sechs seis ستة ست 六",
    "seven sieben sept siete سبعة سبع 七",
    "eight acht huit ocho ثمانية ثماني 八",
    "nine neun neuf nueve تسعة تسع 九",
    "ten zehn dix diez عشرة عشر 十",
    "eleven elf onze once",
    "twelve zwölf douze doce dozen",
)
_COUNT = {word: Decimal(at) for at, words in enumerate(_COUNTS) for word in words.split()}
_SCALE = {
    word: Decimal(10) ** power
    for power, words in {
        3: "thousand tausend mille mil ألف 千",
        4: "万 萬 만",
        6: "million millions millionen mio millón millones مليون ملايين",
        8: "亿 億 억",
        9: "billion billions bn milliarde milliarden mrd milliard milliards مليار",
    }.items()
    for word in words.split()
}
_CLOSE = r"[\s.,]{0,3}"


def missing(text: str, sources: str) -> list[str]:
    """Numbers, and months beside numbers, that stand in `text` and in no form in `sources`; as written.

    >>> missing("On 7 March 2024 it held 1,500.5 litres, 60 % of it.", "2024-03-07: drei Liter, 1.500,5")
    ['60']
    >>> missing("Two of 12 in April 2024.", "zwölf, 7. März 2024")
    ['April']
    """
    known = {value for _, values in _figures(sources) for value in values} | {Decimal(0)}
    known |= {Decimal(part) for time in _TIME.finditer(sources) for part in time.groups()}
    words = _words(sources)
    known |= {table[word] for table in (_COUNT, _MONTH) for word in words if word in table}
    item = _ITEM.match(text)
    said = text[item.end() :] if item and not _month_follows(text, item.end()) else text
    absent = (written for written, values in _figures(said) if not values & known)
    return list(dict.fromkeys(absent))


def _figures(text: str) -> list[tuple[str, frozenset[Decimal]]]:
    """Each as it is written, and what it may mean."""
    found: list[tuple[str, frozenset[Decimal]]] = []
    for match in _NUMBER.finditer(text):
        for written, values in _readings(match[0]):
            scale = _scale(text, match.end())
            found.append((written, values | {value * scale for value in values}))
        found += [(month, frozenset({_MONTH[month.lower()]})) for month in _months_beside(text, match)]
    return found


def _readings(written: str) -> list[tuple[str, frozenset[Decimal]]]:
    """One number with what it may mean, or the several that its marks hold apart: 7.3.2024."""
    values = set()
    if grouped := _GROUPED.fullmatch(written):
        whole = written.replace(grouped["mark"], "")
        values.add(Decimal(re.sub(r"[,٫]", ".", whole)))
    if _DECIMAL.fullmatch(written):
        values.add(Decimal(re.sub(r"[,٫]", ".", written)))
    if values:
        return [(written, frozenset(values))]
    return [(part, frozenset({Decimal(part)})) for part in re.findall(r"\d+", written)]


def _months_beside(text: str, number: re.Match[str]) -> list[str]:
    before = re.search(rf"([^\W\d_]+){_CLOSE}$", text[max(0, number.start() - 20) : number.start()])
    after = re.match(rf"{_CLOSE}(?:(?:de|of|st|nd|rd|th)\s+)?([^\W\d_]+)", text[number.end() :][:25])
    return [beside[1] for beside in (before, after) if beside and beside[1].lower() in _MONTH]


def _month_follows(text: str, at: int) -> bool:
    word = _WORD.match(text[at:].lstrip())
    return word is not None and word[0].lower() in _MONTH


def _scale(text: str, at: int) -> Decimal:
    word = re.match(r"[\s\u00a0]?([^\W\d_]+)", text[at : at + 20])
    if word is None:
        return Decimal(1)
    return _SCALE.get(word[1].lower(), _SCALE.get(word[1][0], Decimal(1)))  # a CJK sign, whatever follows


def _words(text: str) -> list[str]:
    """Words, and single signs where nothing sets words apart."""
    words = [word.lower() for word in _WORD.findall(text)]
    return words + [sign for word in words for sign in word if sign > "\u2e7f"]
