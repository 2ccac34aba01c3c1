"""The reader: records of Debezium and of foreign producers, tombstones, and bytes that nobody meant."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import fastavro
import orjson
import pytest

from connect.errors import Failed, RecordError
from connect.record import UNAVAILABLE, Op
from connect.schema.model import DECIMAL, Field, Kind, TableId, Type, decimal_type
from connect.schema.reader import RecordReader

TOPIC = "shop.public.orders"
PLACEHOLDER = "__debezium_unavailable_value"
KEY = {"type": "record", "name": "Key", "namespace": TOPIC, "fields": [{"name": "id", "type": "int"}]}
ROW = {
    "type": "record",
    "name": "Value",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "data", "type": ["null", "bytes"], "default": None},
    ],
}
DEBEZIUM = {
    "type": "record",
    "name": "Envelope",
    "namespace": TOPIC,
    "fields": [
        {"name": "before", "type": ["null", ROW], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {
            "name": "source",
            "type": {
                "type": "record",
                "name": "Source",
                "namespace": "io.debezium.connector.postgresql",
                "fields": [{"name": name, "type": "string"} for name in ("db", "schema", "table")],
            },
        },
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
    ],
}


class Registry:
    def __init__(self, *schemas):
        self.texts = [schema if isinstance(schema, str) else json.dumps(schema) for schema in schemas]
        self.asked = 0

    def schema_text(self, schema_id):
        self.asked += 1
        if schema_id >= len(self.texts):
            raise Failed("schema_unknown", f"no id {schema_id}")
        return self.texts[schema_id]


def avro(schema_id: int, schema, value) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
    return b"\x00" + schema_id.to_bytes(4, "big") + out.getvalue()


def envelope(op, before=None, after=None, table="orders", **source):
    where = {"db": "shopdb", "schema": "public", "table": table, **source}
    return {"before": before, "after": after, "source": where, "op": op, "ts_ms": 1}


def row(number=1, note=None, data=None):
    return {"id": number, "note": note, "data": data}


def reader(*schemas) -> RecordReader:
    return RecordReader(Registry(*(schemas or (KEY, DEBEZIUM))))


def read(made: RecordReader, key, value, topic=TOPIC, offset=7):
    return made.read(topic, 2, offset, 1234, key, value)


KEY_BYTES = avro(0, KEY, {"id": 1})


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_debeziums_envelopes_become_rows(op):
    record = read(reader(), KEY_BYTES, avro(1, DEBEZIUM, envelope(op, after=row(1, "x", b"y"))))
    assert (record.op, record.table, record.before) == (Op(op), TableId("public", "orders"), None)
    assert record.after.to_dict() == row(1, "x", b"y")
    assert record.key.to_dict() == {"id": 1}
    assert record.after.shape.schema.key == ("id",)
    assert record.where == "shop.public.orders[2]@7"


def test_a_delete_has_its_old_row_and_a_tombstone_has_none():
    made = reader()
    delete = read(made, KEY_BYTES, avro(1, DEBEZIUM, envelope("d", before=row(1, "x"))))
    tombstone = read(made, KEY_BYTES, None)
    assert (delete.op, delete.before["note"], delete.after, delete.tombstone) == (Op.DELETE, "x", None, False)
    assert (tombstone.op, tombstone.before, tombstone.after, tombstone.tombstone) == (Op.DELETE, None, None, True)
    assert tombstone.key == delete.key


def test_a_truncate_has_a_null_key_and_no_rows():
    record = read(reader(), None, avro(1, DEBEZIUM, envelope("t")))
    assert (record.op, record.key, record.before, record.after) == (Op.TRUNCATE, None, None, None)


def test_F22_debeziums_placeholder_is_a_value_that_was_not_there():
    value = envelope("u", before=row(1, "was"), after=row(1, PLACEHOLDER, PLACEHOLDER.encode()))
    record = read(reader(), KEY_BYTES, avro(1, DEBEZIUM, value))
    assert record.after.values() == [1, UNAVAILABLE, UNAVAILABLE]
    assert record.after.unavailable == ("note", "data")
    assert record.before["note"] == "was"


def test_where_the_record_names_what_is_missing_the_placeholder_is_a_text_like_any_other():
    ours = json.loads(json.dumps(DEBEZIUM))
    ours["fields"].append({"name": "unavailable", "type": ["null", {"type": "array", "items": "string"}]})
    value = {**envelope("u", after=row(1, PLACEHOLDER, b"")), "unavailable": ["data"]}
    assert read(reader(KEY, ours), KEY_BYTES, avro(1, ours, value)).after.values() == [1, PLACEHOLDER, UNAVAILABLE]


def test_rows_of_one_schema_share_one_shape_and_the_schema_is_asked_for_once():
    registry = Registry(KEY, DEBEZIUM)
    made = RecordReader(registry)
    value = avro(1, DEBEZIUM, envelope("c", after=row()))
    first, second = read(made, KEY_BYTES, value), read(made, KEY_BYTES, value)
    assert first.after.shape is second.after.shape
    assert first.key.shape is second.key.shape
    assert registry.asked == 2


def test_tables_routed_into_one_topic_have_shapes_of_their_own():
    made = reader()
    tables = [
        read(made, KEY_BYTES, avro(1, DEBEZIUM, envelope("c", after=row(), table=name))).after.shape.schema.table
        for name in ("a", "b", "a")
    ]
    assert tables == [TableId("public", "a"), TableId("public", "b"), TableId("public", "a")]


def test_a_mysql_envelope_names_its_database():
    schema = json.loads(json.dumps(DEBEZIUM))
    source = schema["fields"][2]["type"]
    source["fields"] = [field for field in source["fields"] if field["name"] != "schema"]
    record = read(reader(KEY, schema), KEY_BYTES, avro(1, schema, envelope("c", after=row())))
    assert record.table == TableId("shopdb", "orders")


def test_a_flat_row_is_an_upsert_of_the_table_that_the_topic_names():
    flat = {**ROW, "namespace": "x"}
    record = read(reader(KEY, flat), KEY_BYTES, avro(1, flat, row(1, PLACEHOLDER)))
    assert (record.op, record.table) == (Op.UPDATE, TableId("public", "orders"))
    assert record.after.values() == [1, UNAVAILABLE, None]


def test_a_table_with_columns_before_and_after_is_no_envelope():
    number = {"type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data"}
    number["fields"] = [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]
    fields = [{"name": "before", "type": number}, {"name": "after", "type": "io.debezium.data.VariableScaleDecimal"}]
    flat = {"type": "record", "name": "V", "fields": [*fields, {"name": "op", "type": "string"}]}
    value = {"before": {"scale": 1, "value": b"\x0b"}, "after": {"scale": 0, "value": b"\x02"}, "op": "c"}
    record = read(reader(KEY, flat), KEY_BYTES, avro(1, flat, value))
    assert record.after.to_dict() == {"before": Decimal("1.1"), "after": Decimal(2), "op": "c"}


@pytest.mark.parametrize(("topic", "table"), [("orders", TableId("", "orders")), ("a.b", TableId("a", "b"))])
def test_short_topics_name_tables_too(topic, table):
    assert read(reader(), KEY_BYTES, None, topic).table == table


def test_a_key_that_is_no_struct_stands_as_column_key():
    record = read(reader('"string"', DEBEZIUM), avro(0, "string", "k1"), None)
    assert record.key.to_dict() == {"key": "k1"}


CONNECT_TIMESTAMP = Type(Kind.INT64, "org.apache.kafka.connect.data.Timestamp", 1)
ENUM = Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", "A,B"),))
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
FOREIGN = [
    ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, decimal_type(5, 2), Decimal("1.50")),
    ({"type": "int", "logicalType": "date"}, Type(Kind.INT32, "org.apache.kafka.connect.data.Date", 1), 3),
    ({"type": "long", "logicalType": "timestamp-millis"}, CONNECT_TIMESTAMP, 3),
    ({"type": "long", "logicalType": "timestamp-micros"}, Type(Kind.INT64, "io.debezium.time.MicroTimestamp", 1), 3),
    ({"type": "string", "logicalType": "uuid"}, Type(Kind.STRING, "io.debezium.data.Uuid", 1), UUID),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, ENUM, "B"),
    ({"type": "fixed", "name": "F", "size": 2}, Type(Kind.BYTES), b"ab"),
    ({"type": "map", "values": "float"}, Type(Kind.MAP, items=Type(Kind.FLOAT32), items_optional=False), {"a": 0.3}),
]


@pytest.mark.parametrize(("schema", "type_", "value"), FOREIGN)
def test_logical_types_of_foreign_producers_are_known(schema, type_, value):
    record = {"type": "record", "name": "R", "fields": [{"name": "c", "type": schema}]}
    raw = {"c": value}
    if isinstance(value, int):
        record_bare = {**record, "fields": [{"name": "c", "type": schema["type"]}]}
        payload = avro(0, record_bare, raw)
    else:
        payload = avro(0, record, raw)
    found = read(reader(record), None, payload).after
    assert found.shape.schema.columns == (Field("c", type_, optional=False),)
    assert found["c"] == value


def test_connects_maps_with_keys_that_are_no_strings_are_maps():
    entry = {"type": "record", "name": "MapEntry", "namespace": "io.confluent.connect.avro"}
    entry["fields"] = [{"name": "key", "type": "int"}, {"name": "value", "type": "double"}]
    record = {"type": "record", "name": "R", "fields": [{"name": "c", "type": {"type": "array", "items": entry}}]}
    found = read(reader(record), None, avro(0, record, {"c": [{"key": 3, "value": 1.5}]})).after
    assert found["c"] == {"3": 1.5}


def test_F110_a_payload_that_is_neither_avro_nor_json_is_a_record_error():
    for junk in (b"junk", b"", b"\x00\x00", b"\xff\xfe", b"[1]", b"null"):
        with pytest.raises(RecordError, match=r"shop.public.orders\[2\]@7"):
            read(reader(), None, junk)


@pytest.mark.parametrize("cut", range(5, 40))
def test_F110_a_truncated_record_is_a_record_error(cut):
    value = avro(1, DEBEZIUM, envelope("c", after=row(1, "hello", b"world")))
    with pytest.raises(RecordError):
        read(reader(), KEY_BYTES, value[: min(cut, len(value) - 1)])


def test_F110_bytes_after_a_record_are_a_record_error():
    with pytest.raises(RecordError, match="3 bytes after"):
        read(reader(), KEY_BYTES, avro(1, DEBEZIUM, envelope("c", after=row())) + b"abc")


@pytest.mark.parametrize("value", [envelope("x", after=row()), envelope("c"), envelope("d", after=row())])
def test_an_envelope_that_contradicts_itself_is_a_record_error(value):
    with pytest.raises(RecordError):
        read(reader(), KEY_BYTES, avro(1, DEBEZIUM, value))


def test_F104_an_unknown_id_fails_and_names_the_offset():
    with pytest.raises(Failed, match=r"shop.public.orders\[2\]@7") as caught:
        read(reader(), None, b"\x00\x00\x00\x00\x63\x00")
    assert caught.value.code == "schema_unknown"


def test_avro_without_a_registry_fails_with_the_setting_to_make():
    with pytest.raises(Failed, match="schema_registry") as caught:
        read(RecordReader(None), None, KEY_BYTES)
    assert caught.value.code == "registry_needed"


def record_of(schema) -> dict:
    return {"type": "record", "name": "R", "fields": [{"name": "c", "type": schema}]}


def deep(levels: int):
    schema = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


HOSTILE = {
    "recursion": record_of(["null", "R"]),
    "recursion by array": record_of({"type": "array", "items": "R"}),
    "nothing in an array": record_of({"type": "array", "items": "null"}),
    "empty records": record_of({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}),
    "empty fixed": record_of({"type": "array", "items": {"type": "fixed", "name": "Z", "size": 0}}),
    "depth": record_of(deep(100)),
    "depth of JSON": '{"type":"array","items":' * 100_000,
    "two types": record_of(["null", "int", "string"]),
    "unknown type": record_of("Elsewhere"),
    "redefinition": record_of({"type": "record", "name": "R", "fields": []}),
    "metadata that is none": record_of({"type": "int", "connect.parameters": [1]}),
    "a scale that is none": record_of({"type": "bytes", "connect.name": DECIMAL, "connect.parameters": {"scale": "x"}}),
    "no schema": "[]",
    "no JSON": "hello",
    "no name": {"type": "record", "fields": []},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused(name):
    with pytest.raises(Failed) as caught:
        read(reader(HOSTILE[name]), None, b"\x00\x00\x00\x00\x00" + b"\x02" * 1000)
    assert caught.value.code == "schema_unsupported"


def test_a_schema_that_doubles_at_each_level_is_refused():
    fields = [{"name": "f0", "type": {"type": "record", "name": "T0", "fields": [{"name": "a", "type": "int"}]}}]
    for i in range(1, 40):
        inner = [{"name": "a", "type": f"T{i - 1}"}, {"name": "b", "type": f"T{i - 1}"}]
        fields.append({"name": f"f{i}", "type": {"type": "record", "name": f"T{i}", "fields": inner}})
    with pytest.raises(Failed, match="parts"):
        read(reader({"type": "record", "name": "R", "fields": fields}), None, b"\x00\x00\x00\x00\x00\x00")


@pytest.mark.parametrize(
    "body", [b"\x80" * 9 + b"\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x02", b"\x01\xff", b"\xff" * 30]
)
@pytest.mark.parametrize(
    "schema", ["string", "bytes", {"type": "array", "items": "int"}, {"type": "map", "values": "int"}]
)
def test_hostile_lengths_and_counts_are_record_errors(schema, body):
    with pytest.raises(RecordError):
        read(reader(record_of(schema)), None, b"\x00\x00\x00\x00\x00" + body)


def test_a_hostile_decimal_scale_is_a_record_error():
    scale = {"type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data"}
    scale |= {"fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]}
    found = read(reader(record_of(scale)), None, avro(0, record_of(scale), {"c": {"scale": -(2**31), "value": b"1"}}))
    with pytest.raises(RecordError):
        _ = found.after["c"]


CONNECT_DECIMAL = {"type": "bytes", "name": DECIMAL, "parameters": {"scale": "2"}}


def json_record(payload, fields=None, name="shop.public.orders.Value") -> bytes:
    schema = {"type": "struct", "fields": fields or [{"type": "int32", "optional": False, "field": "id"}]}
    return orjson.dumps({"schema": {**schema, "optional": False, "name": name}, "payload": payload})


def test_json_with_a_schema_is_typed_by_it():
    fields = [
        {"type": "int32", "optional": False, "field": "id"},
        {"type": "bytes", "optional": True, "field": "b"},
        {"type": "double", "optional": True, "field": "f"},
        {**CONNECT_DECIMAL, "optional": True, "field": "d"},
        {"type": "string", "optional": True, "default": "x", "field": "s"},
    ]
    record = read(RecordReader(None), None, json_record({"id": 1, "b": "AP8=", "f": "NaN", "d": "AN4="}, fields))
    values = record.after.to_dict()
    assert str(values.pop("f")) == "nan"
    assert values == {"id": 1, "b": b"\x00\xff", "d": Decimal("2.22"), "s": "x"}


def test_json_records_of_one_schema_share_one_shape():
    made = RecordReader(None)
    shapes = {id(read(made, None, json_record({"id": i})).after.shape) for i in range(3)}
    spaced = json.dumps(json.loads(json_record({"id": 9}))).encode()
    shapes.add(id(read(made, None, spaced).after.shape))
    assert len(shapes) == 1


def test_a_schema_that_looks_like_the_payloads_start_does_not_mislead():
    fields = [{"type": "struct", "fields": [], "optional": True, "default": {"x": 1, "payload": 2}, "field": "id"}]
    made = RecordReader(None)
    assert [read(made, None, json_record({"id": None}, fields)).after["id"] for _ in range(2)] == [None, None]


@pytest.mark.parametrize(
    "value", [{"id": "1"}, {"id": None}, {}, {"id": 1.5}, {"id": True}, 5, [], {"id": {}}, {"id": []}]
)
def test_a_json_payload_that_is_not_of_its_schema_is_a_record_error(value):
    made = RecordReader(None)
    read(made, None, json_record({"id": 1}))  # and so it is when the schema is known already
    with pytest.raises(RecordError):
        read(made, None, json_record(value))


def test_a_json_number_for_a_decimal_is_refused_since_it_may_have_lost_digits():
    fields = [{**CONNECT_DECIMAL, "field": "d"}]
    with pytest.raises(RecordError, match="BASE64"):
        read(RecordReader(None), None, json_record({"d": 1.25}, fields))


def struct_of(field) -> dict:
    return {"type": "struct", "fields": [field]}


BAD_SCALE = {"type": "bytes", "name": DECIMAL, "parameters": {"scale": "x"}, "field": "d"}
NO_SCHEMAS = [{}, 5, [], {"type": "int128"}, {"type": "struct"}, struct_of(1), struct_of(BAD_SCALE)]


@pytest.mark.parametrize("schema", [*NO_SCHEMAS, struct_of({"type": "int32", "field": []})])
def test_a_json_schema_that_is_none_is_unsupported(schema):
    with pytest.raises(Failed) as caught:
        read(RecordReader(None), None, orjson.dumps({"schema": schema, "payload": {}}))
    assert caught.value.code == "schema_unsupported"


def test_json_without_a_schema_is_inferred_and_a_null_keeps_its_columns_type():
    made = RecordReader(None)
    full = {"id": 1, "f": 1.5, "t": "x", "b": True, "o": {"a": [1]}, "l": [1, 2]}
    first = read(made, b'{"id":1}', orjson.dumps(full)).after
    second = read(made, b'{"id":1}', orjson.dumps({**full, "f": None})).after
    assert first.to_dict() == {**full, "o": '{"a":[1]}', "l": "[1,2]"}
    assert second.shape is first.shape
    kinds = [column.type.kind for column in first.shape.schema.columns]
    assert kinds == [Kind.INT64, Kind.FLOAT64, Kind.STRING, Kind.BOOLEAN, Kind.STRING, Kind.STRING]
    assert first.shape.schema.key == ("id",)


@pytest.mark.parametrize("wrap", [lambda payload: payload, lambda payload: {"schema": None, "payload": payload}])
def test_json_envelopes_without_a_schema_are_envelopes(wrap):
    value = orjson.dumps(wrap(envelope("u", before={"id": 1}, after={"id": 1, "note": PLACEHOLDER})))
    record = read(RecordReader(None), orjson.dumps(wrap({"id": 1})), value)
    assert (record.op, record.table) == (Op.UPDATE, TableId("public", "orders"))
    assert record.after.to_dict() == {"id": 1, "note": UNAVAILABLE}


def test_json_deletes_without_a_schema_have_their_old_row():
    value = orjson.dumps(envelope("d", before={"id": 1, "note": "x"}))
    assert read(RecordReader(None), b'{"id":1}', value).before.to_dict() == {"id": 1, "note": "x"}


def test_json_envelopes_without_a_schema_may_name_what_is_missing():
    value = {**envelope("u", after={"id": 1, "note": PLACEHOLDER, "n": 0}), "unavailable": ["n"]}
    record = read(RecordReader(None), b'{"id":1}', orjson.dumps(value))
    assert record.after.to_dict() == {"id": 1, "note": PLACEHOLDER, "n": UNAVAILABLE}


@pytest.mark.parametrize("missing", ["n", [1], [["n"]], {}])
def test_a_list_of_missing_columns_that_is_none_is_a_record_error(missing):
    value = {**envelope("u", after={"id": 1}), "unavailable": missing}
    with pytest.raises(RecordError):
        read(RecordReader(None), b'{"id":1}', orjson.dumps(value))
