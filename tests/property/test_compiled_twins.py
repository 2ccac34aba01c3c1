"""The compiled codecs against their Python twins, which are the specification: the same bytes, or the same named error.

Rows go through ``AvroFormat`` as they come from the log and from COPY, once by the compiled encoder and once by its
twin. Without a C compiler both are the twin.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connect.compiled import COMPILED
from connect.errors import ConnectError
from connect.record import ChangeEvent, DerivedColumn, Op, Row
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import TableId
from connectors.postgres.relations import ShapeColumn, build_shape
from connectors.postgres.rows import COPY_ROW, LOG_ROW
from connectors.postgres.source import PostgresSource
from connectors.postgres.tuples import key_only
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions

TABLE = TableId("public", "things")
BLOCK = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)
CATALOG = TypeCatalog().with_types([TypeInfo(50_030, "public", "mood", "e", labels=("sad", "ok", "happy"))])
LINES = (Path(__file__).parents[1] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
ROWS = [line.split("\t") for line in LINES if not line.startswith("#")]
VECTORS = [(int(oid), int(typmod), json.loads(cell).encode()) for _, oid, typmod, cell, *_ in ROWS if oid != "dyn"]
NUMERIC = (12 << 16 | 2) + 4
MODES = [
    {},
    {"unrepresentable": "null"},
    {"decimal": "string", "time": "isostring", "binary": "hex", "interval": "string"},
    {"decimal": "double", "time": "connect", "binary": "base64"},
    {"time": "nanoseconds"},
    {"time": "microseconds"},
    {"time": "adaptive_time_microseconds"},
]
COMMON = [(16, -1), (17, -1), (20, -1), (21, -1), (23, -1), (25, -1), (26, -1), (114, -1), (700, -1), (701, -1)]
COMMON += [(1043, 24), (1082, -1), (1083, 6), (1083, 3), (1114, -1), (1114, 3), (1184, -1), (1184, 0), (1184, 3)]
COMMON += [(1700, -1), (1700, NUMERIC), (1700, (38 << 16) + 4), (2950, -1), (3802, -1), (1007, -1), (50_030, -1)]


class Registry:
    is_down = False

    def schema_id(self, _name, _text):
        return 7


def shape_of(columns, split=LOG_ROW, **modes):
    named = [ShapeColumn("id", 20, -1), *(ShapeColumn(f"c{i}", *column) for i, column in enumerate(columns))]
    return build_shape(TABLE, named, ("id",), None, CATALOG, TypeOptions(**modes), split)


def encoder_of(shape, value="envelope"):
    return AvroFormat(Registry()).encoder("shop.public.things", shape, BLOCK, value)


def tuple_data(cells):
    kinds = {None: b"n", "u": b"u"}
    return struct.pack(">H", len(cells)) + b"".join(
        kinds[cell] if cell is None or cell == "u" else b"t" + struct.pack(">I", len(cell)) + cell for cell in cells
    )


def event_of(op, shape, before, after, ts_us=1_763_737_401_000_123):
    rows = [None if data is None else Row(shape, data) for data in (before, after)]
    source = ("public", "things", 741, 1 << 40, None, None, None)
    return ChangeEvent(op, shape, *rows, source, ts_us, 741, 3, '["24023128","24023200"]')


def outcome(call, *args):
    try:
        return call(*args)
    except ConnectError as error:
        return error.code, error.message, error.hint


def assert_twins(shape, event, value="envelope"):
    encoder = encoder_of(shape, value)
    twin = getattr(encoder, "twin", encoder)
    assert outcome(encoder.value, event, 1_763_737_402_000_456) == outcome(twin.value, event, 1_763_737_402_000_456)
    for row in (event.before, event.after):
        if row is not None:
            assert outcome(encoder.key, row) == outcome(twin.key, row)
            assert outcome(lambda row: list(row.cells), row) == outcome(lambda row: list(twin_row(row).cells), row)


def twin_row(row):
    """The row, split by the Python twin."""
    split = getattr(row.shape.split, "twin", row.shape.split)
    return Row(type(row.shape)(row.shape.schema, split, row.shape.decode), row.data)


def test_the_codecs_are_compiled_where_there_is_a_compiler():
    assert COMPILED or shutil.which("cc") is None


@pytest.mark.parametrize("modes", MODES, ids=str)
@pytest.mark.parametrize("value", ["envelope", "row"])
def test_every_vector_becomes_the_same_bytes(modes, value):
    for oid, typmod, cell in VECTORS:
        shape = shape_of([(oid, typmod)], **modes)
        assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data([b"1", cell])), value)


def test_the_plain_vectors_of_common_types_need_no_python():
    """What goes to the twin all the same costs its price: only forms that are rare may."""
    rare = re.compile(rb"NaN|nfinity| BC|24:00:00|e-3|\d{5}-|\d{39}|^$")
    common = {oid for oid, _ in COMMON} - {1007}
    for oid, typmod, cell in VECTORS:
        if oid not in common or rare.search(cell):
            continue
        encoder = encoder_of(shape := shape_of([(oid, typmod)]))
        encoder.value(event_of(Op.CREATE, shape, None, tuple_data([b"1", cell])), 7)
        assert not COMPILED or (encoder.deferred, encoder.deferred_cells) == (0, 0), (oid, typmod, cell)


cells_of = st.sampled_from(VECTORS)
noise = st.sampled_from([b"", b"0", b"-", b".", b" ", b"e", b"\\", b"\xff", b"\0", b"9" * 40, b"_", b"+", b":", b"T"])


@st.composite
def columns_and_cells(draw):
    """Columns of any type, with text of that type, NULL, unchanged values and damaged text."""
    picked = draw(st.lists(cells_of, max_size=6))
    cells = []
    for _, _, cell in picked:
        at = draw(st.integers(0, len(cell)))
        damaged = cell[:at] + draw(noise) + cell[at + draw(st.integers(0, 2)) :]
        cells.append(draw(st.sampled_from([cell, cell, cell, damaged, None, "u", b""])))
    return [(oid, typmod) for oid, typmod, _ in picked], [draw(st.sampled_from([b"1", b"-7", b"x", None, "u"])), *cells]


@given(columns_and_cells(), st.sampled_from(MODES), st.sampled_from(["envelope", "row"]))
def test_any_row_becomes_the_same_bytes_or_the_same_error(row, modes, value):
    columns, cells = row
    shape = shape_of(columns, **modes)
    assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data(cells)), value)


@given(columns_and_cells(), st.data(), st.sampled_from(["envelope", "row"]))
def test_old_rows_become_the_same_bytes(row, data, value):
    columns, cells = row
    shape = shape_of(columns)
    old = tuple_data(cells)
    if data.draw(st.booleans()):
        old = key_only(old, [True, *[False] * len(columns)])
    op = data.draw(st.sampled_from([Op.UPDATE, Op.DELETE]))
    assert_twins(shape, event_of(op, shape, old, tuple_data(cells) if op is Op.UPDATE else None), value)


@given(columns_and_cells(), st.data())
def test_a_derived_shape_becomes_the_same_bytes(row, data):
    columns, cells = row
    shape = shape_of(columns)
    others = data.draw(st.permutations(range(1, len(columns) + 1)))
    picks = [0, *others[: data.draw(st.integers(0, len(others)))]]
    derived = shape.derive([DerivedColumn(i, shape.schema.columns[i]) for i in picks], ("id",))
    again = derived.derive([DerivedColumn(i, derived.schema.columns[i]) for i in reversed(range(len(picks)))], ("id",))
    for one in (derived, again):
        assert_twins(one, event_of(Op.CREATE, one, None, tuple_data(cells)))


@given(columns_and_cells(), st.data())
def test_damaged_tuple_data_is_the_same_error(row, data):
    columns, cells = row
    shape = shape_of(columns)
    packed = tuple_data(cells)
    at = data.draw(st.integers(0, len(packed) - 1))
    damage = data.draw(st.binary(max_size=4))
    cut = data.draw(st.sampled_from([packed[:at], packed[:at] + damage + packed[at + len(damage) :], packed + damage]))
    assert_twins(shape, event_of(Op.CREATE, shape, None, cut))


@given(st.lists(st.sampled_from([c[2] for c in VECTORS] + [None, b"\\", b"a\tb\nc", b"\\N"]), max_size=5), noise)
def test_a_copy_line_becomes_the_same_bytes_or_the_same_error(cells, junk):
    escapes = {8: b"\\b", 12: b"\\f", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\"}
    written = [
        b"\\N" if cell is None else b"".join(escapes.get(byte, bytes([byte])) for byte in cell) for cell in cells
    ]
    shape = shape_of([(25, -1)] * len(cells), COPY_ROW)
    for line in (
        b"\t".join([b"1", *written]) + b"\n",
        b"\t".join([b"1", *written]),
        b"\t".join([b"1", *written, junk]),
    ):
        assert_twins(shape, event_of(Op.READ, shape, None, line))


@given(st.sampled_from(COMMON), st.text("0123456789-+.:eE TZainfty/tf{}x\\", max_size=34), st.sampled_from(MODES))
@example((701, -1), "1e400", {})
@example((700, -1), "3.5e38", {})
@example((21, -1), "32768", {})
@example((20, -1), "9223372036854775808", {})
@example((20, -1), "-9223372036854775808", {})
@example((1082, -1), "2023-02-29", {})
@example((1184, 3), "2023-02-28 10:11:12.123456+00", {})
@example((1700, NUMERIC), "1.234", {})
@example((1700, NUMERIC), "-.5", {})
@example((1700, NUMERIC), "9" * 38, {})
@example((1700, (38 << 16) + 4), "-" + "9" * 38, {})
def test_text_of_any_form_becomes_the_same_bytes_or_the_same_error(column, text, modes):
    shape = shape_of([column], **modes)
    assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data([b"1", text.encode()])))


@given(st.floats(), st.sampled_from(["r", ".17g", ".15g", "e", ".3f", ".25f"]))
@example(5e-324, "r")
@example(2.2250738585072014e-308, "r")
@example(1.7976931348623157e308, "r")
@example(9007199254740993.0, "r")
@example(8.5, ".25f")
def test_a_number_is_the_nearest_double(number, form):
    text = repr(number) if form == "r" else format(number, form)
    shape = shape_of([(701, -1), (700, -1)])
    assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data([b"1", text.encode(), b"0"])))
    assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data([b"1", b"0", text.encode()])))


@given(st.integers(0, 2**64 - 1), st.integers(-345, 310))
def test_digits_and_an_exponent_are_the_nearest_double(digits, exponent):
    shape = shape_of([(701, -1)])
    assert_twins(shape, event_of(Op.CREATE, shape, None, tuple_data([b"1", f"{digits}e{exponent:+03}".encode()])))


@given(st.integers(-(2**70), 2**70), st.sampled_from([Op.CREATE, Op.READ]))
def test_any_time_of_a_commit_becomes_the_same_bytes_or_the_same_error(ts_us, op):
    shape = shape_of([])
    event = event_of(op, shape, None, tuple_data([b"1"]), ts_us)
    encoder = encoder_of(shape)
    results = []
    for one in (encoder, getattr(encoder, "twin", encoder)):
        try:
            results.append(one.value(event, 7))
        except OverflowError as error:
            results.append(str(error))
    assert results[0] == results[1]
