"""Decoded records as JSON, and as a line for people."""

from decimal import Decimal

from connect.cli.topic import line
from connect.record import UNAVAILABLE, Op, SinkRecord, plain_row
from connect.runtime.topic_records import Undecoded, to_json
from connect.schema.model import UNAVAILABLE_PLACEHOLDER, Field, Kind, TableId, TableSchema, Type, decimal_type

TABLE = TableId("public", "orders")
SCHEMA = TableSchema(
    TABLE,
    (
        Field("id", Type(Kind.INT64)),
        Field("price", decimal_type(10, 2)),
        Field("data", Type(Kind.BYTES)),
        Field("tags", Type(Kind.ARRAY, items=Type(Kind.STRING))),
        Field("memo", Type(Kind.STRING)),
    ),
    ("id",),
)
KEY = plain_row(TableSchema(TABLE, SCHEMA.columns[:1], ("id",)), [1])
ROW = plain_row(SCHEMA, [1, Decimal("1.50"), b"\xff", ["a", None], UNAVAILABLE])


def record(op: Op, *, tombstone: bool = False) -> SinkRecord:
    after = None if op is Op.DELETE else ROW
    return SinkRecord("t", 0, 7, 1_700_000_000_123, op, KEY, None, after, TABLE, tombstone)


def test_values_become_jsons_types():
    assert to_json(record(Op.CREATE))["after"] == {
        "id": 1,
        "price": "1.50",
        "data": "/w==",
        "tags": ["a", None],
        "memo": UNAVAILABLE_PLACEHOLDER,
    }


def test_a_line_has_place_time_operation_key_and_row():
    assert line(record(Op.CREATE)).startswith(
        't[0]@7  2023-11-14T22:13:20.123+00:00  c  {"id": 1}  {"id": 1, "price": "1.50"'
    )


def test_a_tombstone_is_named():
    assert line(record(Op.DELETE, tombstone=True)).endswith('d  {"id": 1}  tombstone')


def test_F176_control_characters_in_a_value_are_escaped():
    schema = TableSchema(TABLE, (Field("x", Type(Kind.STRING)),), ())
    shown = SinkRecord("t", 0, 1, 0, Op.CREATE, None, None, plain_row(schema, ["a\x1b[31m\u202eb"]), TABLE)

    assert "\x1b" not in line(shown)
    assert "\u202e" not in line(shown)


def test_a_record_that_cannot_be_decoded_says_why():
    assert line(Undecoded("t[0]@7", "no record")) == "t[0]@7  cannot be decoded: no record"
