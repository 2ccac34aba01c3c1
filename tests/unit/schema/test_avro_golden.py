"""The golden table of types.md A14: schemas and bytes as Debezium 3.6.3 with Confluent's AvroConverter wrote them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.schema.avro import EnvelopeEncoder, FlatEncoder, key_subject, value_subject
from connect.schema.formats import SourceBlock
from connect.schema.model import (
    Field,
    Kind,
    TableId,
    TableSchema,
    Type,
    decimal_type,
    variable_scale_decimal_type,
)

GOLDEN = Path(__file__).parent / "golden"
TOPIC = "s.public.cust"
STRING, INT32, INT64 = Type(Kind.STRING), Type(Kind.INT32), Type(Kind.INT64)
POINT = Type(
    Kind.STRUCT,
    "io.debezium.data.geometry.Point",
    1,
    fields=(
        Field("x", Type(Kind.FLOAT64), optional=False),
        Field("y", Type(Kind.FLOAT64), optional=False),
        Field("wkb", Type(Kind.BYTES)),
        Field("srid", INT32),
    ),
    doc="Geometry (POINT)",
)
CUST = TableSchema(
    TableId("public", "cust"),
    (
        Field("id", INT32, optional=False, default=0),
        Field("name", STRING, optional=False),
        Field("bal", decimal_type(10, 2), default=Decimal("1.5")),
        Field("n", variable_scale_decimal_type()),
        Field("ts", Type(Kind.STRING, "io.debezium.time.ZonedTimestamp", 1)),
        Field("d", Type(Kind.INT32, "io.debezium.time.Date", 1)),
        Field("b", Type(Kind.BYTES)),
        Field("m", Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", "sad,ok,happy"),))),
        Field("j", Type(Kind.STRING, "io.debezium.data.Json", 1)),
        Field("p", POINT),
        Field("bits", Type(Kind.BYTES, "io.debezium.data.Bits", 1, (("length", "12"),))),
        Field("arr", Type(Kind.ARRAY, items=STRING)),
        Field("f", Type(Kind.FLOAT32)),
        Field("u", Type(Kind.STRING, "io.debezium.data.Uuid", 1), default="00000000-0000-0000-0000-000000000000"),
        Field("i", Type(Kind.INT64, "io.debezium.time.MicroDuration", 1)),
    ),
    ("id",),
)
WKB = bytes.fromhex("0101000000000000000000f03f0000000000000040")
ROW = (
    1,
    "Anne",
    Decimal("12.34"),
    Decimal("1.10"),
    "2020-01-02T02:04:05.678000Z",
    18263,
    b"\x00\xff",
    "ok",
    '{"a": 1}',
    {"x": 1.0, "y": 2.0, "wkb": WKB, "srid": None},
    bytes.fromhex("0108"),
    ["a", None],
    1.5,
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    86_400_000_000,
)
ROW_BYTES = bytes.fromhex(
    "02 08 416e6e65 00 04 04d2 02 02 02 0b 02 36"
    + b"2020-01-02T02:04:05.678000Z".hex()
    + "02 ae9d02 02 04 00ff 02 04 6f6b 02 10"
    + b'{"a": 1}'.hex()
    + "02 000000000000f03f 0000000000000040 02 2a"
    + WKB.hex()
    + "00 02 04 0108 02 04 02 02 61 00 00 02 0000c03f 00 48"
    + b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".hex()
    + "02 8080bbdd8305"
)
SOURCE = SourceBlock(
    connector="postgresql",
    name="s",
    database="db",
    fields=(
        Field("schema", STRING, optional=False),
        Field("table", STRING, optional=False),
        Field("txId", INT64),
        Field("lsn", INT64),
        Field("xmin", INT64),
    ),
)


def event(op: Op = Op.CREATE, **changes) -> ChangeEvent:
    row = plain_row(CUST, ROW)
    values = {"before": None, "after": row, "source": ("public", "cust", 7, 99, None), "ts_us": 1_600_000_000_123_456}
    return ChangeEvent(op=op, shape=row.shape, **{**values, **changes})


def encoder() -> EnvelopeEncoder:
    return EnvelopeEncoder(plain_shape(CUST), SOURCE, 1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cust-key", key_subject(TOPIC, CUST).text),
        ("cust-envelope", value_subject(TOPIC, CUST, SOURCE).text),
        ("cust-row", value_subject(TOPIC, CUST, SOURCE, "row").text),
    ],
)
def test_the_avro_schema_is_pinned(name, text):
    pinned = (GOLDEN / f"{name}.avsc").read_text()
    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" == pinned


def test_the_key_has_the_bytes_that_debezium_wrote():
    assert encoder().key(plain_row(CUST, ROW)) == bytes.fromhex("00 00000001 02")


def test_the_value_starts_with_the_bytes_that_debezium_wrote():
    data = encoder().value(event(), 1_600_000_000_200_000)
    assert data.startswith(bytes.fromhex("00 00000002 00 02") + ROW_BYTES)


def test_our_one_difference_is_the_field_unavailable_at_the_envelopes_end():
    fields = [field["name"] for field in json.loads(value_subject(TOPIC, CUST, SOURCE).text)["fields"]]
    assert fields == ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns", "unavailable"]
    assert encoder().value(event(), 0)[-1:] == b"\x00"  # one byte when nothing is missing: its null


def test_a_flat_row_has_the_same_bytes_for_its_columns():
    data = FlatEncoder(plain_shape(CUST), 1, 3).value(event(), 0)
    assert data.startswith(bytes.fromhex("00 00000003") + ROW_BYTES)
