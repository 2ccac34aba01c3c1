"""How values of types with more than one good representation are published."""

from __future__ import annotations

from typing import Literal

from connect.config.fields import Model


class TypeOptions(Model):
    """Modes by Debezium's words (types.md A9, A10); the defaults give its default schemas.

    Attributes:
        decimal: ``precise`` (Decimal), ``string``, ``double``.
        bigint_unsigned: ``long``, where a value above 2^63-1 is unrepresentable, or ``precise`` (Decimal of scale 0).
        binary: How BINARY, VARBINARY and BLOB are published.
        time: Precision and form of DATE, TIME and DATETIME (types.md A10).
        zero_date: What a date with a zero part (0000-00-00, 2024-00-15) becomes (F77): null, in a NOT NULL column as
            ``unrepresentable`` says; a stopped connector; or, for all DATE, DATETIME and TIMESTAMP columns, the
            server's own text.
        unrepresentable: What a value that the column's schema cannot hold does: stop the connector, or become null;
            columns that may meet one are then optional.
    """

    decimal: Literal["precise", "string", "double"] = "precise"
    bigint_unsigned: Literal["long", "precise"] = "long"
    binary: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"
    time: Literal["adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"] = (
        "adaptive_time_microseconds"
    )
    zero_date: Literal["null", "fail", "string"] = "null"
    unrepresentable: Literal["fail", "null"] = "fail"
