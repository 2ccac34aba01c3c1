"""``make fuzz``: a million mutated frames for each compiled codec, under AddressSanitizer.

A frame is a message of the stream, a line of COPY or a record of a topic, made of the vectors of types.md and then
damaged; those that were are counted, and some are left whole. The codecs take it or refuse it by name; a read past its
end, another error or a crash ends the run. Every hundredth row is held against the Python twin too; what the others
give is compared in tests/property.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import binlog

from connect.api import TopicPartition
from connect.api.tables import TableOptions
from connect.compiled import COMPILED, WHY_NOT_COMPILED
from connect.errors import ConnectError
from connect.kafka.consumer import Raw
from connect.record import ChangeEvent, Op, Row, SinkRecord
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import TableId
from connect.schema.reader import RecordReader
from connectors.elasticsearch.bulk_c import DocumentLines
from connectors.postgres.assembler import Assembler
from connectors.postgres.position import PostgresPosition
from connectors.postgres.relations import Catalog, Relations, ShapeColumn, build_shape
from connectors.postgres.rows import COPY_ROW, LOG_ROW
from connectors.postgres.source import PostgresSource
from connectors.postgres.spool import TransactionSpool
from connectors.postgres.stream_c import Burst
from connectors.postgres.types import TypeCatalog, TypeOptions
from connectors.sql.copy_c import CopyWriter
from connectors.sql.mysql_types import MYSQL
from connectors.sql.mysql_types import column_type as mysql_type
from connectors.sql.postgres_types import column_type
from connectors.sql.values_c import ValuesWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connectors.sql.lines_c import LineWriter

DATA: Final = Path(__file__).parents[1] / "data" / "postgres_vectors.tsv"
TABLE: Final = TableId("public", "things")
OID: Final = 7
BLOCK: Final = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)
COLUMNS_A_TABLE: Final = 6
COMPARED: Final = 100
NOISE: Final = (b"", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"9" * 40, b"-", b"\\", b"\\N", b"\t", b"e", b"t", b"u")


class Registry:
    """Gives every schema an id."""

    is_down = False

    def schema_id(self, _name: str, _text: str) -> int:
        return 7


def vectors() -> list[tuple[int, int, bytes]]:
    lines = [line.split("\t") for line in DATA.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [(int(oid), int(typmod), json.loads(cell).encode()) for _, oid, typmod, cell, *_ in lines if oid != "dyn"]


class Frames:
    """Frames of one run: the same for the same seed.

    Attributes:
        changed: How many were damaged.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.changed = 0
        self.vectors = vectors()

    def columns(self) -> tuple[list[tuple[int, int]], list[bytes]]:
        """Columns of a table, and a cell for each."""
        picked = self.random.choices(self.vectors, k=COLUMNS_A_TABLE)
        return [(oid, typmod) for oid, typmod, _ in picked], [cell for _, _, cell in picked]

    def damaged(self, frame: bytes) -> bytes:
        """The frame with up to three places cut, overwritten or pushed aside."""
        choose, whole = self.random, frame
        for _ in range(choose.randint(0, 3)):
            at = choose.randint(0, len(frame))
            match choose.randint(0, 3):
                case 0:
                    frame = frame[:at]
                case 1:
                    frame = frame[:at] + bytes((choose.randint(0, 255),)) + frame[at + 1 :]
                case _:
                    frame = frame[:at] + choose.choice(NOISE) + frame[at + choose.randint(0, 5) :]
        self.changed += frame != whole
        return frame


def packed(cells: list[bytes]) -> bytes:
    return struct.pack(">H", len(cells)) + b"".join(b"t" + struct.pack(">I", len(cell)) + cell for cell in cells)


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """The result, or the error's name and words; anything but a named error ends the run."""
    try:
        return call(*args)
    except ConnectError as error:
        return error.code, error.message


def rows(frames: Frames, split: Any, frame_of: Callable[[list[bytes]], bytes]) -> Iterator[None]:
    """Damaged row data, split and encoded."""
    number = 0
    while True:
        columns, cells = frames.columns()
        named = [ShapeColumn("id", 20, -1), *(ShapeColumn(f"c{i}", *column) for i, column in enumerate(columns))]
        modes = TypeOptions(unrepresentable=frames.random.choice(["fail", "null"]))
        shape = build_shape(TABLE, named, ("id",), None, TypeCatalog(), modes, split)
        value = frames.random.choice(["envelope", "row"])
        encoder: Any = AvroFormat(Registry()).encoder("shop.public.things", shape, BLOCK, value)  # type: ignore[arg-type]
        whole = frame_of([b"1", *cells])
        for _ in range(200):
            row = Row(shape, frames.damaged(whole))
            event = ChangeEvent(Op.CREATE, shape, None, row, ("public", "things", 7, 8, None, None, None), 9, 7)
            written = outcome(encoder.value, event, 1), outcome(encoder.key, row), outcome(lambda: list(row.cells))  # noqa: B023 - called at once
            number += 1
            if number % COMPARED == 0:
                again = outcome(encoder.twin.value, event, 1), outcome(encoder.twin.key, row)
                assert written[:2] == again, (columns, row.data)
            yield


