"""What an encoder writes, a reader gives back: over every type, null, default and UNAVAILABLE, in Avro and JSON."""

from __future__ import annotations

import io
import json
import math
import struct
from decimal import Decimal

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connect.errors import Failed, RecordError
from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, RowShape, plain_row, plain_shape, text
from connect.schema.avro import AvroFormat, value_subject
from connect.schema.avro_codec import zigzag
from connect.schema.avro_reader import shortest_float32
from connect.schema.decimals import EXACT, twos_complement
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import (
    DECIMAL,
    NO_DEFAULT,
    UNAVAILABLE_PLACEHOLDER,
    VARIABLE_SCALE_DECIMAL,
    Field,
    Kind,
    TableId,
    TableSchema,
    Type,
    decimal_type,
    variable_scale_decimal_type,
)
from connect.schema.reader import RecordReader
from connect.schema.stored import schema_from_json, schema_to_json

TOPIC = "shop.public.things"
INT64, STRING = Type(Kind.INT64), Type(Kind.STRING)
SOURCE = SourceBlock(
    connector="postgresql",
    name="shop",
    database="shop",
    fields=(
        Field("schema", STRING, optional=False),
        Field("table", STRING, optional=False),
        Field("txId", INT64),
        Field("lsn", INT64),
        Field("xmin", INT64),
    ),
)
POINT = Type(
    Kind.STRUCT,
    "io.debezium.data.geometry.Point",
    1,
    fields=(
        Field("x", Type(Kind.FLOAT64), optional=False),
        Field("y", Type(Kind.FLOAT64), optional=False),
        Field("wkb", Type(Kind.BYTES)),
        Field("srid", Type(Kind.INT32)),
    ),
)
SCALARS = [
    Type(Kind.BOOLEAN),
    Type(Kind.INT8),
    Type(Kind.INT16),
    Type(Kind.INT32),
    INT64,
    Type(Kind.FLOAT32),
    Type(Kind.FLOAT64),
    STRING,
    Type(Kind.BYTES),
    Type(Kind.INT32, "io.debezium.time.Date", 1),
    Type(Kind.INT64, "io.debezium.time.MicroTimestamp", 1),
    Type(Kind.INT64, "org.apache.kafka.connect.data.Timestamp", 1),
    Type(Kind.INT32, "org.apache.kafka.connect.data.Date", 1),
    Type(Kind.STRING, "io.debezium.data.Json", 1),
    Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", "a,b"),)),
    Type(Kind.BYTES, "io.debezium.data.Bits", 1, (("length", "12"),)),
    decimal_type(10, 2),
    decimal_type(None, 2),  # money
    decimal_type(3, 5),  # no legal Avro decimal
    decimal_type(3, -2),
    decimal_type(65, 30),
    variable_scale_decimal_type(),
    POINT,
]


def nested(inner):
    items = st.tuples(inner, st.booleans())
    arrays = items.map(lambda t: Type(Kind.ARRAY, items=t[0], items_optional=t[1]))
    maps = items.map(lambda t: Type(Kind.MAP, items=t[0], items_optional=t[1]))
    return arrays | maps


types = st.recursive(st.sampled_from(SCALARS), nested, max_leaves=3)


def decimals(scale: int):
    return st.integers(-(10**30), 10**30).map(lambda n: EXACT.scaleb(Decimal(n), -scale))


def values(type_: Type):
    if type_.name == DECIMAL:
        return decimals(int(type_.parameter("scale")))
    if type_.name == VARIABLE_SCALE_DECIMAL:
        return st.tuples(st.integers(-(10**40), 10**40), st.integers(0, 30)).map(
            lambda t: canonical(EXACT.scaleb(Decimal(t[0]), -t[1]))
        )
    if type_.kind is Kind.STRUCT:
        fields = {f.name: values(f.type) | st.none() if f.optional else values(f.type) for f in type_.fields}
        return st.fixed_dictionaries(fields)
    if type_.items is not None:
        items = values(type_.items) | st.none() if type_.items_optional else values(type_.items)
        if type_.kind is Kind.ARRAY:
            return st.lists(items, max_size=4)
        return st.dictionaries(st.text(max_size=4), items, max_size=4)
    return {
        Kind.BOOLEAN: st.booleans(),
        Kind.INT8: st.integers(-(2**7), 2**7 - 1),
        Kind.INT16: st.integers(-(2**15), 2**15 - 1),
        Kind.INT32: st.integers(-(2**31), 2**31 - 1),
        Kind.INT64: st.integers(-(2**63), 2**63 - 1),
        Kind.FLOAT32: st.floats(width=32).map(shortest_float32),
        Kind.FLOAT64: st.floats(),
        Kind.STRING: st.text(max_size=200).filter(lambda text: text != UNAVAILABLE_PLACEHOLDER),
        Kind.BYTES: st.binary(max_size=200),
    }[type_.kind]


def canonical(value: Decimal) -> Decimal:
    """A VariableScaleDecimal's own form: no trailing zeros, no positive exponent."""
    value = EXACT.normalize(value)
    return EXACT.quantize(value, Decimal(1)) if value.as_tuple().exponent > 0 else value


