"""What compiled code makes of a topic's records against its Python twins: the same lines, or left to the twin.

Rows of the type vectors become Avro as our source writes it, and go to Postgres's COPY, MySQL's VALUES and
Elasticsearch's bulk once by the compiled writers and once by the sinks' Python code. Bytes that are no record are taken
by nobody.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from decimal import Context, Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import DataError
from psycopg._copy_base import format_row_text
from psycopg.adapt import Transformer

from connect.api import TopicPartition
from connect.compiled import COMPILED
from connect.errors import ConnectError, RecordError
from connect.kafka.consumer import Raw
from connect.record import ChangeEvent, Op, Row, plain_shape
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import DECIMAL, Field, Kind, TableId, TableSchema, Type
from connect.schema.reader import RecordReader
from connectors.elasticsearch.bulk import Action
from connectors.elasticsearch.document import DocumentWriter, document_id, encode, version_of
from connectors.postgres.relations import ShapeColumn, build_shape
from connectors.postgres.rows import COPY_ROW
from connectors.postgres.source import PostgresSource
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions
from connectors.sql import mysql_types
from connectors.sql.changes import Change, Delete, Upsert
from connectors.sql.changes import fold as fold_changes
from connectors.sql.database import BadRowsError, UnstorableError
from connectors.sql.mysql_text import line_statements, statements
from connectors.sql.postgres_types import column_type

if COMPILED:
    from connect.schema.avro_reader_c import Layout
    from connectors.elasticsearch.bulk_c import DocumentLines
    from connectors.sql.copy_c import CopyWriter
    from connectors.sql.values_c import ValuesWriter

pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing is compiled, so the twins are all there is")
TABLE = TableId("public", "things")
TOPIC = "shop.public.things"
PLACE = TopicPartition(TOPIC, "id", 0)
BLOCK = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)
SOURCE = ("public", "things", 741, 1 << 40, None, None, None)
CATALOG = TypeCatalog().with_types([TypeInfo(50_030, "public", "mood", "e", labels=("sad", "ok", "happy"))])
LINES = (Path(__file__).parents[1] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
ROWS = [line.split("\t") for line in LINES if not line.startswith("#")]
VECTORS = [(int(oid), int(typmod), json.loads(cell)) for _, oid, typmod, cell, *_ in ROWS if oid != "dyn"]
MODES = [
    {},
    {"decimal": "string", "time": "isostring", "binary": "hex", "interval": "string"},
    {"decimal": "double", "time": "connect", "binary": "base64"},
    {"time": "nanoseconds"},
    {"time": "microseconds"},
    {"time": "adaptive_time_microseconds"},
]


class Registry:
    """Keeps schemas by the ids that it gives."""

    is_down = False

    def __init__(self):
        self.texts = []

    def schema_id(self, _name, text):
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def schema_text(self, schema_id):
        return self.texts[schema_id]


class Topic:
    """A table's topic: makes its records, and reads them both ways."""

    def __init__(self, columns, key=(20, -1), value="envelope", **modes):
        named = [ShapeColumn("id", *key), *(ShapeColumn(f"c{i}", *column) for i, column in enumerate(columns))]
        self._take(build_shape(TABLE, named, ("id",), None, CATALOG, TypeOptions(**modes), COPY_ROW), value)

    def _take(self, shape, value):
        self.registry, self.shape, self.offset = Registry(), shape, 0
        encoder = AvroFormat(self.registry).encoder(TOPIC, self.shape, BLOCK, value)
        self.encoder = getattr(encoder, "twin", encoder)
        self.reader = RecordReader(self.registry)

    def row(self, cells):
        return Row(self.shape, "\t".join("\\N" if cell is None else _escaped(cell) for cell in cells).encode() + b"\n")

    def raw(self, op, cells):
        row = self.row(cells)
        before, after = (row, None) if op == "d" else (None, row)
        event = ChangeEvent(Op(op), self.shape, before, after, SOURCE, 1_763_737_401_000_123, 741, 3, None)
        value = self.encoder.value(event, 1_763_737_401_000_999)
        return self.at_end(self.encoder.key(row), value)

    def tombstone(self, raw):
        return self.at_end(raw.key, None)

    def at_end(self, key, value):
        self.offset += 1
        return Raw(PLACE, self.offset, 0, key, value)

    def read(self, raw):
        return self.reader.read(TOPIC, 0, *raw[1:])

    def batch(self, raws):
        """As the task takes them; records that nobody can read are left out."""
        batch, number = self.reader.batch(), 0
        while (number := batch.extend(raws, number)) < len(raws):
            with suppress(RecordError):
                batch.append(raws[number], self.read(raws[number]), passes=True)
            number += 1
        return batch


