"""Every logical type into a real MySQL and a real MariaDB, special values included (types.md A3-A7, A12, A13, F141)."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type, decimal_type, variable_scale_decimal_type

if TYPE_CHECKING:
    from tests.integration.sink_mysql.conftest import Target

TOPIC = "shop.public.orders"
TABLE = TableId("public", "orders")
ID = Field("id", Type(Kind.INT32), optional=False)
POSITIVE, NEGATIVE = 9223372036825200000, -9223372036832400000
ANY = 2147483647  # the length of a varbit without one


def named(kind: Kind, name: str, **parameters: str) -> Type:
    return Type(kind, f"io.debezium.{name}", 1, tuple(parameters.items()))


def array(items: Type) -> Type:
    return Type(Kind.ARRAY, items=items)


def wkb(x: float, y: float) -> bytes:
    return struct.pack("<BIdd", 1, 1, x, y)


POINT = named(Kind.STRUCT, "data.geometry.Point")
GEOMETRY = named(Kind.STRUCT, "data.geometry.Geometry")
TEXT = "tab\t newline\n back\\slash \\N ü 🦆 'q' \"d\" \0 %s ?"
JSON = '{"b": 1,  "a": 18446744073709551615, "a": "\\u0000"}'
LINE = bytes.fromhex("01020000000200000000000000000000000000000000000000000000000000f03f000000000000f03f")

# What the server prints: CAST(… AS CHAR), or HEX(…) of bytes and geometries, or a number for floats.
VALUES: list[tuple[Type, Any, Any]] = [
    (Type(Kind.BOOLEAN), True, "1"),
    (Type(Kind.INT8), -128, "-128"),
    (Type(Kind.INT16), 255, "255"),  # TINYINT UNSIGNED of A9
    (Type(Kind.INT32), 16777215, "16777215"),
    (Type(Kind.INT64), -(2**63), "-9223372036854775808"),
    (Type(Kind.INT64), 2**63 - 1, "9223372036854775807"),
    (Type(Kind.FLOAT32), 3.4028234663852886e38, 3.4028234663852886e38),
    (Type(Kind.FLOAT32), -3.4028235e38, -3.4028234663852886e38),
    (Type(Kind.FLOAT32), 0.10000000149011612, 0.10000000149011612),
    (Type(Kind.FLOAT32), 1.401298464324817e-45, 1.401298464324817e-45),
    (Type(Kind.FLOAT32), 16777216.0, 16777216.0),
    (Type(Kind.FLOAT64), 0.1 + 0.2, 0.1 + 0.2),
    (Type(Kind.FLOAT64), 1.7976931348623157e308, 1.7976931348623157e308),
    (Type(Kind.FLOAT64), 5e-324, 5e-324),
    (Type(Kind.FLOAT64), 1e22, 1e22),
    (Type(Kind.STRING), TEXT, TEXT),
    (Type(Kind.STRING), "", ""),
    (Type(Kind.STRING), "blanks   ", "blanks   "),
    (Type(Kind.BYTES), b"\x00\x01\xff'\\\xe2'", "0001FF275CE227"),
    (Type(Kind.BYTES), b"", ""),
    (decimal_type(10, 2), Decimal("-99999999.99"), "-99999999.99"),
    (decimal_type(10, 2), Decimal("1.10"), "1.10"),
    (decimal_type(65, 30), Decimal("9" * 35 + "." + "9" * 30), "9" * 35 + "." + "9" * 30),
    (decimal_type(None, 2), Decimal("92233720368547758.07"), "92233720368547758.07"),  # money
    (decimal_type(3, -2), Decimal("1.23E+4"), "12300"),
    (decimal_type(3, 5), Decimal("0.00999"), "0.00999"),
    (decimal_type(20, 0), Decimal(2**64 - 1), "18446744073709551615"),
    (decimal_type(200, 100), Decimal("1E-100"), "0." + "0" * 99 + "1"),  # no DECIMAL: its text
    (variable_scale_decimal_type(), Decimal("1E+20"), "100000000000000000000"),
    (variable_scale_decimal_type(), Decimal("0.00000000000000000001"), "0.00000000000000000001"),
    (named(Kind.INT32, "time.Date"), -719162, "0001-01-01"),
    (named(Kind.INT32, "time.Date"), -141432, "1582-10-10"),
    (named(Kind.INT32, "time.Date"), 2932896, "9999-12-31"),
    (Type(Kind.INT32, "org.apache.kafka.connect.data.Date", 1), 19782, "2024-02-29"),
    (named(Kind.INT32, "time.Time"), 49890123, "13:51:30.123"),
    (named(Kind.INT64, "time.MicroTime"), 86400000000, "24:00:00.000000"),
    (named(Kind.INT64, "time.MicroTime"), 3020399000000, "838:59:59.000000"),
    (named(Kind.INT64, "time.MicroTime"), -3020399000000, "-838:59:59.000000"),
    (named(Kind.INT64, "time.MicroTime"), -1, "-00:00:00.000001"),
    (named(Kind.INT64, "time.MicroTime"), -3723456700, "-01:02:03.456700"),
    (named(Kind.INT64, "time.NanoTime"), 86399999999000, "23:59:59.999999"),
    (named(Kind.INT64, "time.MicroTimestamp"), 253402300799999999, "9999-12-31 23:59:59.999999"),
    (named(Kind.INT64, "time.MicroTimestamp"), -62135596800000000, "0001-01-01 00:00:00.000000"),
    (named(Kind.INT64, "time.MicroTimestamp"), -1, "1969-12-31 23:59:59.999999"),
    (named(Kind.INT64, "time.Timestamp"), 253402300799999, "9999-12-31 23:59:59.999"),
    (named(Kind.INT64, "time.NanoTimestamp"), -1000, "1969-12-31 23:59:59.999999"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "2018-06-20T15:13:16.945104Z", "2018-06-20 15:13:16.945104"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "2018-06-20T15:13:16.999999999Z", "2018-06-20 15:13:16.999999"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "2018-06-20T15:13:16+02:00", "2018-06-20 13:13:16.000000"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "2038-01-19T03:14:08Z", "2038-01-19 03:14:08.000000"),
    (named(Kind.STRING, "time.ZonedTime"), "24:00:00Z", "24:00:00.000000"),
    (named(Kind.STRING, "time.IsoDate"), "2017-09-15Z", "2017-09-15"),
    (named(Kind.STRING, "time.IsoTime"), "04:05:11.789Z", "04:05:11.789000"),
    (named(Kind.STRING, "time.IsoTimestamp"), "1000-01-01T00:00:00Z", "1000-01-01 00:00:00.000000"),
    (named(Kind.INT32, "time.Year"), 0, "0000"),
    (named(Kind.INT32, "time.Year"), 1901, "1901"),
    (named(Kind.INT32, "time.Year"), 2155, "2155"),
    (named(Kind.INT64, "time.MicroDuration"), -(2**63), "-9223372036854775808"),
    (named(Kind.STRING, "time.Interval"), "P-1Y-2M3DT-4H-5M-6S", "P-1Y-2M3DT-4H-5M-6S"),
    (named(Kind.STRING, "data.Uuid"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a00"),
    (named(Kind.STRING, "data.Json"), JSON, JSON),
    (named(Kind.STRING, "data.Tsvector"), "'cat':3 'fat':2,4", "'cat':3 'fat':2,4"),
    (named(Kind.STRING, "data.Enum", allowed="a\\,b,c'd"), "a,b", "a,b"),
    (named(Kind.STRING, "data.EnumSet", allowed="a,b,c"), "a,c", "a,c"),
    (named(Kind.BYTES, "data.Bits", length="12"), b"\x01\x08", "0801"),
    (named(Kind.BYTES, "data.Bits", length="64"), bytes(7) + b"\x80", "8000000000000000"),
    (named(Kind.BYTES, "data.Bits", length="4"), b"", "00"),
    (named(Kind.BYTES, "data.Bits", length=str(ANY)), b"\x05", "00000101"),
    (POINT, {"x": 1.5, "y": -2.5, "wkb": None, "srid": None}, "00000000" + wkb(1.5, -2.5).hex().upper()),
    (POINT, {"x": 20.0, "y": 10.0, "wkb": wkb(20, 10), "srid": 4326}, "E6100000" + wkb(20, 10).hex().upper()),
    (GEOMETRY, {"wkb": LINE, "srid": None}, "00000000" + LINE.hex().upper()),
    (GEOMETRY, {"wkb": bytes.fromhex("010700000000000000"), "srid": None}, "00000000010700000000000000"),
    (array(Type(Kind.INT32)), [1, None, 3], "[1,null,3]"),
    (array(array(Type(Kind.STRING))), [["a"], None], '[["a"],null]'),
    (array(named(Kind.INT32, "time.Date")), [17109, 2147483647], '["2016-11-04","infinity"]'),
    (array(Type(Kind.FLOAT32)), [1.0, -2.5, 3.4028234663852886e38], "[1.0,-2.5,3.4028234663852886e+38]"),
    (Type(Kind.MAP, items=Type(Kind.STRING)), {"k": None}, '{"k":null}'),
]  # fmt: skip
# What the servers cannot hold (types.md A7): named by its column, and kept by a column that its owner makes a text.
OUTSIDE: list[tuple[Type, Any, str]] = [
    (Type(Kind.FLOAT32), float("nan"), "NaN"),
    (Type(Kind.FLOAT64), float("-inf"), "-Infinity"),
    (named(Kind.INT32, "time.Date"), 2147483647, "infinity"),
    (named(Kind.INT32, "time.Date"), -2440550, "4713-01-01 BC"),
    (named(Kind.INT32, "time.Date"), 2145042905, "5874897-12-31"),
    (named(Kind.INT64, "time.MicroTimestamp"), POSITIVE, "infinity"),
    (named(Kind.INT64, "time.MicroTimestamp"), NEGATIVE, "-infinity"),
    (named(Kind.INT64, "time.MicroTimestamp"), -210863520000000000, "4713-01-01 00:00:00 BC"),
    (named(Kind.INT64, "time.Timestamp"), 601060312290123, "21016-11-04 13:51:30.123000"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "infinity", "infinity"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "+294276-12-31T23:59:59.999999Z", "294276-12-31 23:59:59.999999"),
    (named(Kind.STRING, "time.ZonedTimestamp"), "-0043-03-15T00:00:00Z", "0044-03-15 00:00:00 BC"),
    (named(Kind.INT32, "time.Year"), 5, "5"),
    (decimal_type(10, 2), Decimal("NaN"), "NaN"),
    (GEOMETRY, {"wkb": bytes.fromhex("0000000001") + bytes(16)}, '{"wkb":"AAAAAAEAAAAAAAAAAAAAAAAAAAAA"}'),
]  # fmt: skip
# Named by the server, which is strict: too many digits, too long, a value of another type.
REFUSED: list[tuple[Type, Any, str]] = [
    (Type(Kind.INT64), 2**64, "1264"),
    (named(Kind.INT64, "time.MicroTime"), 3020400000000, "1292"),
    (decimal_type(5, 2), Decimal(1000), "1264"),
    (decimal_type(5, 2), Decimal("1.005"), "1265"),  # the server itself only notes it
    (named(Kind.BYTES, "data.Bits", length="4"), b"\x1f", "1406"),
    (named(Kind.STRING, "data.Uuid"), "not a uuid, and longer than thirty-six", "at column c0"),
]


def field(number: int, type_: Type) -> Field:
    return Field(f"c{number}", type_)


def record(offset: int, columns: list[Field], values: list[Any]) -> SinkRecord:
    key = plain_row(TableSchema(TABLE, (ID,), ("id",)), [offset])
    after = plain_row(TableSchema(TABLE, (ID, *columns), ("id",)), [offset, *values])
    return SinkRecord(TOPIC, 0, offset, 0, Op.CREATE, key, None, after, TABLE)


@pytest.fixture(scope="module")
def written(shared_target: Target) -> list[Any]:
    """All values in one row of one table, as the server prints them."""
    columns = [field(number, type_) for number, (type_, _, _) in enumerate(VALUES)]
    result = shared_target.write(shared_target.open(), record(0, columns, [value for _, value, _ in VALUES]))
    assert not result.failures
    [found] = shared_target.rows(f"SELECT {', '.join(printed(column) for column in columns)} FROM orders")
    return list(found)


def printed(column: Field) -> str:
    name, kind = column.name, column.type
    binary = kind.kind is Kind.BYTES and not (kind.name or "").endswith("Decimal")
    if kind.name in {POINT.name, GEOMETRY.name} or (binary and kind.parameter("length") != str(ANY)):
        return f"HEX(CAST({name} AS BINARY))"
    if kind.kind in {Kind.FLOAT32, Kind.FLOAT64}:
        return f"{name} + 0e0"
    return f"CAST({name} AS CHAR)"


@pytest.mark.parametrize("number", range(len(VALUES)), ids=lambda i: f"{VALUES[i][0].name or VALUES[i][0].kind}-{i}")
def test_F141_values_arrive_as_they_were(written: list[Any], number: int) -> None:
    assert written[number] == VALUES[number][2]


def test_F186_a_negative_zero_stays_negative(target: Target) -> None:
    columns = [field(0, Type(Kind.FLOAT64)), field(1, Type(Kind.FLOAT32))]
    target.write(target.open(), record(0, columns, [-0.0, -0.0]))
    assert repr(target.rows("SELECT c0, c1 FROM orders")) == "[(-0.0, -0.0)]"


@pytest.mark.parametrize(("type_", "value", "text"), OUTSIDE)
def test_F182_F183_what_the_type_cannot_hold_is_refused_by_name(
    target: Target, type_: Type, value: Any, text: str
) -> None:
    del text
    result = target.write(target.open(), record(0, [field(0, type_)], [value]))
    [failure] = result.failures
    assert failure.error.startswith("column c0: ")
    assert "a longtext column would keep it" in failure.error


@pytest.mark.parametrize(("type_", "value", "text"), OUTSIDE)
def test_F182_F183_what_the_type_cannot_hold_is_kept_by_a_text(
    target: Target, type_: Type, value: Any, text: str
) -> None:
    target.sql("CREATE TABLE orders (id int PRIMARY KEY, c0 longtext CHARACTER SET utf8mb4)")
    assert not target.write(target.open(), record(0, [field(0, type_)], [value])).failures
    assert target.rows("SELECT c0 FROM orders") == [(text,)]


@pytest.mark.parametrize(("type_", "value", "words"), REFUSED)
def test_F132_a_value_that_the_server_refuses_or_would_change_is_named(
    target: Target, type_: Type, value: Any, words: str
) -> None:
    good, bad = record(0, [field(0, type_)], [None]), record(1, [field(0, type_)], [value])
    [failure] = target.write(target.open(), good, bad).failures
    assert failure.index == 1
    assert words in failure.error
    assert str(value) not in failure.error


@pytest.mark.parametrize(
    "keys",
    [
        ["a", "A", "ä", "Ä", "a ", "a\t", "ß", "ss", "", " ", "🦆", "\0", "e\u0301", "é"],
        ["x" * 768, "x" * 767 + "X", "🦆" * 768],
    ],
    ids=["case, accents, blanks", "the longest"],
)
def test_keys_that_differ_stay_different(target: Target, keys: list[str]) -> None:
    text = Field("id", Type(Kind.STRING), optional=False)
    name = Field("name", Type(Kind.INT32))

    def put(offset: int, key: str) -> SinkRecord:
        row = plain_row(TableSchema(TABLE, (text, name), ("id",)), [key, offset])
        key_row = plain_row(TableSchema(TABLE, (text,), ("id",)), [key])
        return SinkRecord(TOPIC, 0, offset, 0, Op.UPDATE, key_row, None, row, TABLE)

    records = [put(offset, key) for offset, key in enumerate(keys * 2)]
    sink = target.open()
    assert not target.write(sink, *records[: len(keys)]).failures
    assert not target.write(sink, *records[len(keys) :]).failures
    assert dict(target.rows("SELECT id, name FROM orders")) == {key: len(keys) + i for i, key in enumerate(keys)}


def test_a_key_that_is_longer_than_an_index_takes_is_refused_by_name(target: Target) -> None:
    text = (Field("id", Type(Kind.STRING), optional=False),)
    row = plain_row(TableSchema(TABLE, text, ("id",)), ["x" * 769])
    long = SinkRecord(TOPIC, 0, 0, 0, Op.UPDATE, row, None, row, TABLE)
    [failure] = target.write(target.open(), long).failures
    assert failure.error == "DataError (1406) at column id"


def test_a_key_of_many_texts_shares_what_an_index_takes(target: Target) -> None:
    fields = (
        Field("a", Type(Kind.STRING), optional=False),
        Field("b", Type(Kind.BYTES), optional=False),
        Field("c", Type(Kind.INT64), optional=False),
        Field("d", decimal_type(65, 30), optional=False),
        Field("e", named(Kind.STRING, "data.Uuid"), optional=False),
    )
    values = ["ä" * 300, b"\xff" * 1000, -1, Decimal("1.5"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]
    row = plain_row(TableSchema(TABLE, fields, tuple(f.name for f in fields)), values)
    put = SinkRecord(TOPIC, 0, 0, 0, Op.UPDATE, row, None, row, TABLE)
    delete = SinkRecord(TOPIC, 0, 1, 0, Op.DELETE, row, None, None, TABLE)
    sink = target.open()
    assert not target.write(sink, put).failures
    assert target.rows("SELECT count(*) FROM orders") == [(1,)]
    target.write(sink, delete)
    assert target.rows("SELECT count(*) FROM orders") == [(0,)]


DEFAULTS: list[tuple[Type, Any, str, Any]] = [
    (Type(Kind.STRING), "it's \\ 🦆", "CAST(added AS CHAR)", "it's \\ 🦆"),
    (Type(Kind.BYTES), b"\x00\xff'", "HEX(added)", "00FF27"),
    (Type(Kind.INT64), -5, "CAST(added AS CHAR)", "-5"),
    (Type(Kind.BOOLEAN), True, "CAST(added AS CHAR)", "1"),
    (Type(Kind.FLOAT64), 1.5, "CAST(added AS CHAR)", "1.5"),
    (decimal_type(10, 2), Decimal("1.50"), "CAST(added AS CHAR)", "1.50"),
    (named(Kind.INT32, "time.Date"), 19782, "CAST(added AS CHAR)", "2024-02-29"),
    (named(Kind.INT64, "time.MicroTimestamp"), -1, "CAST(added AS CHAR)", "1969-12-31 23:59:59.999999"),
    (named(Kind.BYTES, "data.Bits", length="4"), b"\x05", "HEX(added)", "5"),
]


@pytest.mark.parametrize(("type_", "default", "shown", "text"), DEFAULTS)
def test_V3_a_column_added_with_a_default_gives_it_to_the_rows_that_are_there(
    target: Target, type_: Type, default: Any, shown: str, text: str
) -> None:
    sink = target.open()
    target.write(sink, record(0, [], []))
    target.write(sink, record(1, [Field("added", type_, default=default)], [None]))
    assert target.rows(f"SELECT {shown} FROM orders ORDER BY id") == [(text,), (None,)]
