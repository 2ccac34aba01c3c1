"""Dates, times and timestamps from their parts → values, the same for the log's bytes and for the server's text.

Calendar: proleptic Gregorian, years 0 to 9999 as they stand (A15, 17). A date with a zero part, or a day that the month
does not have, is no date: ``zero_date`` says what becomes of it (F77). Modes and their names: types.md A10.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import Kind, Type
from connectors.mysql.refusals import refused, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.mysql.columns import Column
    from connectors.mysql.type_options import TypeOptions

DAY_US: Final = 86_400_000_000
_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - printed without a zone
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_ERA_DAYS: Final = 146_097  # days of 400 years
_INT64_MAX, _INT64_MIN = 2**63 - 1, -(2**63)
_TEXT: Final = Type(Kind.STRING)


def _debezium(kind: Kind, name: str) -> Type:
    return Type(kind, f"io.debezium.time.{name}", 1)


def _connect(kind: Kind, name: str) -> Type:
    return Type(kind, f"org.apache.kafka.connect.data.{name}", 1)


YEAR: Final = _debezium(Kind.INT32, "Year")
_ZONED_TIMESTAMP: Final = _debezium(Kind.STRING, "ZonedTimestamp")
_DATE_TYPES: Final = {"isostring": _debezium(Kind.STRING, "IsoDate"), "connect": _connect(Kind.INT32, "Date")}
_TIME_TYPES: Final = {
    "isostring": _debezium(Kind.STRING, "IsoTime"),
    "connect": _connect(Kind.INT32, "Time"),
    "nanoseconds": _debezium(Kind.INT64, "NanoTime"),
}
_DATETIME_TYPES: Final = {
    "isostring": _debezium(Kind.STRING, "IsoTimestamp"),
    "connect": _connect(Kind.INT64, "Timestamp"),
    "nanoseconds": _debezium(Kind.INT64, "NanoTimestamp"),
}


def date_type(options: TypeOptions) -> Type:
    """The type of DATE columns."""
    if options.zero_date == "string":
        return _TEXT
    return _DATE_TYPES.get(options.time, _debezium(Kind.INT32, "Date"))


def time_type(options: TypeOptions) -> Type:
    """The type of TIME columns."""
    return _TIME_TYPES.get(options.time, _debezium(Kind.INT64, "MicroTime"))


def datetime_type(column: Column, options: TypeOptions) -> Type:
    """The type of a DATETIME column: milliseconds up to three digits of fraction, by default."""
    if options.zero_date == "string":
        return _TEXT
    found = _DATETIME_TYPES.get(options.time)
    if found is None:
        found = _debezium(Kind.INT64, "Timestamp" if _in_milliseconds(column, options) else "MicroTimestamp")
    return found


def timestamp_type(options: TypeOptions) -> Type:
    """The type of TIMESTAMP columns."""
    return _TEXT if options.zero_date == "string" else _ZONED_TIMESTAMP


def _in_milliseconds(column: Column, options: TypeOptions) -> bool:
    return options.time == "adaptive_time_microseconds" and column.fraction <= 3


def selective(column: Column, options: TypeOptions) -> bool:
    """Whether a column may hold values that its type has no place for, so that ``unrepresentable: null`` matters."""
    if column.data_type == "time":
        return options.time in {"connect", "isostring"}
    if column.data_type in {"date", "datetime", "timestamp"}:
        return options.zero_date == "null" or (options.time == "nanoseconds" and column.data_type == "datetime")
    return False


def no_date(column: Column, options: TypeOptions) -> Callable[[], None]:
    """What a zero or impossible date becomes (F77): None or ``Failed``; never null unseen in a NOT NULL column."""
    mend = "`types: {zero_date: string}`"

    def fail() -> None:
        raise refused("a zero date", f"{mend} or `types: {{zero_date: 'null'}}`")

    def null() -> None:
        if not column.nullable:
            unrepresentable(options, "a zero date in a NOT NULL column", mend)

    return fail if options.zero_date == "fail" else null


def days(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01, or None for what is no date."""
    try:
        if year:
            return date(year, month, day).toordinal() - _EPOCH_ORDINAL
        return date(400, month, day).toordinal() - _EPOCH_ORDINAL - _ERA_DAYS
    except ValueError:
        return None