class PlainTopic(Topic):
    """One column of a logical type, with any value that Avro holds."""

    def __init__(self, type_):
        columns = (Field("id", Type(Kind.INT64), optional=False), Field("c0", type_))
        self._take(plain_shape(TableSchema(TABLE, columns, ("id",))), "envelope")

    def row(self, cells):
        return Row(self.shape, cells)


def _escaped(text):
    return text.translate({9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"})


def writers(schema):
    return [column_type(field.type).write for field in schema.columns]


def mysql_writers(schema, column):
    """Into columns of their type, or of another ``column`` that an owner made."""
    types = [mysql_types.column_type(field.type, mysql_types.MYSQL) for field in schema.columns]
    return [type_.into(column or type_.sql) for type_ in types]


def cells_of_twin(row, writers):
    """The values that the sink's plan writes; None where one is refused."""
    try:
        return [None if value is None else write(value) for write, value in zip(writers, row.values(), strict=True)]
    except (UnstorableError, RecordError, ValueError, TypeError, OverflowError):  # ``records.change`` names them
        return None


def line_of_twin(row):
    """The line that psycopg writes of the values that the sink's plan writes; None where they refuse one."""
    cells = cells_of_twin(row, writers(row.shape.schema))
    if cells is None:
        return None
    line = bytearray()
    try:
        format_row_text(cells, Transformer(), line)
    except DataError:
        return None
    return bytes(line)


def lines_of(folded):
    lane = folded.lane
    made = CopyWriter(lane.layout, lane.shape, writers(lane.shape.schema)).rows(folded)
    rows = None if made is None else b"".join(part.text for part in made)
    keys = CopyWriter(lane.key_layout, lane.key_shape, writers(lane.key_shape.schema)).keys(folded)
    return rows, keys.text


def values_of(folded, column):
    """The statement of one row."""
    lane = folded.lane
    made = ValuesWriter(lane.layout, lane.shape, mysql_writers(lane.shape.schema, column)).rows(folded)
    return made and [text for lines in made for text in line_statements(b"INSERT ", b";", lines, 1 << 30)]


def values_of_twin(row, column):
    cells = cells_of_twin(row, mysql_writers(row.shape.schema, column))
    return cells and list(statements(b"INSERT ", b";", [cells], 1 << 30))


def new_and_others(folded):
    lane = folded.lane
    return CopyWriter(lane.layout, lane.shape, writers(lane.shape.schema)).rows(folded)


def document_of_twin(record):
    fields = DocumentWriter(record.after.shape.schema).fields(record.after) if record.after else None
    identity = document_id(record)
    body = encode(fields, identity.original) if fields else None
    return Action(0, "things", identity.text, version_of(3, record.offset), body).lines()


def documents_of(folded):
    made = DocumentLines(folded.lane, "things", 3).pack(folded, 0, 1000, 5_000_000)
    return made and made[0]


def both_agree(topic, raw):
    """One row record, by every writer."""
    batch = topic.batch([raw])
    folded, left = batch.fold()
    assert not left
    record = topic.read(raw)
    assert repr(batch[0]) == repr(record)  # NaN equals nothing
    _same_rows(folded[TOPIC], record.after)
    assert documents_of(folded[TOPIC]) == document_of_twin(record)


def both_agree_on_rows(topic, raw):
    """One row record, by the writers of the SQL sink."""
    _same_rows(topic.batch([raw]).fold()[0][TOPIC], topic.read(raw).after)


def _same_rows(folded, row):
    assert lines_of(folded)[0] == line_of_twin(row)
    for column in ("", "longtext"):
        assert values_of(folded, column) == values_of_twin(row, column)


@pytest.mark.parametrize("modes", MODES, ids=repr)
@pytest.mark.parametrize("value", ["envelope", "row"])
def test_every_vector_is_written_as_the_twins_write_it(modes, value):
    for oid, typmod, cell in VECTORS:
        topic = Topic([(oid, typmod)], value=value, **modes)
        try:
            raw = topic.raw("c", ["7", cell])
        except ConnectError:  # the source refuses it in this mode
            continue
        both_agree(topic, raw)
        both_agree(topic, topic.raw("u", ["8", None]))


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))),
    st.floats(),
    st.integers(-(10**11), 10**11),
)
def test_values_of_plain_types_are_written_as_the_twins_write_them(number, text, real, cents):
    topic = Topic([(20, -1), (25, -1), (701, -1), (1700, (14 << 16 | 2) + 4), (1700, (38 << 16 | 9) + 4)])
    real = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(real), repr(real))
    total = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
    both_agree(topic, topic.raw("c", ["1", str(number), text, real, total, f"{cents % 1000}e-9"]))


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([1082, 1083, 1114, 1184]), st.sampled_from(MODES))
def test_moments_are_written_as_the_twins_write_them(number, oid, modes):
    """The numbers themselves, also those that no source writes."""
    topic = Topic([(oid, -1)], **modes)
    cell = {1082: "2026-11-21", 1083: "10:11:12", 1114: "2026-11-21 10:11:12", 1184: "2026-11-21 10:11:12+00"}[oid]
    raw = topic.raw("c", ["1", cell])
    record = topic.read(raw)
    folded = topic.batch([raw]).fold()[0][TOPIC]
    field = record.after.shape.schema.columns[1]
    if not isinstance(record.after["c0"], int):
        return
    for moment in (number, number % 10**17, number % 10**14, number % 10**11, number % 10**5):
        value = raw.value.replace(_zigzag(record.after["c0"]), _zigzag(moment))
        changed = raw._replace(value=value)
        if topic.read(changed).after["c0"] != moment:  # its bytes stood elsewhere too
            continue
        both_agree(topic, changed)
    assert field.name == "c0"
    assert folded.rows == 1


