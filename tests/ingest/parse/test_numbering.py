"""Numbers of Word's lists, as Word shows them."""

from typing import Any

from lxml import etree

from ingest.parse.numbering import Numbered, Numbering

SCHEME = """<numbering>
  <abstractNum abstractNumId="7">
    <lvl ilvl="0"><start val="1"/><numFmt val="decimal"/><lvlText val="%1."/><pStyle val="Heading1"/></lvl>
    <lvl ilvl="1"><start val="3"/><numFmt val="lowerLetter"/><lvlText val="%1.%2)"/>
      <pStyle val="Heading2"/></lvl>
    <lvl ilvl="2"><start val="9"/><numFmt val="upperRoman"/><lvlText val="§ %3"/><lvlRestart val="0"/></lvl>
    <lvl ilvl="3"><numFmt val="bullet"/><lvlText val="•"/></lvl>
  </abstractNum>
  <num numId="1"><abstractNumId val="7"/></num>
  <num numId="2"><abstractNumId val="7"/>
    <lvlOverride ilvl="0"><startOverride val="5"/></lvlOverride></num>
</numbering>"""


def xml(text: str) -> Any:
    return etree.fromstring(text)


def labels(*paragraphs: tuple[str, int]) -> list[str]:
    numbering = Numbering(xml(SCHEME))
    return [numbering.label(Numbered(list_, level)) for list_, level in paragraphs]


def test_numbers_count_up_and_deeper_ones_begin_anew_unless_told_not_to() -> None:
    found = labels(("1", 0), ("1", 1), ("1", 1), ("1", 2), ("1", 0), ("1", 1), ("1", 2), ("1", 3))

    assert found == ["1.", "1.c)", "1.d)", "§ IX", "2.", "2.c)", "§ X", ""]


def test_a_second_list_of_the_same_scheme_begins_where_it_says() -> None:
    assert labels(("1", 0), ("1", 0), ("2", 0), ("2", 0), ("1", 0)) == ["1.", "2.", "5.", "6.", "7."]


def test_a_list_or_level_that_nobody_described_has_no_number() -> None:
    assert labels(("9", 0), ("0", 0), ("1", 8)) == ["", "", ""]
    assert Numbering(None).label(Numbered("1", 0)) == ""


def test_letters_go_on_after_z() -> None:
    assert labels(*[("1", 1)] * 30)[-4:] == ["1.cc)", "1.dd)", "1.ee)", "1.ff)"]


def test_a_style_is_on_the_level_that_names_it_and_a_paragraph_can_leave_its_list() -> None:
    numbering = Numbering(xml(SCHEME))
    styled = numbering.of(xml("<p><numPr><numId val='1'/></numPr></p>"), None, "Heading2")

    assert styled == Numbered("1", 1)
    assert numbering.of(xml("<p/>"), styled) == styled
    assert numbering.of(xml("<p><numPr><ilvl val='2'/></numPr></p>"), styled) == Numbered("1", 2)
    assert numbering.label(numbering.of(xml("<p><numPr><numId val='0'/></numPr></p>"), styled)) == ""
