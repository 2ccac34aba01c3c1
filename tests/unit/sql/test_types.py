"""Logical types as columns of both dialects."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from connect.schema.model import Field, Kind, Type, decimal_type, variable_scale_decimal_type
from connectors.sql import postgres_types, sqlite_types

NAN = float("nan")


def named(kind: Kind, name: str, **parameters: str) -> Type:
    return Type(kind, name, 1, tuple(parameters.items()))


@pytest.mark.parametrize(
    ("type_", "sql"),
    [
        (decimal_type(10, 2), "numeric(10,2)"),
        (decimal_type(None, 2), "numeric"),
        (decimal_type(3, -2), "numeric"),
        (variable_scale_decimal_type(), "numeric"),
        (named(Kind.BYTES, "io.debezium.data.Bits", length="4"), "bit(4)"),
        (named(Kind.BYTES, "io.debezium.data.Bits", length="2147483647"), "bit varying"),
        (named(Kind.STRING, "io.debezium.data.Enum", allowed="a,b"), "text"),
        (named(Kind.STRING, "org.example.Unknown"), "text"),
        (Type(Kind.ARRAY, items=Type(Kind.INT32)), "integer[]"),
        (Type(Kind.ARRAY, items=Type(Kind.ARRAY, items=Type(Kind.STRING))), "json"),
        (Type(Kind.MAP, items=Type(Kind.STRING)), "json"),
        (named(Kind.STRING, "io.debezium.data.Json"), "json"),
        (Type(Kind.STRING, "io.debezium.data.Json", 1, (("__debezium.source.column.type", "JSONB"),)), "jsonb"),
    ],
)
def test_postgres_columns(type_: Type, sql: str) -> None:
    assert postgres_types.column_type(type_).sql == sql


@pytest.mark.parametrize(
    ("type_", "value", "written"),
    [
        (Type(Kind.BYTES), b"\x00\xff", "\\x00ff"),
        (Type(Kind.FLOAT64), NAN, "nan"),
        (named(Kind.BYTES, "io.debezium.data.Bits", length="4"), b"\x05", "0101"),
        (named(Kind.BYTES, "io.debezium.data.Bits", length="4"), b"", "0000"),
        (named(Kind.BYTES, "io.debezium.data.Bits", length="2147483647"), b"", ""),
        (Type(Kind.ARRAY, items=Type(Kind.STRING)), ['a"b', "c\\d", None, ""], '{"a\\"b","c\\\\d",NULL,""}'),
        (
            Type(Kind.ARRAY, items=Type(Kind.ARRAY, items=Type(Kind.INT32))),
            [[1, 2], None, [3, None], []],
            "[[1,2],null,[3,null],[]]",
        ),
        (named(Kind.INT64, "io.debezium.time.MicroDuration"), -1, "-1 microseconds"),
        (Type(Kind.MAP, items=Type(Kind.STRING)), {"a": None, "b": "ü"}, '{"a":null,"b":"ü"}'),
    ],
)
def test_values_for_postgres(type_: Type, value: Any, written: str) -> None:
    assert postgres_types.column_type(type_).write(value) == written


@pytest.mark.parametrize(
    ("type_", "sql", "value", "written"),
    [
        (decimal_type(10, 2), "TEXT", Decimal("1.10"), "1.10"),
        (Type(Kind.FLOAT64), "REAL", NAN, "NaN"),
        (Type(Kind.INT64), "INTEGER", 2**63 - 1, 2**63 - 1),
        (Type(Kind.BYTES), "BLOB", b"\x00", b"\x00"),
        (named(Kind.INT32, "io.debezium.time.Date"), "TEXT", 0, "1970-01-01"),
        (Type(Kind.ARRAY, items=named(Kind.INT32, "io.debezium.time.Date")), "TEXT", [0, None], '["1970-01-01",null]'),
        (Type(Kind.STRUCT, fields=(Field("x", Type(Kind.FLOAT64)),)), "TEXT", {"x": 1.5}, '{"x":1.5}'),
    ],
)
def test_sqlite_columns_and_values(type_: Type, sql: str, value: Any, written: Any) -> None:
    column = sqlite_types.column_type(type_)
    assert column.sql == sql
    assert column.write(value) == written


def test_NaN_inside_json_is_a_text_and_not_made_null() -> None:
    write = postgres_types.column_type(Type(Kind.MAP, items=Type(Kind.FLOAT64))).write
    assert write({"a": NAN, "b": [-math.inf, 1.5]}) == '{"a":"NaN","b":["-Infinity",1.5]}'


@pytest.mark.parametrize(
    ("actual", "wanted", "accepted"),
    [
        ("bigint", "integer", True),
        ("smallint", "integer", False),
        ("numeric", "numeric(10,2)", True),
        ("numeric(12,3)", "numeric(10,2)", True),
        ("numeric(10,3)", "numeric(10,2)", False),
        ("numeric(10,2)", "numeric", False),
        ("character varying", "text", True),
        ("character varying(10)", "text", False),
        ("bytea", "text", False),
        ("mood", "text", True),
        ("inet", "text", True),
        ("text", "uuid", True),
        ("text", "integer", False),
        ("jsonb", "json", True),
        ("bigint[]", "integer[]", True),
        ("text", "integer[]", False),
        ("interval", "time without time zone", True),
        ("timestamp(3) without time zone", "timestamp without time zone", False),
    ],
)
def test_F136_postgres_columns_that_hold_the_topics_values(actual: str, wanted: str, *, accepted: bool) -> None:
    assert postgres_types.accepts(actual, wanted) is accepted


@pytest.mark.parametrize(
    ("actual", "wanted", "accepted"),
    [("BIGINT", "INTEGER", True), ("VARCHAR(10)", "TEXT", True), ("NUMERIC", "TEXT", False), ("", "BLOB", True)],
)
def test_F136_sqlite_columns_are_compared_by_affinity(actual: str, wanted: str, *, accepted: bool) -> None:
    assert sqlite_types.accepts(actual, wanted) is accepted