CLOCKS = ["", "T10:11:12", "T10:11:12.5", "T10:11:12.123456", "T10:11:12.1234567", "T10:11", "T10:11:12.", "infinity"]
DAYS = ["2026-11-21", "0000-11-21", "0001-01-01", "-0044-03-15", "12026-11-21", "2026-1-21", "2026-11-2x", "9999-12-31"]
ENDS = ["", "Z", "+02:00", "-07:00", "z", " ", "ZZ", " BC"]
ISO = [f"io.debezium.time.{name}" for name in ("ZonedTimestamp", "IsoTimestamp", "IsoDate", "ZonedTime", "IsoTime")]
NUMBERS = [
    *((f"io.debezium.time.{name}", Kind.INT64) for name in ("Timestamp", "MicroTimestamp", "NanoTimestamp")),
    *((f"io.debezium.time.{name}", Kind.INT64) for name in ("MicroTime", "NanoTime")),
    *((f"io.debezium.time.{name}", Kind.INT32) for name in ("Date", "Time", "Year")),
    *((f"org.apache.kafka.connect.data.{name}", Kind.INT32) for name in ("Date", "Time")),
    ("org.apache.kafka.connect.data.Timestamp", Kind.INT64),
]


class Untouched:
    """Stands for a writer, and is not to be called."""

    def __init__(self, write):
        self.write = write

    def __hash__(self):
        return hash(self.write)

    def __eq__(self, other):
        return self.write == other

    def __call__(self, value):
        raise AssertionError(value)


PLAIN = [
    (Type(Kind.BOOLEAN), True),
    (Type(Kind.INT16), 7),
    (Type(Kind.INT64), -7),
    (Type(Kind.STRING), "it's \\"),
    (Type(Kind.BYTES), b"\0'\\"),
    (Type(Kind.BYTES, name=DECIMAL, parameters=(("scale", "9"),)), Decimal("0.000000001")),
    *((Type(kind, name=name), 1) for name, kind in NUMBERS if not name.endswith("Year")),
    *((Type(Kind.STRING, name=name), "2026-11-21T10:11:12.123456Z") for name in ISO[:2]),
    (Type(Kind.STRING, name=ISO[2]), "2026-11-21Z"),
    *((Type(Kind.STRING, name=name), "10:11:12Z") for name in ISO[3:]),
]