def dates(column: Column, options: TypeOptions) -> Callable[[int, int, int], Any]:
    """Year, month, day → the value of a DATE column."""
    if options.zero_date == "string":
        return lambda year, month, day: f"{year:04}-{month:02}-{day:02}"
    missing = no_date(column, options)

    def in_days(year: int, month: int, day: int) -> int | None:
        found = days(year, month, day)
        return missing() if found is None else found

    def iso(year: int, month: int, day: int) -> str | None:
        return missing() if days(year, month, day) is None else f"{year:04}-{month:02}-{day:02}Z"

    return iso if options.time == "isostring" else in_days


def datetimes(column: Column, options: TypeOptions) -> Callable[[int, int, int, int], Any]:
    """Year, month, day and microseconds of the day → the value of a DATETIME column."""
    if options.zero_date == "string":
        return lambda year, month, day, us: _server_text(year, month, day, us, column.fraction)
    missing = no_date(column, options)
    if options.time == "isostring":

        def iso(year: int, month: int, day: int, us: int) -> str | None:
            if days(year, month, day) is None:
                return missing()
            return f"{year:04}-{month:02}-{day:02}T{clock(us)}Z"

        return iso
    if options.time == "connect" or _in_milliseconds(column, options):

        def in_ms(year: int, month: int, day: int, us: int) -> int | None:
            found = days(year, month, day)
            return missing() if found is None else found * _DAY_MS + us // 1000

        return in_ms

    def in_us(year: int, month: int, day: int, us: int) -> int | None:
        found = days(year, month, day)
        return missing() if found is None else found * DAY_US + us

    return _nanoseconds(in_us, options) if options.time == "nanoseconds" else in_us


def _nanoseconds(in_us: Callable[[int, int, int, int], int | None], options: TypeOptions) -> Callable[..., int | None]:
    def in_ns(year: int, month: int, day: int, us: int) -> int | None:
        found = in_us(year, month, day, us)
        if found is None or _INT64_MIN <= found * 1000 <= _INT64_MAX:
            return None if found is None else found * 1000
        unrepresentable(options, "a DATETIME outside 1677 to 2262 in nanoseconds", "`types: {time: microseconds}`")
        return None

    return in_ns


def times(options: TypeOptions) -> Callable[[int], Any]:
    """Microseconds, negative too → the value of a TIME column."""
    match options.time:
        case "nanoseconds":
            return lambda us: us * 1000
        case "connect":
            return _of_day(options, lambda us: us // 1000)
        case "isostring":
            return _of_day(options, lambda us: f"{clock(us)}Z")
        case _:
            return lambda us: us


def _of_day(options: TypeOptions, of: Callable[[int], Any]) -> Callable[[int], Any]:
    def decode(us: int) -> Any:
        if 0 <= us <= DAY_US:
            return of(us)
        unrepresentable(
            options, "a TIME outside 00:00 to 24:00", "`types: {time: microseconds}` or `types: {time: nanoseconds}`"
        )
        return None

    return decode


def timestamps(column: Column, options: TypeOptions) -> Callable[[int, int], Any]:
    """Seconds since 1970 and microseconds → the value of a TIMESTAMP column; 0 seconds are the zero timestamp."""
    text, zero = options.zero_date == "string", no_timestamp(column, options)
    separator, end = (" ", "") if text else ("T", "Z")
    digits = column.fraction

    def decode(seconds: int, us: int) -> str | None:
        if not seconds and not us:
            return zero()
        stamp = (_EPOCH + timedelta(seconds=seconds)).isoformat(separator)
        return f"{stamp}.{us:06}"[: 20 + digits] + end if digits else stamp + end

    return decode


def no_timestamp(column: Column, options: TypeOptions) -> Callable[[], str | None]:
    """What the zero timestamp becomes: as ``no_date``, or the server's text."""
    text = _server_text(0, 0, 0, 0, column.fraction)
    return (lambda: text) if options.zero_date == "string" else no_date(column, options)


def _server_text(year: int, month: int, day: int, us: int, digits: int) -> str:
    seconds, fraction = divmod(us, 1_000_000)
    text = f"{year:04}-{month:02}-{day:02} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}"[: 20 + digits] if digits else text


def clock(us: int) -> str:
    """``23:59:59.25``: microseconds of the day with the shortest fraction."""
    seconds, fraction = divmod(us, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text
