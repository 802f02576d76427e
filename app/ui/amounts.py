"""Sizes, times and counts -> short text that reads the same in every language of the page."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def size(size_bytes: float) -> str:
    """
    >>> size(900), size(1_240_000)
    ('900 B', '1.2 MB')
    """
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size_bytes < 1000:
            break
        size_bytes, unit = size_bytes / 1000, larger
    return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"


def duration(seconds: float) -> str:
    """
    >>> duration(0.042), duration(7.25), duration(3725)
    ('42 ms', '7.2 s', '1:02:05')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def interval(seconds: int) -> str:
    """In the largest unit that divides it.

    >>> interval(5400), interval(86_400)
    ('90 min', '1 d')
    """
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % size_s == 0:
            return f"{seconds // size_s} {unit}"
    return f"{seconds} s"


def count(number: float) -> str:
    """
    >>> count(1234567.8)
    '1,234,568'
    """
    return f"{number:,.0f}"


def moment(time: datetime, zone: str | None) -> str:
    """In the reader's time zone, or UTC where the browser does not tell.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 5, 1, 12, tzinfo=UTC), "Asia/Tokyo")
    '2026-05-01 21:00'
    """
    return f"{time.astimezone(ZoneInfo(zone or 'UTC')):%Y-%m-%d %H:%M}"
