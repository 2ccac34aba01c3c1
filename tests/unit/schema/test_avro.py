"""The Avro encoder: short ways, absent values, and what it refuses."""

from __future__ import annotations

import io
import json
import threading
from decimal import Decimal

import fastavro
import pytest

from connect.errors import Failed, Retriable
from connect.record import UNAVAILABLE, ChangeEvent, DerivedColumn, Op, Row, RowShape, plain_row, plain_shape, text
from connect.schema.avro import AvroFormat, EnvelopeEncoder, FlatEncoder, value_subject
from connect.schema.avro_schema import adjusted, avro_schema, schema_text
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

INT, STRING, BYTES = Type(Kind.INT32), Type(Kind.STRING), Type(Kind.BYTES)
NULLABLE_TEXTS = Type(Kind.ARRAY, items=STRING)
TEXTS = {"type": "array", "items": ["null", "string"]}
SOURCE = SourceBlock(connector="postgresql", name="s", database="db", fields=(Field("lsn", Type(Kind.INT64)),))
PLACEHOLDER = "__debezium_unavailable_value"


def table(*columns: Field, key=("id",)) -> TableSchema:
    return TableSchema(TableId("public", "t"), (Field("id", INT, optional=False), *columns), key)


def change(row: Row | None, op=Op.UPDATE, before: Row | None = None, **more) -> ChangeEvent:
    return ChangeEvent(op, (row or before).shape, before, row, (5,), 1_600_000_000_123_456, **more)


def encode(schema: TableSchema, values) -> bytes:
    return EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2).value(change(plain_row(schema, values)), 7)


def decode(schema: TableSchema, data: bytes, form="envelope") -> dict:
    parsed = fastavro.parse_schema(json.loads(value_subject("s.public.t", schema, SOURCE, form).text))
    return fastavro.schemaless_reader(io.BytesIO(data[5:]), parsed)


def refused(schema: TableSchema, values) -> Failed:
    with pytest.raises(Failed) as caught:
        encode(schema, values)
    return caught.value


def test_text_cells_pass_on_undecoded():
    schema = table(Field("name", STRING))
    shape = RowShape(schema, lambda data: data, (int, text))
    encoder = EnvelopeEncoder(shape, SOURCE, 1, 2)
    data = encoder.value(change(Row(shape, (b"7", "Ünï ✓".encode() * 30))), 7)
    assert decode(schema, data)["after"] == {"id": 7, "name": "Ünï ✓" * 30}


def test_F22_unavailable_values_have_debeziums_placeholder_and_are_named():
    columns = [Field("t", STRING), Field("j", Type(Kind.STRING, "io.debezium.data.Json", 1), optional=False)]
    columns += [Field("b", BYTES), Field("bits", Type(Kind.BYTES, "io.debezium.data.Bits", 1)), Field("n", INT)]
    schema = table(*columns, Field("r", INT, optional=False), Field("d", INT, optional=False, default=9))
    envelope = decode(schema, encode(schema, [1, *[UNAVAILABLE] * 7]))
    placeholders = {"t": PLACEHOLDER, "j": PLACEHOLDER, "b": PLACEHOLDER.encode()}
    assert envelope["after"] == {"id": 1, **placeholders, "bits": None, "n": None, "r": 0, "d": 9}
    assert envelope["unavailable"] == ["t", "j", "b", "bits", "n", "r", "d"]


def test_a_key_only_old_row_has_nulls_defaults_and_zeros_and_no_placeholder():
    schema = table(
        Field("t", STRING),
        Field("r", STRING, optional=False),
        Field("d", decimal_type(5, 1), optional=False, default=Decimal("1.5")),
        Field("v", variable_scale_decimal_type(), optional=False),
    )
    old = plain_row(schema, [1, *[UNAVAILABLE] * 4])
    encoder = EnvelopeEncoder(old.shape, SOURCE, 1, 2)
    envelope = decode(schema, encoder.value(change(None, Op.DELETE, old), 7))
    zero = {"scale": 0, "value": b"\x00"}
    assert envelope["before"] == {"id": 1, "t": None, "r": "", "d": Decimal("1.5"), "v": zero}
    assert (envelope["after"], envelope["op"]) == (None, "d")
    assert envelope["unavailable"] == ["t", "r", "d", "v"]


