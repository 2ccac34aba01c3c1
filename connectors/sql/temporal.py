"""Days, times and timestamps as the texts that databases read: ``2018-06-20``, ``0044-03-15 BC``, ``infinity``."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_EPOCH: Final = 719_163  # ordinal of 1970-01-01
_LAST: Final = date.max.toordinal() - _EPOCH
_DAY_US: Final = 86_400_000_000

# Postgres's own range of dates; what lies outside is one of the sentinels (types.md A3, A15.2).
_FIRST_DAY: Final = -2_440_588
_LAST_DAY: Final = 2_145_042_905
_DEBEZIUM_POSITIVE_DAYS: Final = frozenset({-2_147_472_692, -622_191_234})
_DEBEZIUM_NEGATIVE_DAYS: Final = frozenset({-2_147_472_691, -625_821_272})

POSITIVE_US: Final = 9_223_372_036_825_200_000  # Debezium's infinity as microseconds
NEGATIVE_US: Final = -9_223_372_036_832_400_000
_FIRST_US: Final = _FIRST_DAY * _DAY_US
_INT64_MAX: Final = 2**63 - 1

_ISO_DATE: Final = re.compile(r"([+-]?)(\d{4,})-(\d\d)-(\d\d)(.*)", re.DOTALL)


def date_text(days: int) -> str:
    """A date from days since 1970-01-01."""
    if -_EPOCH < days <= _LAST:
        return date.fromordinal(days + _EPOCH).isoformat()
    if days in _DEBEZIUM_POSITIVE_DAYS or days > _LAST_DAY:
        return "infinity"
    if days in _DEBEZIUM_NEGATIVE_DAYS or days < _FIRST_DAY:
        return "-infinity"
    text, era = _far_date(days)
    return text + era


def time_text(us: int) -> str:
    """A time from microseconds; 86,400,000,000 is 24:00:00, and MySQL's go from -838:59:59 to 838:59:59 (F194)."""
    seconds, fraction = divmod(abs(us), 1_000_000)
    text = f"{'-' if us < 0 else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}" if fraction else text


def time_text_ms(ms: int) -> str:
    """The same from milliseconds."""
    return time_text(ms * 1000)


def time_text_ns(ns: int) -> str:
    """The same from nanoseconds; what is below a microsecond is cut."""
    return time_text(ns // 1000)


def timestamp_text(us: int) -> str:
    """A timestamp without zone from microseconds since 1970-01-01."""
    if us >= POSITIVE_US:
        return "infinity"
    if us < _FIRST_US:
        return "-infinity"
    days, rest = divmod(us, _DAY_US)
    if -_EPOCH < days <= _LAST:
        return f"{date.fromordinal(days + _EPOCH).isoformat()} {time_text(rest)}"
    text, era = _far_date(days)
    return f"{text} {time_text(rest)}{era}"


def timestamp_text_ms(ms: int) -> str:
    """A timestamp from milliseconds; Debezium's infinities are exact values among valid ones."""
    if ms == POSITIVE_US // 1000:
        return "infinity"
    if ms * 1000 >= POSITIVE_US:  # real and beyond what int64 microseconds hold
        days, rest = divmod(ms, _DAY_US // 1000)
        return f"{date_text(days)} {time_text(rest * 1000)}"
    return timestamp_text(ms * 1000)


def timestamp_text_ns(ns: int) -> str:
    """A timestamp from nanoseconds; the ends of int64 are the infinities."""
    if ns == _INT64_MAX:
        return "infinity"
    return "-infinity" if ns == -_INT64_MAX - 1 else timestamp_text(ns // 1000)


def iso_text(text: str) -> str:
    """An ISO date or timestamp with signed or long years as a database reads it; ``infinity`` stays as it is."""
    found = _ISO_DATE.fullmatch(text)
    if found is None or (not found[1] and found[2] != "0000" and len(found[2]) == 4):
        return text
    year = -int(found[2]) if found[1] == "-" else int(found[2])
    era = "" if year > 0 else " BC"
    return f"{year if year > 0 else 1 - year:04}-{found[3]}-{found[4]}{found[5]}{era}"


def _far_date(days: int) -> tuple[str, str]:
    """The proleptic Gregorian date of a day outside of Python's years 1 to 9999, and its era."""
    # Whole 400-year cycles of 146,097 days bring the day into Python's range and change nothing but the year.
    cycles, rest = divmod(days + _EPOCH - 1, 146_097)
    near = date.fromordinal(rest + 1)
    year = near.year + 400 * cycles
    return f"{year if year > 0 else 1 - year:04}-{near.month:02}-{near.day:02}", "" if year > 0 else " BC"