def same(a, b) -> bool:
    """Equal bit for bit: NaN is NaN, -0.0 is not 0.0, and 1.50 has two digits behind the point."""
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a == b and a.as_tuple().exponent == b.as_tuple().exponent
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a is b if a is UNAVAILABLE or b is UNAVAILABLE else type(a) is type(b) and a == b


@st.composite
def fields(draw, name: str):
    type_ = draw(types)
    optional = draw(st.booleans())
    default = draw(values(type_) | st.just(NO_DEFAULT))
    return Field(name, type_, optional, default)


@st.composite
def tables(draw):
    """A table with a key, and a row of it in which values may be null or not there."""
    names = draw(st.lists(st.sampled_from(["a", "b", "first-name", "ünï", "1st", "op"]), min_size=1, unique=True))
    columns = (Field("id", INT64, optional=False), *(draw(fields(name)) for name in names))
    schema = TableSchema(TableId("public", "things"), columns, ("id",))
    row = [draw(values(INT64))]
    for field in columns[1:]:
        there = values(field.type) | st.none() if field.optional else values(field.type)
        row.append(draw(there | st.just(UNAVAILABLE)))
    return schema, row


class Schemas:
    """A registry in memory, for pure tests of what lies on both sides of one."""

    is_down = False

    def __init__(self):
        self.texts = []

    def schema_id(self, subject, text):
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def schema_text(self, schema_id):
        if schema_id >= len(self.texts):
            raise Failed("schema_unknown", f"no id {schema_id}")
        return self.texts[schema_id]


def event_of(schema, row, op=Op.UPDATE, *, before=None) -> ChangeEvent:
    rows = {"before": before and plain_row(schema, before), "after": row and plain_row(schema, row)}
    source = ("public", "things", 7, 99, None)
    return ChangeEvent(op=op, shape=plain_shape(schema), **rows, source=source, ts_us=1_600_000_000_123_456)


def read(schemas, key, value):
    return RecordReader(schemas).read(TOPIC, 0, 0, 0, key, value)


@pytest.fixture(params=["avro", "json"])
def formats(request):
    """A maker of format and registry, new for each example."""

    def make():
        schemas = Schemas()
        return (AvroFormat(schemas) if request.param == "avro" else JsonFormat()), schemas

    return make


relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@relaxed
@given(table=tables(), form=st.sampled_from(["envelope", "row"]))
def test_rows_read_back_as_they_were_written(formats, table, form):
    schema, row = table
    made, schemas = formats()
    encoder = made.encoder(TOPIC, plain_shape(schema), SOURCE, form)
    event = event_of(schema, row)
    record = read(schemas, encoder.key(event.after), encoder.value(event, 1_700_000_000_000_000))
    assert (record.op, record.table) == (Op.UPDATE, TableId("public", "things"))
    assert same(record.after.values(), row)
    assert same(record.key.values(), row[:1])


@relaxed
@given(table=tables())
def test_schemas_read_back_as_they_were_written(formats, table):
    schema, row = table
    made, schemas = formats()
    encoder = made.encoder(TOPIC, plain_shape(schema), SOURCE)
    event = event_of(schema, row)
    read_back = read(schemas, encoder.key(event.after), encoder.value(event, 0)).after.shape.schema
    assert read_back.key == ("id",)
    for field, found in zip(schema.columns, read_back.columns, strict=True):
        assert (found.name, found.type, found.optional) == (field.name, field.type, field.optional)
        assert found.default is NO_DEFAULT or same(found.default, field.default)


@relaxed
@given(table=tables())
def test_a_delete_says_which_old_values_the_log_did_not_carry(formats, table):
    schema, row = table
    made, schemas = formats()
    encoder = made.encoder(TOPIC, plain_shape(schema), SOURCE)
    event = event_of(schema, None, Op.DELETE, before=row)
    record = read(schemas, encoder.key(event.before), encoder.value(event, 0))
    assert record.after is None
    assert same(record.before.values(), row)


@relaxed
@given(table=tables())
def test_a_stored_table_schema_is_the_same_schema(table):
    schema, _ = table
    found = schema_from_json(json.loads(json.dumps(schema_to_json(schema))))
    assert [(f.name, f.type, f.optional) for f in found.columns] == [
        (f.name, f.type, f.optional) for f in schema.columns
    ]
    assert all(same(a.default, b.default) for a, b in zip(found.columns, schema.columns, strict=True))


def plain(type_: Type, value):
    """A value as fastavro's writer takes it when the schema's logical types are left to it."""
    if type_.name == VARIABLE_SCALE_DECIMAL and value is not None:
        scale = -value.as_tuple().exponent
        return {"scale": scale, "value": twos_complement(int(EXACT.scaleb(value, scale)))}
    if isinstance(value, list):
        return [plain(type_.items, item) for item in value]
    if type_.kind is Kind.MAP and value is not None:
        return {key: plain(type_.items, item) for key, item in value.items()}
    return value


