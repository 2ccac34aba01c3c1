"""The compiled codecs of MySQL and MariaDB against their Python twins: the same bytes, or the same named error.

Rows are written by the compiled side and by one that has nothing compiled at all; then whole logs, in groups and one
event at a time. Without a C compiler both sides are Python.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from uuid import UUID

import fastavro
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connect.api.snapshots import Chunk
from connect.api.source import SourceBatch
from connect.api.tables import TableOptions, View
from connect.compiled import COMPILED
from connect.errors import ConnectError
from connect.record import ChangeEvent, Op, Row
from connect.runtime import stream_writer, table_writer
from connect.runtime.guest import Guest, TableProgress
from connect.runtime.keyless import KeylessFilter
from connect.runtime.report import TableReport
from connect.runtime.stream_writer import StreamWriter
from connect.runtime.table_writer import TableWriter
from connect.schema import avro
from connect.schema.avro import AvroFormat, key_subject
from connect.schema.formats import SourceBlock
from connect.schema.model import TableId
from connectors.mysql import compiled as mysql_compiled
from connectors.mysql import text_rows
from connectors.mysql.assembler import Assembler
from connectors.mysql.binlog.nested import zstd
from connectors.mysql.ddl import parse
from connectors.mysql.gtid import GtidSet
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.prepared import Prepared
from connectors.mysql.row_image import ROWS_EVENTS
from connectors.mysql.shapes import log_table, snapshot_shape
from connectors.mysql.source import MysqlSource
from connectors.mysql.table_map import parse_table_map
from connectors.mysql.type_options import TypeOptions

if COMPILED:
    from connect.changes_c import ChunkRows

TABLE = TableId("db", "t")
BLOCK = SourceBlock(connector="mysql", name="shop", database="", fields=MysqlSource.source_fields)
LINES = (Path(__file__).parents[1] / "data" / "mysql_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [
    (kind.replace("point srid 4326", "point"), int(code), bytes.fromhex(meta), bytes.fromhex(cell), server == "mariadb")
    for kind, server, code, meta, _, cell, _ in (line.split("\t") for line in LINES if not line.startswith("#"))
]
MODES = [
    {},
    {"unrepresentable": "null"},
    {"time": "connect", "decimal": "string", "binary": "base64", "bigint_unsigned": "precise"},
    {"time": "isostring", "decimal": "double", "binary": "hex", "zero_date": "fail"},
    {"time": "nanoseconds", "zero_date": "string"},
    {"time": "microseconds", "zero_date": "fail"},
]
OURS = (19, struct.pack("<q", 7))  # the code of a key's type, and a key


class Registry:
    is_down = False

    def schema_id(self, _name, _text):
        return 7


@contextmanager
def nothing_compiled():
    with ExitStack() as stack:
        for module in (mysql_compiled, text_rows, avro, table_writer):
            stack.enter_context(patch.object(module, "COMPILED", False))
        yield


def both(make):
    """What is made with the compiled codecs, and without."""
    made = make()
    with nothing_compiled():
        return made, make()


def table_map(columns, name="t", table_id=1):
    """Of (code, metadata); every column may be NULL."""
    codes, meta = bytes(code for code, _ in columns), b"".join(meta for _, meta in columns)
    head = struct.pack("<IHH", table_id, 0, 1) + b"\2db\0" + bytes([len(name)]) + name.encode() + b"\0"
    return head + bytes([len(columns)]) + codes + bytes([len(meta)]) + meta + b"\xff" * ((len(columns) + 7) // 8)


def table_of(kinds, modes, *, mariadb=False):
    """A table with a key and columns of these vectors."""
    sql = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(kinds))
    made = parse(f"CREATE TABLE t (id bigint primary key{', ' if sql else ''}{sql})", "db", mariadb=mariadb)
    described = table_map([(8, b""), *((code, meta) for _, code, meta, *_ in kinds)])
    return log_table(made.build("utf8mb4"), parse_table_map(described, mariadb=mariadb), TypeOptions(**modes))


def image(cells):
    """A row image: None is NULL."""
    nulls = sum(1 << i for i, cell in enumerate(cells) if cell is None)
    return nulls.to_bytes((len(cells) + 7) // 8, "little") + b"".join(cell for cell in cells if cell is not None)


def outcome(call, *args):
    try:
        return call(*args)
    except ConnectError as error:
        return error.code, error.message, error.hint
    except (ValueError, struct.error, LookupError, TypeError, ArithmeticError) as error:
        return type(error)


def event_of(shape, before, after, op=Op.CREATE):
    rows = [None if data is None else Row(shape, data) for data in (before, after)]
    source = ("t", 1, None, "binlog.000001", 40, 3, None, None)
    return ChangeEvent(op, shape, *rows, source, 1_763_737_401_000_123, LogPosition("b", 4), 3, '["b","40"]')


def assert_twins(make, before, after, value="envelope", op=Op.CREATE):
    """Row data become the same bytes, or the same error, under the shape that ``make`` makes."""
    results = []

    def write():
        shape = make()
        encoder = AvroFormat(Registry()).encoder("shop.db.t", shape, BLOCK, value)
        event = event_of(shape, before, after, op)
        found = [outcome(encoder.value, event, 1_763_737_402_000_456)]
        for row in (event.before, event.after):
            if row is not None:
                found += [outcome(encoder.key, row), outcome(lambda: list(row.cells)), repr(outcome(row.values))]  # noqa: B023 - called at once
        results.append(found)
        return encoder

    encoder, _ = both(write)
    assert results[0] == results[1]
    return encoder


# --- rows of the log --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", MODES, ids=str)
@pytest.mark.parametrize("value", ["envelope", "row"])
def test_every_vector_becomes_the_same_bytes(modes, value):
    for vector in VECTORS:
        assert_twins(
            lambda vector=vector: table_of([vector], modes, mariadb=vector[4]).shape,
            None,
            image([OURS[1], vector[3]]),
            value,
        )


BY_PYTHON = ("json", "point", "geometry", "linestring", "polygon", "multi", "vector", "uuid", "inet", "decimal(65,30)")
RARE = {  # zero dates, numbers above 2^63-1, and by name
    ("bigint unsigned", "0000000000000080"),
    ("bigint unsigned", "ffffffffffffffff"),
    ("date", "000000"),
    ("date", "00d00f"),
    ("datetime", "8000000000"),
    ("datetime", "99b214b5a1"),
    ("datetime(6)", "8000000000000000"),
    ("timestamp null", "00000000"),
    ("timestamp(6) null", "00000000000000"),
}
RARE_KINDS = ("latin1", "utf16", "compressed")


def test_the_plain_vectors_of_common_types_need_no_python():
    """What goes to the twin all the same costs its price: only what is rare may."""
    deferred = set()
    for vector in VECTORS:
        kind, _, _, cell, mariadb = vector
        shape = table_of([vector], {"unrepresentable": "null"}, mariadb=mariadb).shape
        encoder = AvroFormat(Registry()).encoder("shop.db.t", shape, BLOCK)
        encoder.value(event_of(shape, None, image([OURS[1], cell])), 7)
        rare = kind.startswith(BY_PYTHON) or kind.endswith(RARE_KINDS)
        if COMPILED and not rare and (encoder.deferred or encoder.deferred_cells):
            deferred.add((kind, cell.hex()))
    assert deferred == (RARE if COMPILED else set())


noise = st.sampled_from([b"", b"\0", b"\xff", b"\xff" * 4, b"\x80", b"\x7f\xff", b"\xc3", b"\x00" * 9, b"A"])


@st.composite
def columns_and_cells(draw):
    """Vectors of one server, and for each its bytes, damaged bytes or NULL."""
    mariadb = draw(st.booleans())
    picked = draw(st.lists(st.sampled_from([v for v in VECTORS if v[4] in {False, mariadb}]), max_size=7))
    cells = []
    for _, _, _, cell, _ in picked:
        at = draw(st.integers(0, len(cell)))
        damaged = cell[:at] + draw(noise) + cell[at + draw(st.integers(0, 2)) :]
        flipped = draw(st.binary(min_size=len(cell), max_size=len(cell)))
        cells.append(draw(st.sampled_from([cell, cell, cell, damaged, flipped, None])))
    return mariadb, picked, [OURS[1], *cells]


@given(columns_and_cells(), st.sampled_from(MODES), st.sampled_from(["envelope", "row"]))
def test_any_image_becomes_the_same_bytes_or_the_same_error(row, modes, value):
    mariadb, kinds, cells = row
    assert_twins(lambda: table_of(kinds, modes, mariadb=mariadb).shape, None, image(cells), value)


@given(columns_and_cells(), st.sampled_from([Op.UPDATE, Op.DELETE]), st.sampled_from(["envelope", "row"]))
def test_old_images_become_the_same_bytes(row, op, value):
    mariadb, kinds, cells = row
    new = image(cells) if op is Op.UPDATE else None
    assert_twins(lambda: table_of(kinds, {}, mariadb=mariadb).shape, image(cells), new, value, op)


@given(columns_and_cells(), st.data())
def test_a_damaged_image_is_the_same_error(row, data):
    mariadb, kinds, cells = row
    whole = image(cells)
    at, damage = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=5))
    cut = data.draw(st.sampled_from([whole[:at], whole[:at] + damage + whole[at + len(damage) :], whole + damage]))
    assert_twins(lambda: table_of(kinds, {}, mariadb=mariadb).shape, None, cut)


STORED = {
    "bigint": (8, b"", 8),
    "bigint unsigned": (8, b"", 8),
    "mediumint": (9, b"", 3),
    "mediumint unsigned": (9, b"", 3),
    "float": (4, b"\4", 4),
    "double": (5, b"\x08", 8),
    "date": (10, b"", 3),
    "year": (13, b"", 1),
    "decimal(38,10)": (246, b"\x26\x0a", 17),
    "decimal(12,2)": (246, b"\x0c\x02", 6),
    "decimal(39,0)": (246, b"\x27\x00", 18),
    "bit(1)": (16, b"\1\0", 1),
    "bit(20)": (16, b"\4\2", 3),
    "set('','b','c')": (248, b"\xf8\1", 1),
    "enum('x','y')": (247, b"\xf7\1", 1),
    **{f"time({n})": (19, bytes([n]), 3 + (n + 1) // 2) for n in range(7)},
    **{f"datetime({n})": (18, bytes([n]), 5 + (n + 1) // 2) for n in range(7)},
    **{f"timestamp({n}) null": (17, bytes([n]), 4 + (n + 1) // 2) for n in range(7)},
}


@settings(max_examples=400)
@given(st.sampled_from(sorted(STORED)), st.data(), st.sampled_from(MODES))
def test_any_bytes_of_a_fixed_width_become_the_same_bytes_or_the_same_error(kind, data, modes):
    code, meta, size = STORED[kind]
    cell = data.draw(st.binary(min_size=size, max_size=size))
    meta = bytes([code]) + meta[1:] if code in {247, 248} else meta
    column = (kind, 254 if code in {247, 248} else code, meta)
    assert_twins(lambda: table_of([column], modes).shape, None, image([OURS[1], cell]))


@given(st.integers(0, 9999), st.integers(0, 15), st.integers(0, 31), st.integers(0, 6), st.sampled_from(MODES))
@example(0, 2, 29, 0, {})
@example(1900, 2, 29, 3, {})
@example(2000, 2, 29, 6, {})
@example(9999, 12, 31, 6, {})
def test_any_day_becomes_the_same_bytes(year, month, day, digits, modes):
    date = (year << 9 | month << 5 | day).to_bytes(3, "little")
    packed = ((year * 13 + month) << 5 | day) << 17 | 23 << 12 | 59 << 6 | 58
    moment = (packed + (1 << 39)).to_bytes(5, "big") + bytes([9] * ((digits + 1) // 2))
    columns = [("date", 10, b""), (f"datetime({digits})", 18, bytes([digits]))]
    assert_twins(lambda: table_of(columns, modes).shape, None, image([OURS[1], date, moment]))


# --- rows of snapshots ------------------------------------------------------------------------------------------------

TEXTS = {
    "bigint": st.integers(-(2**64), 2**64).map(str),
    "bigint unsigned": st.integers(0, 2**64).map(str),
    "year": st.sampled_from(["2026", "0000", "1901"]),
    "decimal(38,10)": st.decimals(allow_nan=False, allow_infinity=False, places=10).map(lambda d: f"{d:f}"),
    "decimal(12,2)": st.sampled_from(["0.00", "-0.00", "1.50", "-9999999999.99", "1.5", "1", ".5", "1e5", "-"]),
    "float": st.floats(width=32).map(repr),
    "double": st.floats().map(repr),
    "date": st.sampled_from(["2026-11-21", "0000-00-00", "0000-02-29", "2023-02-29", "9999-12-31", "2026-1-2"]),
    "datetime(6)": st.sampled_from(
        ["2026-11-21 10:11:12.123456", "0000-00-00 00:00:00.000000", "2026-11-21 10:11:12.5", "2026-11-21", "1-1-1"]
    ),
    "time(3)": st.sampled_from(["-838:59:59.000", "00:00:00.001", "24:00:00.000", "10:11:12", "1:2:3", "100:00:00.5"]),
    "timestamp(3) null": st.sampled_from(["2026-11-21 10:11:12.123", "0000-00-00 00:00:00.000", "2026-11-21 10:11:12"]),
    "varchar(9)": st.sampled_from(["", "Ünï", "\N{GRINNING FACE}"]),
    "varchar(9) character set latin1": st.sampled_from(["a", "b"]),
    "varbinary(9)": st.text(max_size=3),
    "bit(1)": st.sampled_from(["\0", "\1", ""]),
    "bit(12)": st.sampled_from(["\0\1", "\4\2"]),
    "enum('x','y')": st.sampled_from(["x", "y", ""]),
    "json": st.sampled_from(['{"a": 1}', "[]"]),
}


def packet(cells):
    parts = [
        b"\xfb"
        if cell is None
        else (bytes([len(cell)]) if len(cell) < 251 else b"\xfc" + struct.pack("<H", len(cell))) + cell
        for cell in cells
    ]
    return b"".join(parts)


def read_shape(kinds, modes):
    sql = "".join(f", c{i} {kind}" for i, kind in enumerate(kinds))
    definition = parse(f"CREATE TABLE t (id bigint primary key{sql})", "db", mariadb=False).build("utf8mb4")
    return snapshot_shape(definition, TypeOptions(**modes))


@settings(max_examples=300)
@given(st.data(), st.sampled_from(MODES), st.sampled_from(["envelope", "row"]))
def test_any_row_packet_becomes_the_same_bytes_or_the_same_error(data, modes, value):
    kinds = data.draw(st.lists(st.sampled_from(sorted(TEXTS)), max_size=5))
    cells = []
    for kind in kinds:
        cell = data.draw(TEXTS[kind]).encode()
        at = data.draw(st.integers(0, len(cell)))
        damaged = cell[:at] + data.draw(st.sampled_from([b"", b"\xff", b"9", b"-", b" ", b":", b"."])) + cell[at + 1 :]
        cells.append(data.draw(st.sampled_from([cell, cell, cell, damaged, None, b"x" * 300])))
    whole = packet([b"7", *cells])
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=3))
    for row in (whole, whole[:at], whole[:at] + junk + whole[at + len(junk) :]):
        assert_twins(lambda: read_shape(kinds, modes), None, row, value, Op.READ)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.none() | st.sampled_from(["a", "Ü", "x" * 300])), max_size=30),
    st.sets(st.integers(1, 9)),
    st.sampled_from(["envelope", "row"]),
    st.integers(1, 50),
)
def test_a_chunk_in_one_piece_is_the_chunk_row_by_row(rows, dropped, value, size):
    packets = [packet([str(n).encode(), None if v is None else v.encode()]) for n, v in rows]
    stream = b"".join(
        len(row).to_bytes(3, "little") + bytes([i + 3 & 255]) + row for i, row in enumerate([*packets, b"\xfe\0\0\0\0"])
    )

    def send():
        shape = read_shape(["varchar(300)"], {})
        file, topics = io.BytesIO(stream), Topics()
        found, cut = text_rows.fetch(file.read, lambda: file.read(size), 3, None)
        source = ("t", 0, None, "binlog.000001", 40, 0, None, None)
        made = isinstance(found, list)
        taken = [Row(shape, one) for one in found] if made else ChunkRows(found.read(shape, source, 77))
        writer = writer_of("t", TableOptions(views=(View.STATE, View.EVENTS), value=value))
        encoder = writer.bind(shape).encoder
        drop = {encoder.key(Row(shape, packet([str(n).encode(), None]))) for n in dropped}
        chunk = Chunk(shape, taken, None, done=True, sees=lambda _: False, source=source, ts_us=77, snapshot_note={})
        return writer.read_rows(chunk, topics, 7, drop), cut, topics.records

    one, other = both(send)
    assert one == other


# --- logs -------------------------------------------------------------------------------------------------------------

A = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"
START = MysqlPosition(A, LogPosition("binlog.000001", 4), GtidSet.parse(""))
COLUMNS = {
    "t": [("id int primary key, v varchar(20)", [(3, b""), (15, b"\x50\0")])],
    "u": [
        ("a varchar(10), n decimal(12,2), b int, primary key (b, a)", [(15, b"\x28\0"), (246, b"\x0c\2"), (3, b"")]),
        ("a varchar(10), b int, primary key (b, a)", [(15, b"\x28\0"), (3, b"")]),
    ],
    "f": [("a double, b float, primary key (a, b)", [(5, b"\x08"), (4, b"\4")])],
    "bare": [("x text", [(252, b"\2")])],
    "other": [("id int primary key", [(3, b"")])],  # not captured
}
CELLS = {
    3: st.sampled_from([1, 2, 3]).map(lambda n: struct.pack("<i", n)),
    4: st.sampled_from([0.0, -0.0, 1.5]).map(lambda x: struct.pack("<f", x)),
    5: st.sampled_from([0.0, -0.0, 1.5]).map(lambda x: struct.pack("<d", x)),
    15: st.sampled_from(["", "p", "Ünï", "x" * 40]).map(lambda s: bytes([len(s.encode())]) + s.encode()),
    246: st.sampled_from([b"\x80\0\0\0\1\x32", b"\x7f\xff\xff\xff\xfe\xcd"]),
    252: st.sampled_from([b"\0\0", b"\2\0hi", b"\2\0\xff\xff"]),
}
KEYS = {"t": {0}, "u": {0, 1, 2}, "f": {0, 1}, "bare": set(), "other": {0}}
TABLES = {name: i + 7 for i, name in enumerate(COLUMNS)}


@st.composite
def rows_events(draw, name, version):
    """A table map and a rows event: whole images, or some that lack columns."""
    _, columns = COLUMNS[name][version]
    kinds = [23, 24, 25, 30, 31, 32] if KEYS[name] else [23, 30]
    code = draw(st.sampled_from(kinds))
    kind = ROWS_EVENTS[code]
    count = len(columns)
    everything = (1 << count) - 1
    least = everything if name != "t" else draw(st.sampled_from([everything, everything, 1]))
    presents = [everything if draw(st.booleans()) else least for _ in range(kind.before + kind.after)]
    body = struct.pack("<IHH", TABLES[name], 0, 1) + (b"\2\0" if kind.extra else b"") + bytes([count])
    body += b"".join(bytes([present]) for present in presents)
    for _ in range(draw(st.integers(0, 4))):
        for present in presents:
            cells = [
                draw(CELLS[columns[i][0]]) if i in KEYS[name] or draw(st.integers(0, 3)) else None
                for i in range(count)
                if present >> i & 1
            ]
            body += image(cells)
    if draw(st.integers(0, 30)) == 0:
        body = body[: draw(st.integers(0, len(body)))] + draw(st.binary(max_size=2))
    return [(19, table_map(columns, name, TABLES[name])), (code, body)]


@st.composite
def statements(draw, versions, *, savepoints=True):
    """What follows the BEGIN of a transaction."""
    events = []
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.integers(0, 9)):
            case 0 if savepoints:
                events.append(query("SAVEPOINT `s`"))
                events += draw(rows_events("t", 0))
                events.append(query(draw(st.sampled_from(["ROLLBACK TO `s`", "SAVEPOINT `r`"]))))
            case 1:
                events.append((29, b"\4note"))
            case _:
                name = draw(st.sampled_from(list(COLUMNS)))
                events += draw(rows_events(name, versions[name]))
    return events


def query(sql, thread=5):
    return 2, struct.pack("<IIBHH", thread, 0, 2, 0, 0) + b"db\0" + sql.encode()


def compressed(events):
    plain = b"".join(struct.pack("<IBIIIH", 1, kind, 1, 19 + len(body), 0, 0) + body for kind, body in events)
    data = zstd.compress(plain)

    def field(kind, value):
        return bytes([kind, len(value)]) + value

    size = b"\xfc" + struct.pack("<H", len(data))
    return 40, field(2, b"\0") + field(1, size) + b"\0" + data


@st.composite
def logs(draw):
    """Events as the dump command sends them; a table is altered on the way, and emptied."""
    out, pos = [], 4
    versions = dict.fromkeys(COLUMNS, 0)
    placed = draw(st.booleans())  # MariaDB from 11.4 on: events inside a transaction have no places

    def add(kind, body, *, place=True, flags=0, server=1):
        nonlocal pos
        size = 23 + len(body)
        pos += size if place else 0
        event = struct.pack("<IBIIIH", 1_795_274_053, kind, server, size, pos * place, flags) + body
        out.append(event + struct.pack("<I", zlib.crc32(event)))

    add(4, struct.pack("<Q", 4) + b"binlog.000001", place=False, flags=0x20)
    add(15, struct.pack("<H50sIB", 4, b"9.7.4", 0, 19) + bytes(40) + b"\1", place=False)
    for number in range(1, draw(st.integers(1, 6)) + 1):
        server = draw(st.sampled_from([1, 1, 2]))
        times = (TS + number).to_bytes(7, "little")
        add(33, b"\0" + UUID(A).bytes + struct.pack("<QBQQ", number, 2, 0, 0) + times, server=server)
        match draw(st.integers(0, 9)):
            case 0:
                add(*query("TRUNCATE t"))
            case 1:
                versions["u"] = 1 - versions["u"]
                add(*query("ALTER u"))
            case 2:
                # In it a batch may end elsewhere, and what was delivered cannot be rolled back.
                events = [query("BEGIN"), *draw(statements(versions, savepoints=False)), (16, bytes(8))]
                add(*compressed(events))
            case _:
                add(*query("BEGIN"), server=server)
                for event in draw(statements(versions)):
                    add(*event, server=server, place=placed)
                if draw(st.integers(0, 9)) == 0:
                    add(*query("ROLLBACK"), server=server)
                elif draw(st.integers(0, 20)):
                    add(16, bytes(8), server=server)
    if draw(st.integers(0, 9)) == 0:  # bytes are damaged on the way
        at = draw(st.integers(2, len(out) - 1))
        byte = draw(st.integers(0, len(out[at]) - 1))
        damaged = [out[at][:byte], out[at][:byte] + bytes([out[at][byte] ^ 1]) + out[at][byte + 1 :]]
        out[at] = draw(st.sampled_from(damaged))
    return out


TS = 1_795_274_053_000_000


class History:
    """Three captured tables; one is altered back and forth."""

    def __init__(self, options):
        self.options, self.maps, self.altered = options, {}, 0

    def statement(self, _database, sql, _mode, _where, _databases):
        self.altered += sql.startswith("ALTER")
        truncated = (self.table("t").shape,) if sql.startswith("TRUNCATE") else ()
        return SimpleNamespace(notes={}, truncated=truncated, data=False, warning="")

    def table_map(self, body, _where):
        name = next(name for name, number in TABLES.items() if number == body[0])
        return None if name == "other" else self.table(name)

    def table(self, name):
        version = self.altered % len(COLUMNS[name])
        if (name, version) not in self.maps:
            sql, columns = COLUMNS[name][version]
            definition = parse(f"CREATE TABLE {name} ({sql})", "db", mariadb=False).build("utf8mb4")
            described = parse_table_map(table_map(columns, name))
            self.maps[name, version] = log_table(definition, described, TypeOptions())
        return self.maps[name, version]


class Untouched:
    def shape(self, shape):
        return shape

    def apply(self, change):
        return change

    def derives(self, _table):
        return True


class Topics:
    """Takes what is sent."""

    def __init__(self):
        self.records = defaultdict(list)

    def send(self, topic, key, value, partition=-1):
        self.records[topic].append((key, value, partition))

    def send_all(self, topic, records, partition=-1):
        for key, value in records:
            self.send(topic, key, value, partition)


class NoKeys:
    """State topics that held nothing before the stream."""

    def ends(self, _writer):
        return None

    def values(self, writer, key):
        schema = next(iter(writer._bindings.values())).shape.schema
        text = key_subject("topic", schema).text
        return list(fastavro.schemaless_reader(io.BytesIO(key[5:]), fastavro.parse_schema(json.loads(text))).values())


def writer_of(name, options):
    return TableWriter(
        TableId("db", name),
        options,
        {view: f"{name}.{view}" for view in options.views},
        wire=AvroFormat(Registry()),
        block=BLOCK,
        pipeline=Untouched(),
        evolve=lambda shape: shape,
        bound=lambda _topic, _encoder: None,
    )


class Chain:
    """From events to topics."""

    def __init__(self, views, value, start, folder, *, compiled):
        self.notes, self.topics, self.said = {}, Topics(), []
        prepared = Prepared(folder)
        self.assembler = Assembler(History(None), prepared, start, "shop", by_gtid=True, compiled=compiled)
        writers = {
            TableId("db", name): writer_of(
                name, TableOptions(views=views if KEYS[name] else (View.EVENTS,), value=value)
            )
            for name in ("t", "u", "f", "bare")
        }
        self.guest = Guest(None, {TableId("db", "t"): TableProgress()})
        self.writer = StreamWriter(
            writers,
            {table: TableReport(phase="streaming") for table in writers},
            self.guest,
            KeylessFilter(None, {}, []),
            NoKeys(),
            SimpleNamespace(key_text=lambda row: tuple(map(str, row.key))),
            self.notes.__setitem__,
        )

    def run(self, events, most):
        # The twin may cut a compressed transaction elsewhere, and ``NoKeys`` knows no keys of an earlier batch.
        part = 1 << 30 if any(b"TRUNCATE" in event for event in events) else most
        try:
            at = 0
            while at < len(events):
                at = self.assembler.feed_plain(events, at, most, 1 << 30)
                if at < len(events) and self.assembler.rows < most:
                    self.assembler.feed(events[at])
                    at += 1
                while self.assembler.replaying:
                    self.assembler.replay(part, 1 << 30)
                    self.full(most)
                self.full(most)
            self.take()
        except ConnectError as error:
            self.said.append((error.code, error.message, error.hint))

    def full(self, most):
        if self.assembler.rows >= most:
            self.take(split=not self.assembler.whole)

    def take(self, *, split=False):
        delivery = self.assembler.take(split=split)
        batch = SourceBatch(delivery.events, delivery.position, delivery.boundary, {}, delivery.cuts)
        if batch.events:
            self.writer.send(batch, self.writer.truncated(batch), self.topics)

    @property
    def told(self):
        delivered = {k: v for k, v in self.guest._delivered.items() if v}
        changes = {table: report.changes for table, report in self.writer.reports.items()}
        position = json.dumps(self.assembler.position.to_json())
        return delivered, self.guest._lacking, self.notes, changes, position, self.said, self.assembler.skipped


def read(events, views, value, most, start, folder, *, compiled):
    with patch.object(stream_writer, "time", SimpleNamespace(time_ns=lambda: 7_000)):
        chain = Chain(views, value, start, folder, compiled=compiled)
        chain.run(events, most)
    return chain


@settings(max_examples=250)
@given(
    logs(),
    st.sampled_from([(View.STATE,), (View.EVENTS,), (View.STATE, View.EVENTS)]),
    st.sampled_from(["envelope", "row"]),
    st.sampled_from([1, 2, 7, 1000]),
)
def test_a_log_in_groups_is_the_log_by_events(tmp_path_factory, events, views, value, most):
    folder = tmp_path_factory.getbasetemp()
    assert_same(lambda compiled: read(events, views, value, most, START, folder, compiled=compiled))


def assert_same(run):
    compiled = run(COMPILED)
    with nothing_compiled():
        twin = run(False)
    if not twin.said:  # what is sent before an error is never committed
        assert compiled.topics.records == twin.topics.records
        assert compiled.told == twin.told
    else:
        assert compiled.said


@settings(max_examples=60)
@given(logs(), st.sampled_from([1, 2, 3]))
def test_S4_a_log_resumed_inside_a_transaction_is_the_same(tmp_path_factory, events, most):
    folder = tmp_path_factory.getbasetemp()
    first = Assembler(History(None), Prepared(folder), START, "shop", by_gtid=True, compiled=False)
    stored = START
    try:
        for event in events[: len(events) * 2 // 3]:
            first.feed(event)
            if first.rows >= most and not first.replaying:
                stored = first.take(split=True).position
    except ConnectError:
        return
    begin = [
        at for at, event in enumerate(events) if event[4:5] == b"!" and end_of(event) - len(event) == stored.log.pos
    ]
    again = events[:2] + events[begin[0] if begin else 2 :]
    assert_same(lambda compiled: read(again, (View.EVENTS,), "envelope", most, stored, folder, compiled=compiled))


def end_of(event):
    return int.from_bytes(event[13:17], "little")


@pytest.mark.parametrize("value", ["envelope", "row"])
@pytest.mark.parametrize(
    ("kind", "packed", "zeros"), [("double", "<d", b"\0" * 8), ("float", "<f", b"\0" * 4)], ids=["double", "float"]
)
def test_S14_a_negative_zero_is_the_same_key_as_zero(kind, packed, zeros, value):
    def keys():
        code, meta = {"double": (5, b"\x08"), "float": (4, b"\4")}[kind]
        definition = parse(f"CREATE TABLE t (k {kind} PRIMARY KEY)", "db", mariadb=False).build("utf8mb4")
        shape = log_table(definition, parse_table_map(table_map([(code, meta)])), TypeOptions()).shape
        encoder = AvroFormat(Registry()).encoder("t", shape, BLOCK, value)
        return [encoder.key(Row(shape, image([struct.pack(packed, x)]))) for x in (0.0, -0.0, -1.0)]

    one, other = both(keys)
    assert one == other
    assert one[0] == one[1]
    assert one[0].endswith(zeros)
    assert one[2].endswith(struct.pack(packed, -1.0))
