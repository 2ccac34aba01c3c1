"""Debezium's and Connect's temporal integers as ISO 8601 text, exact over the whole range of 64 bits.

``datetime`` ends at the years 1 and 9999; these integers do not. The calendar is the proleptic Gregorian one.
"""

from __future__ import annotations

from datetime import date
from typing import Final

_EPOCH: Final = date(1970, 1, 1).toordinal()
_FIRST: Final = date.min.toordinal() - _EPOCH
_LAST: Final = date.max.toordinal() - _EPOCH
_DAYS_OF_400_YEARS: Final = 146_097
# Infinity on the wire (types.md A3, A15): the ends of 32 and 64 bits, and what Debezium makes of it. Postgres has no
# such dates, in whatever unit.
_INFINITE_DAYS: Final = {
    2**31 - 1: "infinity",
    -(2**31): "-infinity",
    -2_147_472_692: "infinity",
    -2_147_472_691: "-infinity",
    -622_191_234: "infinity",
    -625_821_272: "-infinity",
}
_INFINITE_MS: Final = (9_223_372_036_825_200, -9_223_372_036_832_400)
_INFINITE_TIMESTAMPS: Final = {2**63 - 1, -(2**63), *_INFINITE_MS, *(1000 * value for value in _INFINITE_MS)}


def date_text(days: int) -> str:
    """Days since 1970-01-01 → ``2017-09-15``; years beyond 9999 get a sign (``+12017-…``), as those before 0000.

    Postgres's infinities stay ``infinity`` and ``-infinity``: as dates they would be days that nobody wrote.
    """
    if days in _INFINITE_DAYS:
        return _INFINITE_DAYS[days]
    if _FIRST <= days <= _LAST:
        return date.fromordinal(days + _EPOCH).isoformat()
    # The calendar repeats every 400 years: compute within 2000..2399, then move the year.
    cycles, rest = divmod(days - (date(2000, 1, 1).toordinal() - _EPOCH), _DAYS_OF_400_YEARS)
    within = date.fromordinal(date(2000, 1, 1).toordinal() + rest)
    year = within.year + 400 * cycles
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{within.month:02}-{within.day:02}"


def time_text(value: int, digits: int) -> str:
    """A time of day in units of 10**-digits seconds → ``13:51:30.123456``; 24:00 and MySQL's ±838 hours as they are."""
    seconds, fraction = divmod(abs(value), 10**digits)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{'-' if value < 0 else ''}{hour:02}:{minute:02}:{second:02}.{fraction:0{digits}}"


def timestamp_text(value: int, digits: int) -> str:
    """Units of 10**-digits seconds since 1970 without a zone → ``2018-06-20T15:13:16.945104``; see ``date_text``."""
    if value in _INFINITE_TIMESTAMPS:
        return "infinity" if value > 0 else "-infinity"
    days, rest = divmod(value, 86_400 * 10**digits)
    return f"{date_text(days)}T{time_text(rest, digits)}"
