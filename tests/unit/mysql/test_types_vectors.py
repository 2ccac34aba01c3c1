"""Every vector of tests/data decodes to Debezium's value, but for the differences that are listed here with a reason.

The numbers are rows of the table "where live Debezium is wrong" (types.md A15). A vector goes the whole way: the type's
SQL to a column, a table map and a rows event of its bytes to a row.
"""

import json
import struct
from decimal import Context, Decimal
from pathlib import Path

import pytest

from connect.errors import Failed
from connect.schema.model import DECIMAL, Kind
from connectors.mysql.ddl import parse
from connectors.mysql.shapes import log_table
from connectors.mysql.table_map import parse_table_map
from connectors.mysql.type_options import TypeOptions

DATA = Path(__file__).parents[2] / "data"
EXACT = Context(prec=1000)
WRITE_ROWS = 30
REFUSED = object()  # decode raises Failed("unrepresentable_value")

# (type, SQL of the value) → our value where it differs.
DIFFERENCES = {
    # 16: year 0 is no other year
    ("year", "0"): 0,
    ("year", "'0000'"): 0,
    # 17: no year is shifted
    ("date", "'0001-01-01'"): -719162,
    # 19: the label as it is
    ("enum('a,b','c''d','é')", "'a,b'"): "a,b",
    # 20: the text of the server
    (
        "json",
        """'{"b": 1, "aa": [1, -1, 65535, 65536, 4294967296, 18446744073709551615, 1.5, "x", null, true, false]}'""",
    ): '{"b": 1, "aa": [1, -1, 65535, 65536, 4294967296, 18446744073709551615, 1.5, "x", null, true, false]}',
    ("json", "CAST(CAST('2015-01-15 23:24:25.120000' AS DATETIME(6)) AS JSON)"): '"2015-01-15 23:24:25.120000"',
    ("json", "CAST(CAST('23:24:25.12' AS TIME(3)) AS JSON)"): '"23:24:25.120000"',
    ("json", "CAST(x'cafebabe' AS JSON)"): '"base64:type15:yv66vg=="',
    ("json", "JSON_OBJECT('d', 1.10, 'n', CAST(3.14 AS DECIMAL(5,2)))"): '{"d": 1.10, "n": 3.14}',
    # 26: one rule for BOOLEAN, and FLOAT(M,D) is the 32-bit number that is stored
    ("boolean", "true"): 1,
    ("boolean", "false"): 0,
    ("float(7,3)", "1234.567"): 1234.567,
    ("float(7,3)", "-9999.999"): -9999.999,
    # no wrapping above 2^63-1
    ("bigint unsigned", "9223372036854775808"): REFUSED,
    ("bigint unsigned", "18446744073709551615"): REFUSED,
}


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


VECTORS = rows("mysql_vectors.tsv")
MODES = rows("mysql_modes.tsv")


def definition(type_name, *, mariadb=False):
    name = type_name.replace("point srid 4326", "point")
    return parse(f"CREATE TABLE t (v {name})", "db", mariadb=mariadb).build("utf8mb4")


def decoded(type_name, code, meta, row_bytes, options, *, mariadb=False):
    """The field and the value of a row with this one column, from the events of the log."""
    event = b"\1\0\0\0\0\0\1\0\2db\0\1t\0" + bytes([1, int(code), len(meta) // 2]) + bytes.fromhex(meta) + b"\1"
    table = log_table(definition(type_name, mariadb=mariadb), parse_table_map(event), options)
    body = b"\1\0\0\0\0\0\1\0\2\0\1\1\0" + bytes.fromhex(row_bytes)
    ((_, row),) = table.changes(WRITE_ROWS, body)
    return table.shape.schema.columns[0], row


def expected(column, value):
    """Debezium's JSON value → the Python value of our type."""
    if value is None:
        return None
    if column.name == DECIMAL:
        return Decimal(int.from_bytes(unhex(value), "big", signed=True)).scaleb(-int(column.parameter("scale")), EXACT)
    if column.kind is Kind.STRUCT:
        return {f.name: expected(f.type, value[f.name]) for f in column.fields}
    if column.kind is Kind.BYTES:
        return unhex(value)
    return float(value) if column.kind in (Kind.FLOAT32, Kind.FLOAT64) else value


def unhex(value):
    return bytes.fromhex(value.removeprefix("0x"))


def comparable(column, value):
    """Floats by their bits, as wide as the type is; the rest as it is."""
    if isinstance(value, list):
        return [comparable(column.items, element) for element in value]
    if isinstance(value, float):
        return struct.pack("<f" if column.kind is Kind.FLOAT32 else "<d", value)
    return value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector[0][:30]} {vector[4][:30]}")
def test_log_bytes_decode_to_the_value_that_debezium_gives_or_to_the_listed_better_one(vector):
    type_name, server, code, meta, sql, row_bytes, debezium = vector

    column, row = decoded(type_name, code, meta, row_bytes, TypeOptions(), mariadb=server == "mariadb")

    want = DIFFERENCES.get((type_name, sql))
    if want is REFUSED:
        with pytest.raises(Failed) as failure:
            row["v"]
        assert failure.value.code == "unrepresentable_value"
        return
    want = expected(column.type, json.loads(debezium)) if want is None else want
    assert type(row["v"]) is type(want)
    assert comparable(column.type, row["v"]) == comparable(column.type, want)


def test_every_listed_difference_is_one_of_the_vectors():
    assert set(DIFFERENCES) <= {(vector[0], vector[4]) for vector in VECTORS}


OPTIONS = [
    TypeOptions(bigint_unsigned="precise", unrepresentable="null", **modes)
    for modes in (
        {},
        {"time": "connect", "decimal": "string", "binary": "base64"},
        {"time": "isostring", "decimal": "double", "binary": "hex"},
        {"time": "nanoseconds", "binary": "base64-url-safe"},
        {"time": "microseconds"},
    )
]
BYTES_OF = {(vector[0], vector[4]): vector[2:6] for vector in VECTORS}
MODE_DIFFERENCES = {
    ("date", "'0001-01-01'"): [-719162, -719162, "0001-01-01Z", -719162, -719162],
    ("year", "0"): [0] * 5,
    ("year", "'0000'"): [0] * 5,
    # the value, not its wrap
    **{("bigint unsigned", n): [Decimal(n)] * 5 for n in ("0", "9223372036854775808", "18446744073709551615")},
}


@pytest.mark.parametrize("vector", MODES, ids=lambda vector: f"{vector[0]} {vector[1]}")
def test_modes_give_debeziums_values(vector):
    type_name, sql, *values = vector
    code, meta, _, row_bytes = BYTES_OF[type_name, sql]
    for mode, (debezium, options) in enumerate(zip(values, OPTIONS, strict=False)):
        column, row = decoded(type_name, code, meta, row_bytes, options)

        better = MODE_DIFFERENCES.get((type_name, sql))
        want = better[mode] if better else expected(column.type, json.loads(debezium))
        assert row["v"] == want, options
