"""org: what Emacs would show."""

from ingest.parse.org import read_org
from ingest.records import Element


def test_headings_lists_tables_links_and_code_are_told_apart() -> None:
    text = (
        "#+TITLE: Notes\n#+AUTHOR: Ada\n\n* TODO [#A] Plan :work:urgent:\n:PROPERTIES:\n:ID: 1\n:END:\n"
        "Read [[https://example.org][the manual]].\n\n** Steps\n- [X] first\n  goes on\n- second\n\n"
        "| name | price |\n|------+-------|\n| tea  | 3     |\n\n#+begin_src python\n  print(1)\n#+end_src\n"
        "# a comment\n: fixed\n"
    )

    assert list(read_org(text)) == [
        Element("title", "Notes"),
        Element("title", "Plan", depth=1),
        Element("text", "Read the manual."),
        Element("title", "Steps", depth=2),
        Element("list", "first goes on"),
        Element("list", "second"),
        Element("table", "name | price\ntea | 3"),
        Element("code", "print(1)"),
        Element("code", "fixed"),
    ]


def test_a_quotation_is_read_a_comment_is_not_and_what_nothing_closes_is_text() -> None:
    text = (
        "#+begin_quote\nTo be.\n#+end_quote\n\n#+begin_comment\nsecret\n#+end_comment\n#+begin_src\nlost?\n"
    )

    found = [element.text for element in read_org(text)]

    assert found[0] == "To be."
    assert "secret" not in " ".join(found)
    assert any("lost?" in text for text in found)
