"""Days as marks: a period finds exactly the days that are in it, by few marks."""

import random
from datetime import UTC, date, datetime, time, timedelta

from ingest.index import schema
from ingest.index.contract import Beside, Between, Where


def marks_of(day: date) -> set[str]:
    at = int(datetime.combine(day, time(13), UTC).timestamp())
    payload = schema.citing(["d"], Beside(modified=(at,)))
    return {mark for mark in payload[schema.MARKS] if mark.startswith("modified=")}


def wanted_marks(since: date | None, until: date | None) -> list[str]:
    begin = None if since is None else datetime.combine(since, time.min, UTC)
    end = None if until is None else datetime.combine(until, time.max, UTC)
    (asked,) = schema.conditions(Where(modified=Between(begin, end)))
    return [str(value) for value in asked.values]


def test_a_period_is_met_by_the_days_in_it_and_by_no_other() -> None:
    chance = random.Random(0)
    for _ in range(300):
        since = date(1899, 12, 25) + timedelta(days=chance.randrange(60_000))
        until = since + timedelta(days=chance.choice([0, 1, 30, 31, 365, 366, 3653, chance.randrange(9000)]))
        asked = wanted_marks(since, until)
        assert len(asked) == len(set(asked)) <= 120
        for day in (since, until, since - timedelta(days=1), until + timedelta(days=1)):
            assert (not marks_of(day).isdisjoint(asked)) == (since <= day <= until), (since, until, day)
        inside = since + timedelta(days=chance.randrange((until - since).days + 1))
        assert len(marks_of(inside) & set(asked)) == 1


def test_an_open_period_has_no_end() -> None:
    for day in (date(1, 1, 2), date(1848, 3, 18), date(2024, 2, 29), date(9999, 12, 31)):
        assert not marks_of(day).isdisjoint(wanted_marks(None, day))
        assert not marks_of(day).isdisjoint(wanted_marks(day, None))
        assert not marks_of(day).isdisjoint(wanted_marks(date(1, 1, 1), date(9999, 12, 31)))


def test_without_marks_nobody_of_a_group_sees_a_point() -> None:
    (asked,) = schema.conditions(Where(groups=frozenset({"hr"})))

    assert asked.values == ("access=*", "access=hr")
    assert schema.citing(["d"], Beside())[schema.MARKS] == ["access=*"]
    assert schema.citing(["d"], Beside(access=("law",)))[schema.MARKS] == ["access=law"]
