"""Records that Debezium 3.6.3 wrote on a real server: our schemas are its schemas, and our reader reads them."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path

import pytest

from connect.record import UNAVAILABLE, Op, SinkRecord
from connect.schema.avro import key_subject, value_subject
from connect.schema.avro_reader import AvroForm
from connect.schema.formats import SourceBlock
from connect.schema.model import TableId
from connect.schema.reader import RecordReader

RECORDED = json.loads((Path(__file__).parent / "golden" / "debezium-3.6.3.json").read_text())


class Registry:
    def schema_text(self, schema_id):
        return RECORDED["schemas"][str(schema_id)]


def schema_of(payload: str):
    return json.loads(Registry().schema_text(int.from_bytes(base64.b64decode(payload)[1:5], "big")))


def decoded(payload: str | None) -> bytes | None:
    return None if payload is None else base64.b64decode(payload)


def read_avro() -> list[SinkRecord]:
    reader = RecordReader(Registry())
    return [
        reader.read(r["topic"], 0, i, 0, decoded(r["key"]), decoded(r["value"])) for i, r in enumerate(RECORDED["avro"])
    ]


def first_of(table: str) -> tuple[dict, SinkRecord]:
    pairs = zip(RECORDED["avro"], read_avro(), strict=True)
    return next((raw, record) for raw, record in pairs if raw["topic"].endswith(f".{table}") and record.after)


@pytest.mark.parametrize("table", ["cust", "full_t", "w"])
def test_our_schemas_are_debeziums_but_for_the_field_unavailable_at_the_end(table):
    raw, record = first_of(table)
    theirs = schema_of(raw["value"])
    block = AvroForm(json.dumps(theirs["fields"][2]["type"]))
    source = SourceBlock(
        connector="postgresql",
        name="b_orc",
        database="b_orc",
        fields=[column.field for column in block.columns[9:]],
    )
    schema = record.after.shape.schema
    ours = json.loads(value_subject(raw["topic"], schema, source).text)
    assert ours["fields"].pop()["name"] == "unavailable"
    assert json.dumps(ours) == json.dumps(theirs)  # in the same order, too
    assert json.loads(key_subject(raw["topic"], schema).text) == schema_of(raw["key"])


def test_debeziums_changes_are_read_in_order():
    found = [(record.op, record.table.name, record.tombstone) for record in read_avro()]
    cust = [("c", False), ("c", False), ("u", False), ("u", False), ("d", False), ("d", True), ("c", False)]
    full = [("c", False), ("u", False), ("d", False), ("d", True)]
    assert found == [
        *((Op(op), "cust", tombstone) for op, tombstone in [*cust, ("d", False), ("d", True)]),
        *((Op(op), "full_t", tombstone) for op, tombstone in full),
        (Op.CREATE, "w", False),
        (Op.TRUNCATE, "w", False),
    ]


def test_F22_an_unchanged_toasted_text_of_debezium_is_not_a_value():
    assert [record.after["big"] is UNAVAILABLE for record in read_avro()[:4]] == [False, False, False, True]


def test_every_type_of_a_debezium_row_has_its_value():
    row = read_avro()[0].after.to_dict()
    point = row.pop("p")
    assert (point["x"], point["y"], point["srid"]) == (1.0, 2.0, None)
    assert row == {
        "id": 1,
        "name": "Anne",
        "bal": Decimal("12.34"),
        "n": Decimal("1.1"),
        "ts": "2020-01-02T02:04:05.678000Z",
        "d": 18263,
        "b": b"\x00\xff",
        "m": "ok",
        "j": '{"a": 1}',
        "bits": b"\x01\x08",
        "arr": ["a", None],
        "f": 1.5,
        "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "i": 86_400_000_000,
        "big": None,
    }


def test_an_old_row_under_replica_identity_full_is_whole():
    update = next(record for record in read_avro() if record.table.name == "full_t" and record.op is Op.UPDATE)
    assert (update.before["n"], update.after["n"]) == (Decimal("1.5"), Decimal("1E+20"))
    assert (update.before["t"], update.before["m"], update.before["arr"]) == (
        1_709_251_199_123_456,
        Decimal("12.34"),
        [1, 2],
    )


def test_debeziums_json_is_read_as_its_avro():
    reader = RecordReader(None)
    text = [(r["topic"], *(part and part.encode() for part in (r["key"], r["value"]))) for r in RECORDED["json"]]
    found = [reader.read(topic, 0, i, 0, key, value) for i, (topic, key, value) in enumerate(text)]
    avro = read_avro()
    assert [found[0].after, found[1].after, found[2].key] == [avro[0].after, avro[3].after, avro[4].key]
    assert [record.tombstone for record in found] == [False, False, False, True, False]
    assert (found[4].op, found[4].table, found[4].key) == (Op.TRUNCATE, TableId("public", "w"), None)
