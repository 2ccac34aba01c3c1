"""Dates, times, timestamps, intervals under DateStyle ISO, IntervalStyle postgres, TimeZone UTC: text form → value.

Calendar: Postgres's, proleptic Gregorian with BC years, in stream and snapshot alike (A15, 1). Infinities: a date is
the largest or smallest INT32, ordered (A15, 2); a timestamp Debezium's pair of sentinels in microseconds or
milliseconds, the largest or smallest INT64 in nanoseconds; text modes say ``infinity`` and ``-infinity``; an interval
saturates (A15, 12).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import Kind, Type
from connectors.postgres.types.refusals import undecodable, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.types.options import TypeOptions

DATE_INFINITY: Final = {b"infinity": 2**31 - 1, b"-infinity": -(2**31)}
TIMESTAMP_INFINITY_US: Final = {b"infinity": 9_223_372_036_825_200_000, b"-infinity": -9_223_372_036_832_400_000}
NANOSECONDS_INFINITY: Final = {b"infinity": 2**63 - 1, b"-infinity": -(2**63)}
DAY_US: Final = 86_400_000_000
MONTH_US: Final = 2_629_800_000_000  # 365.25 / 12 days, as Debezium counts

_INT64_MAX, _INT64_MIN = 2**63 - 1, -(2**63)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - Postgres timestamps have no zone
_ERA_DAYS: Final = 146_097  # days of 400 years
_DATE: Final = re.compile(r"(\d{4,7})-(\d\d)-(\d\d)( BC)?")
_TIMESTAMP: Final = re.compile(r"(\d{4,7}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(\+00)?( BC)?")
_TIME: Final = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_TIMETZ: Final = re.compile(r"([\d:.]+)([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?")
_INTERVAL: Final = re.compile(
    r"(?:([+-]?\d+) years? ?)?(?:([+-]?\d+) mons? ?)?(?:([+-]?\d+) days? ?)?"
    r"(?:([+-])?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
)

Codec = tuple[Type, "Callable[[bytes], Any]"]


def _debezium(kind: Kind, name: str) -> Type:
    return Type(kind, f"io.debezium.time.{name}", 1)


def _connect(kind: Kind, name: str) -> Type:
    return Type(kind, f"org.apache.kafka.connect.data.{name}", 1)


ZONED_TIMESTAMP: Final = _debezium(Kind.STRING, "ZonedTimestamp")
ZONED_TIME: Final = _debezium(Kind.STRING, "ZonedTime")


def date_codec(_: int, options: TypeOptions) -> Codec:
    """``date`` (types.md A4): days since 1970, or ISO text."""
    if options.time == "isostring":
        return _debezium(Kind.STRING, "IsoDate"), iso_date
    name = _connect(Kind.INT32, "Date") if options.time == "connect" else _debezium(Kind.INT32, "Date")
    return name, days


def time_codec(typmod: int, options: TypeOptions) -> Codec:
    """``time`` (types.md A4): milliseconds, microseconds or nanoseconds of the day, or ISO text."""
    match options.time:
        case "connect":
            return _connect(Kind.INT32, "Time"), lambda cell: microseconds_of_day(cell) // 1000
        case "isostring":
            return _debezium(Kind.STRING, "IsoTime"), iso_time
        case "nanoseconds":
            return _debezium(Kind.INT64, "NanoTime"), lambda cell: microseconds_of_day(cell) * 1000
        case "adaptive" if 0 <= typmod <= 3:
            return _debezium(Kind.INT32, "Time"), lambda cell: microseconds_of_day(cell) // 1000
        case _:
            return _debezium(Kind.INT64, "MicroTime"), microseconds_of_day


def timestamp_codec(typmod: int, options: TypeOptions) -> Codec:
    """``timestamp`` (types.md A4): milliseconds, microseconds or nanoseconds since 1970, or ISO text."""
    match options.time:
        case "connect":
            return _connect(Kind.INT64, "Timestamp"), milliseconds
        case "isostring":
            return _debezium(Kind.STRING, "IsoTimestamp"), iso_timestamp
        case "nanoseconds":
            return _debezium(Kind.INT64, "NanoTimestamp"), _nanoseconds(options)
        case "adaptive" | "adaptive_time_microseconds" if 0 <= typmod <= 3:
            return _debezium(Kind.INT64, "Timestamp"), milliseconds
        case _:
            return _debezium(Kind.INT64, "MicroTimestamp"), _microseconds(options)


def timestamptz_codec(typmod: int, _: TypeOptions) -> Codec:
    """``timestamptz``: UTC text with exactly as many fraction digits as the column has, 6 when unset."""
    return ZONED_TIMESTAMP, _zoned_timestamp(typmod if 0 <= typmod <= 6 else 6)


def timetz_codec(_: int, __: TypeOptions) -> Codec:
    """``timetz``: UTC text with the shortest fraction; offsets may hold seconds (A15, 14)."""
    return ZONED_TIME, zoned_time


def interval_codec(_: int, options: TypeOptions) -> Codec:
    """``interval``: microseconds, or ISO 8601 text with all seven parts."""
    if options.interval == "string":
        return _debezium(Kind.STRING, "Interval"), iso_interval
    return _debezium(Kind.INT64, "MicroDuration"), interval_us


def days(cell: bytes) -> int:
    """A date → days since 1970-01-01."""
    try:
        if len(cell) == 10:  # years 1 to 9999
            return date.fromisoformat(cell.decode()).toordinal() - _EPOCH_ORDINAL
        special = DATE_INFINITY.get(cell)
        return _days(*_civil(cell.decode())) if special is None else special
    except ValueError:
        raise undecodable("date") from None


def _civil(text: str) -> tuple[int, int, int]:
    """Astronomical year (1 BC is 0), month and day."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year = int(found[1])
    return 1 - year if found[4] else year, int(found[2]), int(found[3])