def test_the_names_of_unavailable_columns_are_those_of_after_not_of_before():
    schema = table(Field("a", INT), Field("b", INT))
    old, new = plain_row(schema, [1, UNAVAILABLE, UNAVAILABLE]), plain_row(schema, [1, 2, UNAVAILABLE])
    encoder = EnvelopeEncoder(old.shape, SOURCE, 1, 2)
    assert decode(schema, encoder.value(change(new, Op.UPDATE, old), 7))["unavailable"] == ["b"]


@pytest.mark.parametrize(("op", "snapshot"), [(Op.READ, "incremental"), (Op.CREATE, "false")])
def test_the_source_block_says_where_a_row_comes_from(op, snapshot):
    schema = table()
    encoder = EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2)
    event = change(plain_row(schema, [1]), op, sequence='["1","2"]')
    source = decode(schema, encoder.value(event, 1_700_000_000_000_001))["source"]
    del source["version"]
    assert source == {
        "connector": "postgresql",
        "name": "s",
        "ts_ms": 1_600_000_000_123,
        "snapshot": snapshot,
        "db": "db",
        "sequence": '["1","2"]',
        "ts_us": 1_600_000_000_123_456,
        "ts_ns": 1_600_000_000_123_456_000,
        "lsn": 5,
    }


def test_the_encoder_repeats_nothing_of_an_earlier_row():
    schema = table()
    encoder = EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2)
    rows = [plain_row(schema, [i]) for i in range(3)]
    events = [ChangeEvent(Op.CREATE, r.shape, None, r, (i * 10,), 1000 * i) for i, r in enumerate(rows)]
    envelopes = [decode(schema, encoder.value(event, 2000 * i)) for i, event in enumerate(events)]
    found = [(e["after"]["id"], e["source"]["lsn"], e["source"]["ts_ms"], e["ts_us"]) for e in envelopes]
    assert found == [(0, 0, 0, 0), (1, 10, 1, 2000), (2, 20, 2, 4000)]


def test_a_truncate_has_no_rows():
    schema = table()
    event = ChangeEvent(Op.TRUNCATE, plain_shape(schema), None, None, (5,), 0)
    envelope = decode(schema, EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2).value(event, 7))
    assert (envelope["op"], envelope["before"], envelope["after"]) == ("t", None, None)


@pytest.mark.parametrize(("op", "expected"), [(Op.CREATE, "x"), (Op.DELETE, "x"), (Op.TRUNCATE, "")])
def test_a_flat_row_says_what_happened_in_its_position(op, expected):
    schema = table(Field("t", STRING, optional=False))
    row = plain_row(schema, [1, "x"])
    rows = {Op.CREATE: (None, row), Op.DELETE: (row, None), Op.TRUNCATE: (None, None)}[op]
    event = ChangeEvent(op, row.shape, *rows, (5,), 99, transaction=700, ordinal=3, sequence="[]")
    flat = decode(schema, FlatEncoder(row.shape, 1, 2).value(event, 7), "row")
    assert flat["t"] == expected
    position = {"position": "[]", "transaction": "700", "ordinal": 3, "ts_us": 99, "op": str(op)}
    missing = ["id", "t"] if op is Op.TRUNCATE else None
    assert flat["__pos"] == {**position, "unavailable": missing}


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-Infinity"), Decimal("sNaN"), Decimal("1E+300000")])
@pytest.mark.parametrize("type_", [decimal_type(10, 2), variable_scale_decimal_type()])
def test_F107_a_number_that_no_decimal_holds_fails_by_name_and_without_its_value(type_, value):
    error = refused(table(Field("price", type_)), [1, value])
    assert error.code == "unrepresentable_value"
    assert "public.t.price" in error.message