@relaxed
@given(table=tables())
def test_the_bytes_are_those_of_fastavros_writer(table):
    schema, row = table
    comparable = [i for i, field in enumerate(schema.columns) if DECIMAL not in repr(field.type)]
    columns = tuple(schema.columns[i] for i in comparable)
    schema = TableSchema(schema.table, columns, ("id",))
    row = [None if row[i] is UNAVAILABLE and schema.columns[n].optional else row[i] for n, i in enumerate(comparable)]
    if UNAVAILABLE in row:
        return
    schemas = Schemas()
    encoder = AvroFormat(schemas).encoder(TOPIC, plain_shape(schema), SOURCE, "row")
    event = event_of(schema, row, Op.CREATE)
    parsed = fastavro.parse_schema(json.loads(schemas.texts[1]))
    names = [field["name"] for field in parsed["fields"]]
    record = dict(zip(names, [plain(f.type, v) for f, v in zip(columns, row, strict=True)], strict=False))
    position = {"position": None, "transaction": None, "ordinal": 0, "ts_us": event.ts_us, "op": "c"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, {**record, "__pos": {**position, "unavailable": None}})
    assert encoder.value(event, 0)[5:] == out.getvalue()


@relaxed
@given(table=tables())
def test_fastavro_reads_every_envelope_by_its_registered_schema(table):
    schema, row = table
    schemas = Schemas()
    encoder = AvroFormat(schemas).encoder(TOPIC, plain_shape(schema), SOURCE)
    stream = io.BytesIO(encoder.value(event_of(schema, row), 1_700_000_000_000_000)[5:])
    parsed = fastavro.parse_schema(json.loads(value_subject(TOPIC, schema, SOURCE).text))
    envelope = fastavro.schemaless_reader(stream, without_logical_types(parsed))
    assert (envelope["op"], envelope["ts_ns"]) == ("u", 1_700_000_000_000_000_000)
    assert envelope["after"]["id"] == row[0]
    assert not stream.read()


def without_logical_types(schema):
    """fastavro makes datetimes of them, which cannot hold what int64 can."""
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    if isinstance(schema, dict):
        return {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    return schema


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_avros_zigzag(number):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, {"type": "long"}, number)
    schema = TableSchema(TableId("a", "b"), (Field("id", INT64, optional=False),), ("id",))
    encoder = AvroFormat(Schemas()).encoder("t", plain_shape(schema), SOURCE)
    assert zigzag(number) == out.getvalue() == encoder.key(plain_row(schema, [number]))[5:]


@given(st.integers() | st.sampled_from([-128, 128, 2**63, -(2**63)]))
def test_decimals_take_the_fewest_bytes_as_javas_big_integer(number):
    data = twos_complement(number)
    assert int.from_bytes(data, "big", signed=True) == number
    shorter = data[1:]
    assert not shorter or int.from_bytes(shorter, "big", signed=True) != number


@relaxed
@given(table=tables(), added=fields("added"))
def test_S14_a_new_column_changes_no_key(formats, table, added):
    schema, row = table
    wider = TableSchema(schema.table, (*schema.columns, added), schema.key)
    made, _ = formats()
    keys = [
        made.encoder(TOPIC, plain_shape(schema), SOURCE).key(plain_row(schema, row)),
        made.encoder(TOPIC, plain_shape(wider), SOURCE).key(plain_row(wider, [*row, None])),
    ]
    assert keys[0] == keys[1]


@relaxed
@given(table=tables(), data=st.data())
def test_F110_a_damaged_record_is_an_error_of_the_record_or_unknown(formats, table, data):
    schema, row = table
    made, schemas = formats()
    encoder = made.encoder(TOPIC, plain_shape(schema), SOURCE)
    event = event_of(schema, row)
    value = bytearray(encoder.value(event, 0))
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    del value[data.draw(st.integers(1, len(value))) :]
    assert outcome(schemas, encoder.key(event.after), bytes(value)) in {"read", "record", "schema_unknown"}


def outcome(schemas, key, value) -> str:
    try:
        record = read(schemas, key, value)
        for image in (record.before, record.after):
            _ = image and image.values()
    except (RecordError, Failed) as error:
        return error.code
    return "read"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**15), 2**15 - 1), st.text(), st.text() | st.none())
def test_undecoded_cells_of_the_log_and_their_values_give_the_same_bytes(number, small, words, more):
    kinds = [Field("id", INT64, optional=False), Field("small", Type(Kind.INT16)), Field("words", STRING)]
    schema = TableSchema(TableId("public", "things"), (*kinds, Field("more", STRING, default="x")), ("id", "words"))
    row = [number, small, words, more]
    cells = [None if value is None else str(value).encode() for value in row]
    made = AvroFormat(Schemas())
    shape = RowShape(schema, lambda data: data, (int, int, text, text))
    by_log = made.encoder(TOPIC, shape, SOURCE)
    by_value = made.encoder(TOPIC, plain_shape(schema), SOURCE)
    logged = Row(shape, cells)
    event = event_of(schema, row)
    assert by_log.value(event.with_rows(None, logged), 5) == by_value.value(event, 5)
    assert by_log.key(logged) == by_value.key(event.after)