FLOATS = [(Type(Kind.FLOAT32), 0.1, ""), (Type(Kind.FLOAT64), 0.1, "")]  # as texts they are Python's


@pytest.mark.parametrize(
    ("type_", "value", "column"),
    [*FLOATS, *((*plain, column) for plain in PLAIN for column in ("", "longtext"))],
    ids=repr,
)
def test_plain_values_become_values_without_python(type_, value, column):
    topic = PlainTopic(type_)
    folded = topic.batch([topic.raw("c", [1, value])]).fold()[0][TOPIC]
    writers = map(Untouched, mysql_writers(folded.lane.shape.schema, column))
    assert ValuesWriter(folded.lane.layout, folded.lane.shape, writers).rows(folded)


@pytest.mark.parametrize("name", ISO)
@pytest.mark.parametrize("day", [*DAYS, ""])
def test_iso_texts_are_written_as_the_twins_write_them(name, day):
    topic = PlainTopic(Type(Kind.STRING, name=name))
    for clock in CLOCKS:
        for end in ENDS:
            text = f"{day}{clock if day else clock.removeprefix('T')}{end}"
            both_agree_on_rows(topic, topic.raw("c", [1, text]))


@pytest.mark.parametrize(("name", "kind"), NUMBERS)
@given(st.data())
def test_numbers_of_moments_are_written_as_the_twins_write_them(name, kind, data):
    topic = PlainTopic(Type(kind, name=name))
    end = 2**63 if kind is Kind.INT64 else 2**31
    edges = [0, 1, 1900, 86_400, 86_400_000, 86_400_000_000, 86_400_000_000_000, 253_402_300_800, end]
    near = st.sampled_from(edges).flatmap(lambda edge: st.integers(edge - 2, edge + 2))
    number = data.draw(st.integers(-end, end - 1) | near | near.map(int.__neg__) | st.integers(-(10**6), 10**6))
    both_agree_on_rows(topic, topic.raw("c", [1, min(max(number, -end), end - 1)]))


@given(st.binary(), st.floats(width=32))
def test_bytes_and_floats_are_written_as_the_twins_write_them(data, real):
    for type_, value in ((Type(Kind.BYTES), data), (Type(Kind.FLOAT32), real), (Type(Kind.FLOAT64), real)):
        topic = PlainTopic(type_)
        both_agree_on_rows(topic, topic.raw("c", [1, value]))


@given(st.integers(-(2**130), 2**130), st.integers(0, 40), st.booleans())
def test_decimals_are_written_as_the_twins_write_them(unscaled, scale, bounded):
    most = (("connect.decimal.precision", "38"),) if bounded else ()
    topic = PlainTopic(Type(Kind.BYTES, name=DECIMAL, parameters=(("scale", str(scale)), *most)))
    both_agree_on_rows(topic, topic.raw("c", [1, Decimal(unscaled).scaleb(-scale, Context(prec=100))]))


def _zigzag(number):
    number = (number << 1) ^ (number >> 63)
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


CHANGES = st.lists(st.tuples(st.sampled_from("cudt"), st.integers(1, 4)), min_size=1, max_size=12)


@given(CHANGES)
def test_K3_a_folded_batch_is_what_its_changes_leave_one_by_one(changes):
    topic = Topic([(25, -1)])
    made = [topic.raw("c" if op == "t" else op, [str(key), f"{op}{i}"]) for i, (op, key) in enumerate(changes)]
    raws = [raw._replace(value=None) if op == "t" else raw for (op, _), raw in zip(changes, made, strict=True)]
    raws.insert(0, topic.raw("r", ["9", "first"]))
    folded, left = topic.batch(raws).fold()
    assert not left
    rows, keys = lines_of(folded[TOPIC])
    expected = fold_changes(map(partial(_change, topic), raws))[TOPIC].rows
    assert set(rows.decode().splitlines()) == {
        "\t".join(map(str, action.values)) for action in expected.values() if isinstance(action, Upsert)
    }
    gone = {key for key, action in expected.items() if isinstance(action, Delete) or action.fresh}
    assert {(int(line),) for line in keys.decode().splitlines()} == gone
    assert (folded[TOPIC].rows, folded[TOPIC].removed) == (len(rows.splitlines()), len(gone))