def _days(year: int, month: int, day: int) -> int:
    era, year_of_era = divmod(year, 400)
    return date(2000 + year_of_era, month, day).toordinal() - _EPOCH_ORDINAL + (era - 5) * _ERA_DAYS


def iso_date(cell: bytes) -> str:
    """A date → ``2017-09-15Z``."""
    try:
        return cell.decode() if cell in DATE_INFINITY else f"{_iso_date(cell.decode())}Z"
    except ValueError:
        raise undecodable("date") from None


def _iso_date(text: str) -> str:
    """``-4712-01-01``, ``0044-03-15``, ``+21016-11-04``: astronomical years as ISO 8601 and Java write them."""
    year, month, day = _civil(text)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{month:02}-{day:02}"


def microseconds_of_day(cell: bytes) -> int:
    """A time → microseconds since midnight; ``24:00:00`` is 86,400,000,000."""
    try:
        seconds = (int(cell[0:2]) * 60 + int(cell[3:5])) * 60 + int(cell[6:8])
        if len(cell) == 8:
            return seconds * 1_000_000
        return seconds * 1_000_000 + int(cell[9:].ljust(6, b"0"))
    except ValueError:
        raise undecodable("time") from None


def iso_time(cell: bytes) -> str:
    """A time → ``13:51:30.123Z``; ``24:00:00`` is ``00:00:00Z``, as Java's times know no other."""
    if _TIME.fullmatch(cell.decode()) is None:
        raise undecodable("time")
    return "00:00:00Z" if cell == b"24:00:00" else f"{cell.decode()}Z"


def timestamp_us(cell: bytes) -> int:
    """A finite timestamp → microseconds since 1970; beyond INT64 for the last 29 seconds of Postgres's last years."""
    try:
        if len(cell) <= 26 and cell[4] == 0x2D and cell[-1] != 0x43:  # a year of four digits, not BC
            since = datetime.fromisoformat(cell.decode()) - _EPOCH
            return since.days * DAY_US + since.seconds * 1_000_000 + since.microseconds
        found = _TIMESTAMP.fullmatch(cell.decode())
        if found is None or found[3]:
            raise undecodable("timestamp")
        day = _days(*_civil(found[1] + (found[4] or "")))
        return day * DAY_US + microseconds_of_day(found[2].encode())
    except (ValueError, IndexError, TypeError):
        raise undecodable("timestamp") from None


def milliseconds(cell: bytes) -> int:
    """A timestamp → milliseconds since 1970, rounded down."""
    special = TIMESTAMP_INFINITY_US.get(cell)
    return (timestamp_us(cell) if special is None else special) // 1000


