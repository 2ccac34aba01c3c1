"""How values of types with more than one good representation are published."""

from __future__ import annotations

from typing import Literal

from connect.config.fields import Model


class TypeOptions(Model):
    """Modes by Debezium's words (types.md A3-A5); the defaults give its default schemas.

    Attributes:
        decimal: ``precise`` (Decimal, VariableScaleDecimal), ``string``, ``double``.
        interval: ``numeric`` (microseconds, a month is 30.4375 days) or ``string`` (ISO 8601, all seven parts).
        binary: How bytea is published.
        hstore: A JSON text or a map.
        time: Precision and form of date, time and timestamp (types.md A4).
        arrays: ``typed``, or ``text``: Postgres's own array text, which also holds nested arrays and lower bounds.
        money_fraction_digits: Fraction digits of the server's ``lc_monetary``, 2 for most currencies.
        unrepresentable: What a value that the column's schema cannot hold does: stop the connector, or become null.
    """

    decimal: Literal["precise", "string", "double"] = "precise"
    interval: Literal["numeric", "string"] = "numeric"
    binary: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"
    hstore: Literal["json", "map"] = "json"
    time: Literal["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"] = (
        "adaptive"
    )
    arrays: Literal["typed", "text"] = "typed"
    money_fraction_digits: int = 2
    unrepresentable: Literal["fail", "null"] = "fail"
