"""A stream through the compiled lane, in groups, against the same stream one event at a time by the Python twins.

Messages as a server sends them become records: the same of each topic in the same order, the same keys for the guest,
the same notes, however the stream is cut into bursts and batches.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connect.api.source import SourceBatch
from connect.api.tables import TableOptions, View
from connect.compiled import COMPILED
from connect.record import plain_shape
from connect.runtime import stream_writer, table_writer
from connect.runtime.guest import Guest, TableProgress
from connect.runtime.keyless import KeylessFilter
from connect.runtime.report import TableReport
from connect.runtime.stream_writer import StreamWriter
from connect.runtime.table_writer import TableWriter
from connect.schema import avro
from connect.schema.avro import AvroFormat, key_subject
from connect.schema.formats import SourceBlock
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.postgres.assembler import Assembler
from connectors.postgres.position import PostgresPosition
from connectors.postgres.relations import Catalog, Relations
from connectors.postgres.source import PostgresSource
from connectors.postgres.spool import TransactionSpool
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions

if COMPILED:
    from connect.changes_c import ChunkRows
    from connectors.postgres.stream_c import Burst, read_rows

NARROW, WIDE, BARE, OTHER = (TableId("public", name) for name in ("narrow", "wide", "bare", "not_captured"))
OIDS = {NARROW: 7, WIDE: 8, BARE: 9, OTHER: 10}
MOOD = 50_030
COLUMNS = {
    NARROW: [("id", 23, True), ("v", 25, False)],
    WIDE: [("a", 25, True), ("n", 1700, False), ("b", 20, True), ("at", 1184, False), ("mood", MOOD, False)],
    BARE: [("x", 25, False)],
    OTHER: [("id", 23, True)],
}
VALUES = {
    23: st.sampled_from([b"1", b"2", b"3"]),
    20: st.sampled_from([b"7", b"8"]),
    25: st.sampled_from([b"", b"p", "Ünï".encode(), b"x" * 99]),
    1700: st.sampled_from([b"1.50", b"-0.001", b"9" * 60]),
    1184: st.sampled_from([b"2026-11-21 10:11:12.5+00", b"infinity", b"0044-03-15 00:00:00+00 BC"]),
    MOOD: st.sampled_from([b"sad", b"ok", b"new one"]),
}
START = PostgresPosition("77", 1, 1000)
BLOCK = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)


def frame(lsn, message):
    return b"w" + struct.pack(">QQq", lsn, lsn, 0) + message


def relation(table, identity):
    head = b"R" + struct.pack(">I", OIDS[table]) + b"".join(part.encode() + b"\0" for part in table) + identity
    columns = [
        struct.pack(">B", key or identity == b"f") + name.encode() + b"\0" + struct.pack(">Ii", oid, -1)
        for name, oid, key in COLUMNS[table]
    ]
    return head + struct.pack(">H", len(columns)) + b"".join(columns)


def packed(cells):
    parts = [b"n" if c is None else b"u" if c == "u" else b"t" + struct.pack(">I", len(c)) + c for c in cells]
    return struct.pack(">H", len(parts)) + b"".join(parts)


@st.composite
def rows(draw, table, *, toast=False):
    cells = []
    for _, oid, key in COLUMNS[table]:
        cell = draw(VALUES[oid])
        if not key:
            odd = [cell, cell, cell, None, *(["u"] if toast and oid == 25 else [])]
            cell = draw(st.sampled_from(odd))
        cells.append(cell)
    return cells


@st.composite
def messages(draw, table, identity):
    head = struct.pack(">I", OIDS[table])
    kind = draw(st.sampled_from("IIUUUDT" if identity != b"n" else "I"))
    if kind == "T":
        return b"T" + struct.pack(">IB", 1, 0) + head
    new, old = draw(rows(table, toast=kind == "U")), draw(rows(table))
    if kind == "I":
        return b"I" + head + b"N" + packed(new)
    if identity == b"f":
        before = b"O" + packed(old)
    else:
        before = b"K" + packed([c if key else None for c, (_, _, key) in zip(old, COLUMNS[table], strict=True)])
    if kind == "D":
        return b"D" + head + before
    return b"U" + head + (draw(st.sampled_from([b"", before])) if identity == b"d" else before) + b"N" + packed(new)


@st.composite
def streams(draw):
    """Payloads of transactions over several tables, whose identity changes between them."""
    out, lsn = [], 1000
    for xid in range(100, 100 + draw(st.integers(1, 6))):
        body = []
        for table in draw(st.lists(st.sampled_from(list(OIDS)), max_size=4)):
            identity = b"n" if table is BARE else draw(st.sampled_from([b"d", b"f"]))
            if draw(st.booleans()) or (table, identity) not in out:
                body.append(relation(table, identity))
                out.append((table, identity))
            body += draw(st.lists(messages(table, identity), max_size=5))
        first = lsn + 8
        lsn += 8 * (len(body) + 2)
        out.append(frame(lsn, b"B" + struct.pack(">QqI", lsn, xid, xid)))
        out += [frame(first + 8 * i, message) for i, message in enumerate(body)]
        out.append(frame(lsn + 8, b"C" + struct.pack(">BQQq", 0, lsn, lsn + 8, 0)))
        out += [b"k" + struct.pack(">QqB", lsn + 8, 0, 0)] * draw(st.integers(0, 1))
        lsn += 8
    return [payload for payload in out if isinstance(payload, bytes)]


class Registry:
    is_down = False

    def schema_id(self, _name, _text):
        return 7


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
        self.records[topic] += [(key, value, partition) for key, value in records]


class NoKeys:
    """State topics that held nothing before the stream."""

    def ends(self, _writer):
        return None

    def values(self, writer, key):
        schema = next(iter(writer._bindings.values())).shape.schema
        text = key_subject("topic", schema).text
        return list(fastavro.schemaless_reader(io.BytesIO(key[5:]), fastavro.parse_schema(json.loads(text))).values())


class Reads:
    """One whole chain from payloads to topics."""

    def __init__(self, views, value, *, compiled):
        catalog = TypeCatalog().with_types([TypeInfo(MOOD, "public", "mood", "e", labels=("sad", "ok"))])
        options = {
            table: TableOptions(views=views if key else (View.EVENTS,), value=value, key=key)
            for table, key in ((NARROW, ("id",)), (WIDE, ("b", "a")), (BARE, None))
        }
        oids = {OIDS[table]: table for table in options}
        relations = Relations(options, oids, Catalog(lambda _: None, lambda: catalog, catalog), TypeOptions())
        spool = TransactionSpool(Path(tempfile.mkdtemp()), 10_000, 1_000_000)
        self.compiled, self.notes, self.topics = compiled, {}, Topics()
        self.assembler = Assembler(relations, spool, START, "connect.", compiled=compiled)
        writers = {
            table: TableWriter(
                table,
                choice,
                {view: f"{table.name}.{view}" for view in choice.views},
                wire=AvroFormat(Registry()),
                block=BLOCK,
                pipeline=Untouched(),
                evolve=lambda shape: shape,
                bound=lambda _topic, _encoder: None,
            )
            for table, choice in options.items()
        }
        self.guest = Guest(None, {NARROW: TableProgress()})
        self.writer = StreamWriter(
            writers,
            {table: TableReport(phase="streaming") for table in options},
            self.guest,
            KeylessFilter(None, {}, []),
            NoKeys(),
            SimpleNamespace(key_text=lambda row: tuple(str(value) for value in row.key)),
            self.notes.__setitem__,
        )

    def feed(self, payloads, rows):
        burst, at = Burst(payloads) if self.compiled else payloads, 0
        while at < len(burst):
            at = self.assembler.feed_plain(burst, at, rows, 1 << 30)
            if at < len(burst) and self.assembler.rows < rows:
                self.assembler.feed(burst[at])
                at += 1
            if self.assembler.rows >= rows:
                self.take(split=not self.assembler.whole)

    def take(self, *, split=False):
        delivery = self.assembler.take(split=split)
        batch = SourceBatch(delivery.events, delivery.position, delivery.boundary, {}, delivery.cuts)
        self.writer.send(batch, self.writer.truncated(batch), self.topics)

    @property
    def told(self):
        delivered = {k: v for k, v in self.guest._delivered.items() if v}
        changes = {table: report.changes for table, report in self.writer.reports.items()}
        return delivered, self.guest._lacking, self.notes, changes, self.assembler.position


@settings(max_examples=100)
@given(
    streams(),
    st.sampled_from([(View.STATE,), (View.EVENTS,), (View.STATE, View.EVENTS)]),
    st.sampled_from(["envelope", "row"]),
    st.lists(st.integers(1, 40), max_size=4),
    st.sampled_from([1, 2, 7, 1000]),
)
def test_a_stream_in_groups_is_the_stream_by_events(payloads, views, value, cuts, most):
    twin, compiled = (read(payloads, views, value, cuts, most, compiled=one) for one in (False, COMPILED))
    assert compiled.topics.records == twin.topics.records
    assert compiled.told == twin.told


def read(payloads, views, value, cuts, most, *, compiled):
    """The chain after all of the stream; a moment stands still meanwhile."""
    with (
        patch.object(avro, "COMPILED", compiled),
        patch.object(table_writer, "COMPILED", compiled),
        patch.object(stream_writer, "time", SimpleNamespace(time_ns=lambda: 7_000)),
    ):
        chain = Reads(views, value, compiled=compiled)
        for cut in cuts:
            chain.feed(payloads[:cut], most)
            payloads = payloads[cut:]
        chain.feed(payloads, most)
        chain.take()
    return chain


@pytest.mark.skipif(not COMPILED, reason="without compiled code a chunk is a list")
@given(st.lists(st.lists(st.binary(min_size=1), max_size=5), max_size=4))
def test_a_chunk_of_several_parts_is_their_lines_one_after_the_other(parts):
    shape = plain_shape(TableSchema(NARROW, (Field("id", Type(Kind.STRING)),), ("id",)))
    rows = ChunkRows(read_rows([Burst(lines) for lines in parts], shape, ("public", "narrow"), 77))
    assert [row.data for row in rows] == [line for lines in parts for line in lines]