def _microseconds(options: TypeOptions) -> Callable[[bytes], int | None]:
    top = TIMESTAMP_INFINITY_US[b"infinity"]

    def decode(cell: bytes) -> int | None:
        special = TIMESTAMP_INFINITY_US.get(cell)
        if special is not None:
            return special
        value = timestamp_us(cell)
        if value < top:
            return value
        what = "a timestamp after 294247-01-10 in microseconds"  # it would read as infinity, or wrap (A15, 3)
        unrepresentable(options, what, "`types: {time: isostring}` or `types: {time: connect}`")
        return None

    return decode


def _nanoseconds(options: TypeOptions) -> Callable[[bytes], int | None]:
    def decode(cell: bytes) -> int | None:
        special = NANOSECONDS_INFINITY.get(cell)
        if special is not None:
            return special
        value = timestamp_us(cell) * 1000
        if _INT64_MIN < value < _INT64_MAX:
            return value
        unrepresentable(options, "a timestamp outside 1677 to 2262 in nanoseconds", "`types: {time: microseconds}`")
        return None

    return decode


def iso_timestamp(cell: bytes) -> str:
    """A timestamp → ``2018-06-20T15:13:16.945Z``."""
    if cell in TIMESTAMP_INFINITY_US:
        return cell.decode()
    found = _TIMESTAMP.fullmatch(cell.decode())
    if found is None or found[3]:
        raise undecodable("timestamp")
    return f"{_iso_date(found[1] + (found[4] or ''))}T{found[2]}Z"


def _zoned_timestamp(digits: int) -> Callable[[bytes], str]:
    width = 9 + digits  # 00:00:00. and the fraction

    def decode(cell: bytes) -> str:
        text = cell.decode()
        if text[-3:] == "+00" and text[4] == "-":  # years 1 to 9999
            day, time = text[:10], text[11:-3]
        elif cell in TIMESTAMP_INFINITY_US:
            return text
        else:
            found = _TIMESTAMP.fullmatch(text)
            if found is None or not found[3]:
                raise undecodable("timestamptz")
            day, time = _iso_date(found[1] + (found[4] or "")), found[2]
        if not digits:
            return f"{day}T{time[:8]}Z"
        return f"{day}T{time.ljust(width, '0') if len(time) > 8 else f'{time}.'.ljust(width, '0')}Z"

    return decode


def zoned_time(cell: bytes) -> str:
    """A timetz → ``11:51:30.123789Z``, the day's end folded into its beginning."""
    found = _TIMETZ.fullmatch(cell.decode())
    if found is None:
        raise undecodable("timetz")
    offset = (int(found[3]) * 60 + int(found[4] or 0)) * 60 + int(found[5] or 0)
    local = microseconds_of_day(found[1].encode())
    seconds, fraction = divmod((local - (offset if found[2] == "+" else -offset) * 1_000_000) % DAY_US, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{_fraction(fraction)}Z"


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06}".rstrip("0") if microseconds else ""


def _interval(cell: bytes) -> tuple[int, int, int, int]:
    """Years, months, days and microseconds of a finite interval, each with its own sign."""
    found = _INTERVAL.fullmatch(cell.decode()) if cell else None
    if found is None:
        raise undecodable("interval")
    years, months, days_, sign, hours, minutes, seconds, fraction = found.groups()
    time = ((int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) * 1_000_000
    time += int((fraction or "").ljust(6, "0"))
    return int(years or 0), int(months or 0), int(days_ or 0), -time if sign == "-" else time


def interval_us(cell: bytes) -> int:
    """An interval → microseconds; a month counts 30.4375 days; saturates at INT64, infinities too."""
    if cell in TIMESTAMP_INFINITY_US:
        return _INT64_MAX if cell == b"infinity" else _INT64_MIN
    years, months, days_, time = _interval(cell)
    return max(_INT64_MIN, min(_INT64_MAX, (years * 12 + months) * MONTH_US + days_ * DAY_US + time))


def iso_interval(cell: bytes) -> str:
    """An interval → ``P1Y2M3DT4H5M6.78S``; infinities keep their names."""
    if cell in TIMESTAMP_INFINITY_US:
        return cell.decode()
    years, months, days_, time = _interval(cell)
    sign = "-" if time < 0 else ""
    seconds, fraction = divmod(abs(time), 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    last = f"{second}{_fraction(fraction)}"
    parts = [f"{sign}{part}" if part not in ("0", "") else "0" for part in (str(hours), str(minute), last)]
    return f"P{years}Y{months}M{days_}DT{parts[0]}H{parts[1]}M{parts[2]}S"