@pytest.mark.parametrize("value", ["1.234", "0.001"])
def test_F108_a_scale_that_does_not_fit_raises_and_never_rounds(value):
    error = refused(table(Field("price", decimal_type(10, 2))), [1, Decimal(value)])
    assert "more than 2 digits" in error.message
    assert value not in str(error)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Type(Kind.INT8), 128),
        (INT, 2**31),
        (Type(Kind.INT64), -(2**63) - 1),
        (Type(Kind.FLOAT32), 1e39),
        (STRING, 5),
        (BYTES, "text"),
        (Type(Kind.BOOLEAN), "yes"),
        (Type(Kind.ARRAY, items=INT, items_optional=False), [1, None]),
        (INT, "5"),
        (STRING, "\ud800"),
    ],
)
def test_a_value_of_another_type_fails_by_name(type_, value):
    assert "public.t.c:" in refused(table(Field("c", type_)), [1, value]).message


def test_null_in_a_required_column_fails_by_name():
    error = refused(table(Field("c", STRING, optional=False)), [1, None])
    assert (error.code, "public.t.c" in error.message) == ("unrepresentable_value", True)


@pytest.mark.parametrize("cell", [None, UNAVAILABLE])
def test_F196_a_key_without_a_value_is_refused(cell):
    schema = TableSchema(TableId("public", "t"), (Field("id", INT),), ("id",))
    with pytest.raises(Failed, match="key column id") as caught:
        EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2).key(plain_row(schema, [cell]))
    assert caught.value.code == "key_missing"


def test_a_key_has_its_columns_in_key_order():
    columns = (Field("a", STRING, optional=False), Field("x", INT), Field("b", STRING, optional=False))
    schema = TableSchema(TableId("public", "t"), columns, ("b", "a"))
    key = EnvelopeEncoder(plain_shape(schema), SOURCE, 1, 2).key(plain_row(schema, ["A", 1, "B"]))
    assert key == b"\x00\x00\x00\x00\x01\x02B\x02A"


def test_a_nullified_column_of_a_derived_shape_is_null():
    schema = table(Field("secret", STRING))
    shape = RowShape(schema, lambda data: data, (int, text))
    columns = [DerivedColumn(0, schema.columns[0]), DerivedColumn(1, schema.columns[1], lambda _: None)]
    masked = shape.derive(columns, ("id",))
    data = EnvelopeEncoder(masked, SOURCE, 1, 2).value(change(Row(masked, (b"1", b"hidden"))), 7)
    assert decode(schema, data)["after"] == {"id": 1, "secret": None}
    assert b"hidden" not in data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first-name", "first_name"),
        ("1st", "_1st"),
        ("Col Ümlaut", "Col__mlaut"),
        ("shop-eu.1b.orders", "shop_eu._1b.orders"),
        ("", "_"),
    ],
)
def test_F106_illegal_names_are_adjusted_as_debezium_does(name, expected):
    assert adjusted(name) == expected


def test_F106_an_adjusted_column_keeps_its_own_name_in_the_doc():
    fields = avro_schema(Type(Kind.STRUCT, "t.Value", fields=(Field("first-name", INT),)))["fields"]
    assert fields == [{"name": "first_name", "type": ["null", "int"], "doc": "first-name", "default": None}]


def test_F106_columns_that_would_have_one_name_are_refused():
    with pytest.raises(Failed, match="'a-b' and 'a_b'") as caught:
        value_subject("s.public.t", table(Field("a-b", INT), Field("a_b", INT)), SOURCE)
    assert caught.value.code == "name_collision"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("f", Type(Kind.FLOAT64), default=float("nan")), ["null", "double"]),
        (Field("f", NULLABLE_TEXTS, default=["a"]), ["null", TEXTS]),
        (Field("f", NULLABLE_TEXTS, default=[]), [{**TEXTS, "connect.default": []}, "null"]),
        (Field("f", BYTES, default=b"\xff"), [{"type": "bytes", "connect.default": "ÿ"}, "null"]),
        (Field("f", INT, default=None), ["null", "int"]),
        (Field("f", INT, optional=False, doc="a comment"), {"type": "int", "connect.doc": "a comment"}),
        (Field("f", Type(Kind.INT16), optional=False), {"type": "int", "connect.type": "int16"}),
    ],
)
def test_F107_defaults_and_metadata(field, expected):
    assert avro_schema(Type(Kind.STRUCT, "t.V", fields=(field,)))["fields"][0]["type"] == expected


