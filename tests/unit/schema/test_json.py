"""Debezium's JSON with schema and payload."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from connect.errors import Failed
from connect.record import UNAVAILABLE, ChangeEvent, Op, plain_row, plain_shape
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
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
STRING, LONG = Type(Kind.STRING), Type(Kind.INT64)
SOURCE = SourceBlock(connector="postgresql", name="s", database="db", fields=(Field("lsn", LONG),))
THING = TableSchema(
    TableId("public", "thing"),
    (
        Field("id", LONG, optional=False, default=0),
        Field("price", decimal_type(10, 2), default=Decimal("1.50")),
        Field("n", variable_scale_decimal_type()),
        Field("f", Type(Kind.FLOAT64)),
        Field("r", Type(Kind.FLOAT32)),
        Field("b", Type(Kind.BYTES), doc="raw"),
        Field("tags", Type(Kind.ARRAY, items=STRING)),
        Field("attrs", Type(Kind.MAP, items=STRING)),
        Field("m", Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", "a,b"),))),
    ),
    ("id",),
)
ROW = [7, Decimal("12.34"), Decimal("1.10"), float("nan"), 0.3, b"\x00\xff", ["a", None], {"k": None}, "b"]


def encode(op=Op.CREATE, before=None, after=None, form="envelope", schema=THING) -> dict:
    rows = [row and plain_row(schema, row) for row in (before, after)]
    event = ChangeEvent(op, plain_shape(schema), *rows, (5,), 1_600_000_000_123_456, 700, 1, "[]")
    data = JsonFormat().encoder("s.public.thing", plain_shape(schema), SOURCE, form).value(event, 1_700_000_000_000_001)
    return json.loads(data)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("thing-envelope", lambda: encode(after=ROW)),
        ("thing-delete", lambda: encode(Op.DELETE, before=[7, *[UNAVAILABLE] * 8])),
        ("thing-row", lambda: encode(after=[*ROW[:-1], UNAVAILABLE], form="row")),
    ],
)
def test_the_json_is_pinned(name, record):
    found = record()
    source = found["payload"].get("source")
    if source:
        source["version"] = "pinned"
    pinned = (GOLDEN / f"{name}.json").read_text()
    assert json.dumps(found, indent=1, ensure_ascii=False) + "\n" == pinned


def test_a_key_carries_its_schema_and_one_column():
    encoder = JsonFormat().encoder("s.public.thing", plain_shape(THING), SOURCE)
    assert json.loads(encoder.key(plain_row(THING, ROW))) == {
        "schema": {
            "type": "struct",
            "fields": [{"type": "int64", "optional": False, "default": 0, "field": "id"}],
            "optional": False,
            "name": "s.public.thing.Key",
        },
        "payload": {"id": 7},
    }
    assert encoder.key_schema_id is None


def test_a_format_without_a_registry_has_no_notes():
    assert JsonFormat().notes() == {}


@pytest.mark.parametrize("op", [Op.CREATE, Op.TRUNCATE])
def test_a_change_with_nothing_missing_says_so_with_a_null(op):
    payload = encode(op, after=ROW if op is Op.CREATE else None)["payload"]
    assert payload["unavailable"] is None
    assert payload["op"] == op


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (decimal_type(10, 2), Decimal("NaN")),
        (decimal_type(10, 2), Decimal("1.234")),
        (Type(Kind.INT16), 2**15),
        (Type(Kind.FLOAT32), 1e39),
        (STRING, 5),
        (Type(Kind.BOOLEAN), "yes"),
        (Type(Kind.BYTES), 5),
        (Type(Kind.ARRAY, items=STRING, items_optional=False), [None]),
    ],
)
def test_a_value_that_does_not_fit_fails_by_name(type_, value):
    schema = TableSchema(TableId("public", "t"), (Field("c", type_),))
    with pytest.raises(Failed, match=r"public\.t\.c") as caught:
        encode(after=[value], schema=schema)
    assert caught.value.code == "unrepresentable_value"


@pytest.mark.parametrize("cell", [None, UNAVAILABLE])
def test_F196_a_key_without_a_value_is_refused(cell):
    schema = TableSchema(TableId("public", "t"), (Field("id", LONG),), ("id",))
    with pytest.raises(Failed) as caught:
        JsonFormat().encoder("t", plain_shape(schema), SOURCE).key(plain_row(schema, [cell]))
    assert caught.value.code == "key_missing"