@pytest.mark.parametrize("value", ["envelope", "row"])
@pytest.mark.parametrize(("ops", "new"), [("c", 1), ("r", 1), ("cu", 1), ("ud", 0), ("udc", 1), ("u", 0), ("uc", 0)])
def test_rows_are_new_whose_first_record_says_so_or_whose_key_the_batch_removes(value, ops, new):
    topic = Topic([(25, -1)], value=value)
    folded, left = topic.batch([topic.raw(op, ["7", op]) for op in ops]).fold()
    assert not left
    assert [len(lines) for lines in new_and_others(folded[TOPIC])] == ([0, 0] if ops[-1] == "d" else [new, 1 - new])


def _change(topic, raw):
    record = topic.read(raw)
    key = tuple(record.key.values())
    after = record.after
    return Change(raw.offset, TOPIC, key, Upsert(tuple(after), tuple(after.values())) if after else Delete())


@pytest.mark.parametrize("cell", ["", "x" * 600, "sha256:ab", "ü" * 300, 'a"b\\c\n', "ein Schlüssel"])
def test_F149_ids_that_become_hashes_are_left_to_the_twin(cell):
    topic = Topic([(25, -1)], key=(25, -1))
    raw = topic.raw("c", [cell, "x"])
    documents = documents_of(topic.batch([raw]).fold()[0][TOPIC])
    identity = document_id(topic.read(raw))
    assert documents == (None if identity.text.startswith("sha256:") else document_of_twin(topic.read(raw)))


@pytest.mark.parametrize("key", [(1700, (12 << 16 | 2) + 4), (1114, -1), (17, -1), (701, -1)])
def test_keys_that_may_be_equal_in_other_bytes_are_left_to_the_twin(key):
    cell = {1700: "1.50", 1114: "2026-11-21 10:11:12", 17: "\\x00", 701: "0.5"}[key[0]]
    topic = Topic([(25, -1)], key=key)
    assert topic.batch([topic.raw("c", [cell, "x"])]).fold() == ({}, {TOPIC})


def test_rows_of_two_schemas_in_one_batch_are_left_to_the_twin():
    old, new = Topic([(25, -1)]), Topic([(25, -1), (20, -1)])
    new.registry.texts = old.registry.texts
    new.encoder = getattr(AvroFormat(old.registry).encoder(TOPIC, new.shape, BLOCK), "twin", new.encoder)
    new.reader = old.reader
    batch = new.batch([old.raw("c", ["1", "x"]), new.raw("c", ["2", "x", "3"])])
    assert batch.fold() == ({}, {TOPIC})
    assert [record.after["id"] for record in batch] == [1, 2]


def test_a_delete_whose_old_row_holds_only_the_key_needs_no_twin():
    """As Postgres's log has it under the default replica identity."""
    topic = Topic([(25, -1)])
    raw, delete = topic.raw("c", ["1", "x"]), topic.raw("d", ["1", "x"])
    lacking = delete._replace(value=delete.value[:-1] + b"\x02\x02\x04c0\0")
    assert topic.read(lacking).before.unavailable == ("c0",)
    folded, left = topic.batch([raw, lacking]).fold()
    assert not left
    assert (folded[TOPIC].rows, folded[TOPIC].removed) == (0, 1)