@pytest.mark.parametrize(("precision", "scale"), [(3, 5), (3, -2)])
def test_a_scale_that_avro_forbids_has_no_logical_type(precision, scale):
    text = schema_text(Type(Kind.STRUCT, "t.V", fields=(Field("n", decimal_type(precision, scale)),)))
    assert "logicalType" not in text
    fastavro.parse_schema(json.loads(text))


def test_money_has_precision_64():
    field = avro_schema(Type(Kind.STRUCT, "t.V", fields=(Field("m", decimal_type(None, 2), optional=False),)))[
        "fields"
    ][0]
    assert (field["type"]["precision"], field["type"]["logicalType"]) == (64, "decimal")


class Registry:
    """Ids by text, and switches for the faults of a registry."""

    shown_url = "http://registry"

    def __init__(self):
        self.ids, self.is_down, self.asked = {}, False, 0
        self._lock = threading.Lock()

    def schema_id(self, subject, text):
        if self.is_down:
            raise Retriable("no", code="registry_unreachable")
        with self._lock:
            self.asked += 1
            return self.ids.setdefault((subject, text), len(self.ids) + 1)


def test_a_new_tables_two_schemas_are_asked_for_at_the_same_time():
    both = threading.Barrier(2, timeout=30)

    class Slow(Registry):
        def schema_id(self, subject, text):
            both.wait()  # breaks unless the other one is asked for meanwhile
            return super().schema_id(subject, text)

    registry = Slow()
    AvroFormat(registry).encoder("s.public.t", plain_shape(table()), SOURCE)
    assert registry.asked == 2


def test_notes_tell_each_new_id_once():
    registry = Registry()
    made = AvroFormat(registry)
    made.encoder("s.public.t", plain_shape(table()), SOURCE)
    assert {name.rpartition(":")[0]: note["id"] for name, note in made.notes().items()} == {
        f"schema:{subject}": number for (subject, _), number in registry.ids.items()
    }
    made.encoder("s.public.t", plain_shape(table()), SOURCE)
    assert made.notes() == {}


def test_F102_stored_notes_serve_without_a_registry():
    registry = Registry()
    first = AvroFormat(registry)
    learnt = first.encoder("s.public.t", plain_shape(table()), SOURCE).key_schema_id
    registry.is_down = True
    again = AvroFormat(registry, first.notes())
    assert again.encoder("s.public.t", plain_shape(table()), SOURCE).key_schema_id == learnt
    assert again.notes() == {}
    with pytest.raises(Retriable):
        again.encoder("s.public.t", plain_shape(table(Field("new", INT))), SOURCE)


def test_F103_a_stored_id_is_verified_once():
    registry = Registry()
    first = AvroFormat(registry)
    first.encoder("s.public.t", plain_shape(table()), SOURCE)
    again = AvroFormat(registry, first.notes())
    for _ in range(3):
        again.encoder("s.public.t", plain_shape(table()), SOURCE)
    assert registry.asked == 4  # two learnt, two verified


def test_a_table_without_a_key_registers_no_key_schema():
    registry = Registry()
    encoder = AvroFormat(registry).encoder("s.public.t", plain_shape(table(key=())), SOURCE)
    assert encoder.key_schema_id is None
    assert [subject for subject, _ in registry.ids] == ["s.public.t-value"]
    with pytest.raises(Failed, match="no key"):
        encoder.key(plain_row(table(key=()), [1]))
