"""Every logical type into a real Postgres, special values included (types.md A3-A7, F141)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.api import SinkContext, TopicPartition
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type, decimal_type, variable_scale_decimal_type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

POSITIVE, NEGATIVE = 9223372036825200000, -9223372036832400000


def named(kind: Kind, name: str, **parameters: str) -> Type:
    return Type(kind, f"io.debezium.{name}", 1, tuple(parameters.items()))


def array(items: Type) -> Type:
    return Type(Kind.ARRAY, items=items)


VALUES: list[tuple[Type, Any, str]] = [
    (Type(Kind.BOOLEAN), True, "true"),
    (Type(Kind.INT16), -32768, "-32768"),
    (Type(Kind.INT64), 2**63 - 1, "9223372036854775807"),
    (Type(Kind.FLOAT32), 0.10000000149011612, "0.1"),
    (Type(Kind.FLOAT64), 0.1 + 0.2, "0.30000000000000004"),
    (Type(Kind.FLOAT64), float("nan"), "NaN"),
    (Type(Kind.FLOAT64), float("-inf"), "-Infinity"),
    (Type(Kind.STRING), "tab\t newline\n back\\slash \\N ü 🦆", "tab\t newline\n back\\slash \\N ü 🦆"),
    (Type(Kind.STRING), "", ""),
    (Type(Kind.BYTES), b"\x00\x01\xff", "\\x0001ff"),
    (decimal_type(10, 2), Decimal("-99999999.99"), "-99999999.99"),
    (decimal_type(None, 2), Decimal("92233720368547758.07"), "92233720368547758.07"),
    (variable_scale_decimal_type(), Decimal("1E+20"), "100000000000000000000"),
    (variable_scale_decimal_type(), Decimal("0.00000000000000000001"), "0.00000000000000000001"),
    (named(Kind.INT32, "time.Date"), -2440550, "4713-01-01 BC"),
    (named(Kind.INT32, "time.Date"), 2145042905, "5874897-12-31"),
    (named(Kind.INT32, "time.Date"), 2147483647, "infinity"),
    (named(Kind.INT32, "time.Date"), -2147483648, "-infinity"),
    (named(Kind.INT32, "time.Time"), 49890123, "13:51:30.123"),
    (named(Kind.INT64, "time.MicroTime"), 86400000000, "24:00:00"),
    (named(Kind.INT64, "time.NanoTime"), 86399999999000, "23:59:59.999999"),
    (named(Kind.INT64, "time.MicroTimestamp"), POSITIVE, "infinity"),
    (named(Kind.INT64, "time.MicroTimestamp"), NEGATIVE, "-infinity"),
    (named(Kind.INT64, "time.MicroTimestamp"), -210831897600000001, "4713-12-31 23:59:59.999999 BC"),
    (named(Kind.INT64, "time.Timestamp"), 253402300799000, "9999-12-31 23:59:59"),
    (named(Kind.INT64, "time.NanoTimestamp"), -1000, "1969-12-31 23:59:59.999999"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "2018-06-20T15:13:16.945104Z", "2018-06-20 15:13:16.945104+00"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "infinity", "infinity"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "-0043-03-15T00:00:00Z", "0044-03-15 00:00:00+00 BC"),
    (named(Kind.STRING, "time.ZonedTime"), "24:00:00Z", "24:00:00+00"),
    (named(Kind.STRING, "time.IsoDate"), "+5874897-12-31Z", "5874897-12-31"),
    (named(Kind.STRING, "time.IsoTimestamp"), "-4712-01-01T00:00:00Z", "4713-01-01 00:00:00 BC"),
    (named(Kind.INT64, "time.MicroDuration"), -1, "-00:00:00.000001"),
    (named(Kind.INT64, "time.MicroDuration"), 2**63 - 1, "2562047788:00:54.775807"),
    (named(Kind.STRING, "time.Interval"), "P-1Y-2M3DT-4H-5M-6S", "-1 years -2 mons +3 days -04:05:06"),
    (named(Kind.STRING, "time.Interval"), "P0Y0M0DT0H0M-0.000001S", "-00:00:00.000001"),
    (named(Kind.STRING, "data.Uuid"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (named(Kind.STRING, "data.Json"), '{"a": 1,  "a": "\\u0000"}', '{"a": 1,  "a": "\\u0000"}'),
    (named(Kind.STRING, "data.Tsvector"), "'cat':3 'fat':2,4", "'cat':3 'fat':2,4"),
    (named(Kind.STRING, "data.Enum", allowed="a,b"), "b", "b"),
    (named(Kind.BYTES, "data.Bits", length="10"), b"\x01\x02", "1000000001"),
    (named(Kind.BYTES, "data.Bits", length="4"), b"", "0000"),
    (named(Kind.STRUCT, "data.geometry.Point"), {"x": 1.5, "y": -2.0, "wkb": None, "srid": None}, "(1.5,-2)"),
    (array(Type(Kind.INT32)), [1, None, 3], "{1,NULL,3}"),
    (array(Type(Kind.STRING)), ["", "NULL", 'a"b\\c,d', None], '{"","NULL","a\\"b\\\\c,d",NULL}'),
    (array(array(Type(Kind.INT32))), [[1, 2], None], "[[1,2],null]"),  # JSON: no array of Postgres holds a NULL list
    (array(Type(Kind.INT32)), [], "{}"),
    (array(decimal_type(10, 2)), [Decimal("1.20"), None], "{1.20,NULL}"),
    (array(named(Kind.INT32, "time.Date")), [17109, 2147483647], "{2016-11-04,infinity}"),
    (array(Type(Kind.BYTES)), [b"\x00\xff", None], '{"\\\\x00ff",NULL}'),
    (Type(Kind.MAP, items=Type(Kind.STRING)), {"k": None}, '{"k":null}'),
]


@pytest.fixture(scope="module")
def texts(postgres: str) -> Iterator[list[str]]:
    """All values in one row of one table, as the database prints them."""
    schema = f"g_{uuid.uuid4().hex[:10]}"
    table = TableId("public", "everything")
    key = (Field("id", Type(Kind.INT32), optional=False),)
    columns = (*key, *(Field(f"c{i}", type_) for i, (type_, _, _) in enumerate(VALUES)))
    partition = TopicPartition("everything", "id", 0)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        sink = PLUGIN.build(SqlConfig(url=postgres, schema=schema), SinkContext("t", "g", lambda _: SqlTarget()))
        try:
            sink.open([partition])
            after = plain_row(TableSchema(table, columns, ("id",)), [1, *(value for _, value, _ in VALUES)])
            key_row = plain_row(TableSchema(table, key, ("id",)), [1])
            record = SinkRecord("everything", 0, 0, 0, Op.CREATE, key_row, None, after, table)
            result = sink.write([record], {partition: 1}, frozenset())
            assert not result.failures
        finally:
            sink.close()
        names = ", ".join(f"c{i}::text" for i in range(len(VALUES)))
        connection.execute("SET timezone = UTC")
        yield list(connection.execute(f"SELECT {names} FROM {schema}.everything").fetchone() or ())
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.parametrize("number", range(len(VALUES)), ids=lambda i: f"{VALUES[i][0].name or VALUES[i][0].kind}-{i}")
def test_F141_values_arrive_as_they_were(texts: list[str], number: int) -> None:
    assert texts[number] == VALUES[number][2]
