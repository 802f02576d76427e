"""Numbers and months in one text that another does not hold, however either writes them."""

import pytest

from app.figures import missing


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("It costs 1,234.50 euros.", "1.234,5 Euro"),
        ("1 234 567 people", "1,234,567 people"),
        ("On 7 March 2024", "2024-03-07"),
        ("Am 7. März 2024", "March 7th, 2024"),
        ("2024-03-07", "le 7 mars 2024"),
        ("3 tools", "three tools"),
        ("3年", "三年"),
        ("٣٫٥ لتر", "3.5 litres"),
        ("1.5 million", "1,500,000"),
        ("31亿", "3.1 billion"),
        ("at 14:00", "at 14 h"),
        ("at 7:55", "at 7.55 am"),
        ("4. Charge the battery.", "Charge the battery."),
        ("No number at all.", ""),
    ],
)
def test_the_same_number_is_found_in_another_form(text: str, source: str) -> None:
    assert missing(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "absent"),
    [
        ("Charge it to 70 percent.", "Charge it to sixty (60) percent.", ["70"]),
        ("On 7 April 2024", "7 March 2024", ["April"]),
        ("On 8 March 2023", "2024-03-07", ["8", "2023"]),
        ("4. März 2024", "5. März 2024", ["4"]),
        ("3.5 bar, 3.5 bar", "35 bar", ["3.5"]),
        ("Model KB4513", "Model KB4512", ["4513"]),
        ("5 years", "three years", ["5"]),
    ],
)
def test_a_number_that_is_not_there_is_named_as_written(text: str, source: str, absent: list[str]) -> None:
    assert missing(text, source) == absent
