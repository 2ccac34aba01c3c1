"""Values as people read them: a timestamp is a date and a time, not a number of microseconds."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.schema.model import Type

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock's time, without a zone


def _instant(unit: int) -> Callable[[int], str]:
    return lambda value: str(_EPOCH + dt.timedelta(microseconds=value * 1_000_000 // unit))


def _clock(unit: int) -> Callable[[int], str]:
    return lambda value: str(dt.timedelta(microseconds=value * 1_000_000 // unit))


_READ: Final[dict[str, Callable[[int], str]]] = {
    "io.debezium.time.Timestamp": _instant(1_000),
    "io.debezium.time.MicroTimestamp": _instant(1_000_000),
    "io.debezium.time.NanoTimestamp": _instant(1_000_000_000),
    "org.apache.kafka.connect.data.Timestamp": _instant(1_000),
    "io.debezium.time.Time": _clock(1_000),
    "io.debezium.time.MicroTime": _clock(1_000_000),
    "io.debezium.time.NanoTime": _clock(1_000_000_000),
    "org.apache.kafka.connect.data.Time": _clock(1_000),
    "io.debezium.time.Date": _instant(1),
    "org.apache.kafka.connect.data.Date": _instant(1),
}
_DATES: Final = frozenset({"io.debezium.time.Date", "org.apache.kafka.connect.data.Date"})
_DAY: Final = 86_400
_LONGEST: Final = 200


def readable(kind: Type, value: Any) -> str:
    """One value on one line, cut where it is long; what no calendar holds (infinity) stays a number."""
    if value is None:
        return "NULL"
    reader = _READ.get(kind.name or "")
    if reader is not None:
        try:
            return reader(value * _DAY)[:10] if kind.name in _DATES else reader(value)
        except OverflowError:
            return str(value)
    if isinstance(value, bytes):
        text = f"\\x{value.hex()}"
    elif isinstance(value, Decimal):
        text = f"{value:f}" if value.is_finite() else str(value)
    elif isinstance(value, str):
        text = value if kind.name else json.dumps(value, ensure_ascii=False)  # JSON, uuid, enum, … need no quotes
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