@pytest.mark.parametrize("packet", [1 << 30, 3_000_000, 400_000, 100_000])
def test_F132_statements_are_cut_where_the_twin_cuts_them(packet):
    """And a row that no packet holds is refused by both."""
    topic = Topic([(25, -1)])
    sizes = random.Random(packet).choices([0, 1, 50_000, 99_000, 100_100], [5, 5, 3, 3, 1], k=40)
    raws = [topic.raw("c", [str(i), "'" * (size // 2)]) for i, size in enumerate(sizes)]
    folded = topic.batch(raws).fold()[0][TOPIC]
    lane, writers = folded.lane, mysql_writers(folded.lane.shape.schema, "")
    lines, none = ValuesWriter(lane.layout, lane.shape, writers).rows(folded)
    rows = [cells_of_twin(topic.read(raw).after, writers) for raw in raws]
    made = until_refused(line_statements(b"INSERT ", b";", lines, packet))
    assert made == until_refused(statements(b"INSERT ", b";", rows, packet))
    assert isinstance(made[-1], str) == (packet == 100_000)
    assert not none


def until_refused(made):
    """What was made, and the words of the refusal behind it."""
    found = []
    try:
        found.extend(iter(made))
    except BadRowsError as error:
        found.append(str(error))
    return found


def test_a_record_that_a_transform_sends_elsewhere_is_found_under_its_new_topic():
    topic = Topic([(25, -1)])
    raws = [topic.raw("c", ["1", "x"]), topic.raw("c", ["2", "x"])]
    batch = topic.reader.batch()
    batch.append(raws[0], topic.read(raws[0]), passes=True)
    batch.append(raws[1], replace(topic.read(raws[1]), topic="elsewhere"), passes=False)
    folded, left = batch.fold()
    assert folded[TOPIC].rows == 1
    assert left == {"elsewhere"}
    assert batch.indexes(left) == [1]


def test_F138_a_record_that_lacks_values_is_left_to_the_twin():
    foreign = Topic([(25, -1)])
    raw = foreign.raw("c", ["1", "x"])
    assert foreign.batch([raw]).fold()[1] == set()
    named = foreign.shape.schema.columns[1].name
    row = Row(foreign.shape, b"1\tx\n")
    event = ChangeEvent(Op.UPDATE, foreign.shape, None, row, SOURCE, 1, 741, 3, None)
    value = foreign.encoder.value(event, 1)
    assert value.endswith(b"\0")
    lacking = value[:-1] + b"\x02\x02" + bytes([2 * len(named)]) + named.encode() + b"\0"
    folded, left = foreign.batch([raw, foreign.at_end(raw.key, lacking)]).fold()
    assert (folded, left) == ({}, {TOPIC})


def _topics():
    chosen = random.Random(11).sample(VECTORS, 40)
    for start in range(0, len(chosen), 5):
        some = chosen[start : start + 5]
        for value in ("envelope", "row"):
            topic = Topic([(oid, typmod) for oid, typmod, _ in some], value=value)
            try:
                raw = topic.raw("c", ["1", *(cell for _, _, cell in some)])
            except ConnectError:
                continue
            topic.batch([raw])
            yield topic, raw


@pytest.fixture(scope="module")
def topics():
    return list(_topics())


@given(data=st.data())
def test_F110_damaged_bytes_are_taken_only_if_the_twin_reads_them(topics, data):
    topic, raw = data.draw(st.sampled_from(topics))
    key, value = _damaged(data, raw.key), _damaged(data, raw.value)
    damaged = topic.at_end(key, value)
    batch = topic.reader.batch()
    if batch.extend([damaged], 0) == 0:
        return
    record = topic.read(damaged)  # raises nothing
    folded, left = batch.fold()
    assert not left
    assert folded[TOPIC].rows == (record.after is not None)
    if record.after is not None:
        _same_rows(folded[TOPIC], record.after)


def _damaged(data, payload):
    payload = bytearray(payload)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(5, len(payload)))
        how = data.draw(st.sampled_from(["cut", "write", "push"]))
        noise = data.draw(st.binary(min_size=1, max_size=9))
        if how == "cut":
            del payload[at:]
        elif how == "write":
            payload[at : at + len(noise)] = noise
        else:
            payload[at:at] = noise
    return bytes(payload)


@given(st.binary(max_size=40))
def test_F110_bytes_are_parsed_as_fastavro_parses_them_or_not_at_all(topics, noise):
    for topic, raw in topics[:4]:
        form = topic.reader._forms[int.from_bytes(raw.value[1:5], "big")]
        layout = Layout(form.avro)
        assert layout.parse(raw.value, 5) == form.parse(raw.value)
        for payload in (b"\0\0\0\0\1" + noise, raw.value[:-20] + noise):
            try:
                found = layout.parse(payload, 5)
            except LookupError:
                continue
            assert repr(found) == repr(form.parse(payload))