def stream(frames: Frames) -> Iterator[None]:
    """Damaged messages of the stream, through the lane and the group encoder."""
    types = TypeCatalog()
    catalog = Catalog(lambda _: None, lambda: types, types)
    with tempfile.TemporaryDirectory() as folder:
        spool = TransactionSpool(Path(folder), 1_000_000, 10_000_000)
        while True:
            columns, cells = frames.columns()
            relations = Relations({TABLE: TableOptions(key=("id",))}, {OID: TABLE}, catalog, TypeOptions())
            named = [("id", 20), *((f"c{i}", oid) for i, (oid, _) in enumerate(columns))]
            head = b"R" + struct.pack(">I", OID) + b"public\0things\0f" + struct.pack(">H", len(named))
            relation = head + b"".join(b"\1" + n.encode() + b"\0" + struct.pack(">Ii", oid, -1) for n, oid in named)
            row, oid = packed([b"1", *cells]), struct.pack(">I", OID)
            messages = [b"I" + oid + b"N" + row, b"U" + oid + b"O" + row + b"N" + row, b"D" + oid + b"K" + row]
            wire = AvroFormat(Registry())
            for _ in range(10):
                assembler = Assembler(relations, spool, PostgresPosition("1", 1, 0), "connect.", compiled=True)
                yield from _transaction(frames, assembler, [relation], messages)
                binlog.encode(assembler.take(split=True).events, wire, BLOCK)


def _transaction(frames: Frames, assembler: Assembler, first: list[bytes], messages: list[bytes]) -> Iterator[None]:
    begin, commit = b"B" + struct.pack(">QqI", 900, 0, 5), b"C" + struct.pack(">BQQq", 0, 900, 950, 0)
    body = [frames.damaged(frames.random.choice(messages)) for _ in range(200)]
    payloads = [b"w" + struct.pack(">QQq", 800, 800, 0) + message for message in [begin, *first, *body, commit]]
    burst, at = Burst([frames.damaged(p) if frames.random.random() < 0.02 else p for p in payloads]), 0
    while at < len(burst):
        at = assembler.feed_plain(burst, at, 10_000, 1 << 30)
        if at < len(burst):
            if burst[at]:
                outcome(assembler.feed, burst[at])
            at += 1
    yield from (None for _ in body)


class Schemas:
    """Keeps each schema under the id that it gives."""

    is_down = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def schema_id(self, _name: str, text: str) -> int:
        self.texts.append(text)
        return len(self.texts) - 1

    def schema_text(self, schema_id: int) -> str:
        return self.texts[schema_id]


def records(frames: Frames) -> Iterator[None]:
    """Damaged keys and values of a topic, folded and written as COPY lines, VALUES and bulk documents."""
    place = TopicPartition("shop.public.things", "id", 0)
    while True:
        columns, cells = frames.columns()
        named = [ShapeColumn("id", 20, -1), *(ShapeColumn(f"c{i}", *column) for i, column in enumerate(columns))]
        shape = build_shape(TABLE, named, ("id",), None, TypeCatalog(), TypeOptions(unrepresentable="null"), COPY_ROW)
        schemas: Any = Schemas()
        encoder = AvroFormat(schemas).encoder(place.topic, shape, BLOCK, frames.random.choice(["envelope", "row"]))
        row = Row(shape, b"\t".join((b"1", *cells)) + b"\n")
        event = ChangeEvent(Op.CREATE, shape, None, row, ("public", "things", 7, 8, None, None, None), 9, 7)
        reader = RecordReader(schemas)
        try:
            whole = Raw(place, 1, 0, encoder.key(row), encoder.value(event, 1))
            first: Any = reader.batch()
            first.append(whole, reader.read(place.topic, 0, *whole[1:]), passes=True)
        except ConnectError:  # no row of a source
            continue
        folded = first.fold()[0].get(place.topic)
        if folded is None:
            continue
        lane, schema = folded.lane, folded.lane.shape.schema
        types = [field.type for field in schema.columns]
        rows = (
            CopyWriter(lane.layout, lane.shape, [column_type(type_).write for type_ in types]),
            ValuesWriter(lane.layout, lane.shape, [mysql_type(type_, MYSQL).write for type_ in types]),
        )
        lines = DocumentLines(lane, "things", 1)
        for _ in range(200):
            _record(frames, reader, whole, rows, lines)
            yield


def _record(frames: Frames, reader: RecordReader, whole: Raw, rows: Sequence[LineWriter], lines: DocumentLines) -> None:
    key, value = whole.key or b"", whole.value or b""
    if frames.random.random() < 0.1:
        key = key[:5] + frames.damaged(key[5:])
    raw = Raw(whole.place, 1, 0, key, value[:5] + frames.damaged(value[5:]))
    batch: Any = reader.batch()
    if batch.extend([raw], 0) == 0:
        return
    read = outcome(reader.read, raw.place.topic, 0, *raw[1:])
    assert isinstance(read, SinkRecord), (read, raw)
    for folded in batch.fold()[0].values():
        for writer in rows:
            writer.rows(folded)
        lines.pack(folded, 0, 10, 1_000_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000, help="damaged ones of each codec")
    parser.add_argument("--only", help="one codec")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    assert COMPILED, WHY_NOT_COMPILED
    runs = {
        "log rows": lambda frames: rows(frames, LOG_ROW, packed),
        "COPY lines": lambda frames: rows(frames, COPY_ROW, lambda cells: b"\t".join(cells) + b"\n"),
        "stream": stream,
        "records of a topic": records,
        "row images": binlog.images,
        "row packets": binlog.packets,
        "binlog": binlog.logs,
    }
    for name, run in runs.items():
        if given.only not in {None, name}:
            continue
        frames = Frames(given.seed)
        started, going = time.monotonic(), run(frames)
        while frames.changed < given.frames:
            next(going)
        sys.stdout.write(f"{name}: {given.frames:,} frames in {time.monotonic() - started:.0f} s, seed {given.seed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
