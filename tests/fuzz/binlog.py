"""Damaged binlogs, row images and results of queries, for ``make fuzz``: made of MySQL's vectors of types.md."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

import pymysql

from connect.errors import ConnectError
from connect.record import ChangeEvent, Op, Row
from connect.records_c import Records
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connectors.mysql import text_rows
from connectors.mysql.assembler import Assembler
from connectors.mysql.ddl import parse
from connectors.mysql.gtid import GtidSet
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.prepared import Prepared
from connectors.mysql.shapes import log_table, snapshot_shape
from connectors.mysql.source import MysqlSource
from connectors.mysql.table_map import parse_table_map
from connectors.mysql.type_options import TypeOptions

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from connect.record import RowShape
    from connectors.mysql.row_image import LogTable

DATA: Final = Path(__file__).parents[1] / "data" / "mysql_vectors.tsv"
BLOCK: Final = SourceBlock(connector="mysql", name="shop", database="", fields=MysqlSource.source_fields)
START: Final = MysqlPosition("s", LogPosition("binlog.000001", 4), GtidSet.parse(""))
COLUMNS_A_TABLE: Final = 6
FRAMES_A_TABLE: Final = 200
COMPARED: Final = 100
SOURCE: Final = ("t", 1, None, "binlog.000001", 40, 3, None, None)
TEXTS: Final = {
    "bigint": (b"-9223372036854775808", b"7", b"99999999999999999999"),
    "bigint unsigned": (b"18446744073709551615", b"0"),
    "decimal(38,10)": (b"-1234567890.0123456789", b"9" * 28 + b"." + b"9" * 10),
    "float": (b"0.10000000149011612", b"-3.4e38", b"1e-45"),
    "double": (b"1.7976931348623157e308", b"-0.1"),
    "date": (b"2026-11-21", b"0000-00-00"),
    "datetime(6)": (b"2026-11-21 10:11:12.123456", b"0000-00-00 00:00:00.000000"),
    "time(3)": (b"-838:59:59.000", b"10:11:12.5"),
    "timestamp(3) null": (b"2026-11-21 10:11:12.123",),
    "varchar(99)": ("Ünï".encode(), b"x" * 300),
    "varbinary(9)": (b"\0\xff",),
    "bit(12)": (b"\4\2",),
}


class Frames(Protocol):
    """What damages frames."""

    random: random.Random

    def damaged(self, frame: bytes) -> bytes: ...


class Registry:
    """Gives every schema an id."""

    is_down = False

    def schema_id(self, _name: str, _text: str) -> int:
        return 7


class Vector:
    """A column and a value's bytes in a row."""

    def __init__(self, line: str) -> None:
        kind, server, code, meta, _, cell, _ = line.split("\t")
        self.kind, self.mariadb = kind.replace("point srid 4326", "point"), server == "mariadb"
        self.code, self.meta, self.cell = int(code), bytes.fromhex(meta), bytes.fromhex(cell)


LINES: Final = DATA.read_text(encoding="utf-8").splitlines()
VECTORS: Final = [Vector(line) for line in LINES if not line.startswith("#")]
KEY: Final = struct.pack("<q", 7)


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """The result, or the error's name and words; anything but a named error ends the run."""
    try:
        return call(*args)
    except ConnectError as error:
        return error.code, error.message


def table_map(columns: list[Vector]) -> bytes:
    codes, meta = bytes([8, *(one.code for one in columns)]), b"".join(one.meta for one in columns)
    head = struct.pack("<IHH", 1, 0, 1) + b"\2db\0\1t\0" + bytes([len(codes)]) + codes
    return head + bytes([len(meta)]) + meta + b"\xff" * ((len(codes) + 7) // 8)


def made_table(frames: Frames) -> tuple[LogTable, bytes, bytes]:
    """A table, its map, and a row of it."""
    mariadb = frames.random.random() < 0.5
    columns = frames.random.choices([one for one in VECTORS if not one.mariadb or mariadb], k=COLUMNS_A_TABLE)
    sql = ", ".join(f"c{i} {one.kind}" for i, one in enumerate(columns))
    definition = parse(f"CREATE TABLE t (id bigint primary key, {sql})", "db", mariadb=mariadb)
    assert definition is not None
    modes = TypeOptions(unrepresentable=frames.random.choice(["fail", "null"]))
    described, made = table_map(columns), definition.build("utf8mb4")  # type: ignore[union-attr]
    table = log_table(made, parse_table_map(described, mariadb=mariadb), modes)
    return table, described, b"\0" + KEY + b"".join(one.cell for one in columns)


def encoder_of(frames: Frames, shape: RowShape) -> Any:
    value = frames.random.choice(["envelope", "row"])
    return AvroFormat(Registry()).encoder("shop.db.t", shape, BLOCK, value)  # type: ignore[arg-type]


def written(frames: Frames, shape: RowShape, whole: bytes) -> Iterator[None]:
    """Damaged row data, split and encoded; some by the twin too."""
    encoder = encoder_of(frames, shape)
    for number in range(FRAMES_A_TABLE):
        row = Row(shape, frames.damaged(whole))
        event = ChangeEvent(Op.CREATE, shape, None, row, SOURCE, 9, 7)
        results = outcome(encoder.value, event, 1), outcome(encoder.key, row), outcome(lambda: list(row.cells))  # noqa: B023 - called at once
        if number % COMPARED == 0:
            again = outcome(encoder.twin.value, event, 1), outcome(encoder.twin.key, row)
            assert results[:2] == again, (shape.schema, row.data)
        yield


def images(frames: Frames) -> Iterator[None]:
    """Row images of the log."""
    while True:
        table, _, image = made_table(frames)
        yield from written(frames, table.shape, image)


def packets(frames: Frames) -> Iterator[None]:
    """Row packets of the text protocol, each alone and in a result that comes in pieces."""
    while True:
        kinds = frames.random.choices(sorted(TEXTS), k=COLUMNS_A_TABLE)
        sql = ", ".join(f"c{i} {kind}" for i, kind in enumerate(kinds))
        definition = parse(f"CREATE TABLE t (id bigint primary key, {sql})", "db", mariadb=False)
        shape = snapshot_shape(definition.build("utf8mb4"), TypeOptions(unrepresentable="null"))  # type: ignore[union-attr]
        cells = [b"7", *(frames.random.choice(TEXTS[kind]) for kind in kinds)]
        whole = b"".join(lenenc(len(cell)) + cell for cell in cells)
        yield from written(frames, shape, whole)
        rows = [whole] * 5 + [b"\xfe\0\0\0\0"]
        result = b"".join(len(row).to_bytes(3, "little") + bytes([i]) + row for i, row in enumerate(rows))
        for _ in range(FRAMES_A_TABLE):
            read_result(frames, shape, frames.damaged(result))
            yield


def read_result(frames: Frames, shape: RowShape, result: bytes) -> None:
    file, size = io.BytesIO(result), frames.random.randint(1, 400)
    try:
        found: Any = text_rows.fetch(file.read, lambda: file.read(size), 0, frames.random.choice([None, 100]))[0]
    except pymysql.Error:
        return
    encode(found.read(shape, SOURCE, 9), AvroFormat(Registry()), BLOCK)


def lenenc(size: int) -> bytes:
    return bytes([size]) if size < 251 else b"\xfc" + struct.pack("<H", size)


class History:
    """One table, as it was made."""

    def __init__(self, table: LogTable, described: bytes) -> None:
        self.table, self.described = table, described[8:]

    def statement(self, *_: Any) -> Any:
        return SimpleNamespace(notes={}, truncated=(), data=False, warning="")

    def table_map(self, body: bytes, _where: str) -> LogTable | None:
        return self.table if body[8:] == self.described else None


def events_of(frames: Frames, described: bytes, image: bytes) -> list[bytes]:
    """Transactions whose events are damaged, but for their checksums."""
    head = struct.pack("<IHH", 1, 0, 1)
    count = bytes([COLUMNS_A_TABLE + 1])
    bodies = [
        (33, b"\0" + bytes(16) + struct.pack("<QBQQ", 1, 2, 0, 0) + bytes(7)),
        (2, struct.pack("<IIBHH", 5, 0, 2, 0, 0) + b"db\0BEGIN"),
        (19, described),
        (30, head + b"\2\0" + count + b"\xff" + image * 3),
        (31, head + b"\2\0" + count + b"\xff\xff" + image * 2),
        (25, head + count + b"\xff" + image),
        (16, bytes(8)),
    ]
    events, pos = [], 200
    for kind, body in bodies * 20:
        body = frames.damaged(body) if kind in {30, 31, 25} or frames.random.random() < 0.02 else body  # noqa: PLW2901
        pos += 23 + len(body)
        event = struct.pack("<IBIIIH", 1, kind, 1, 23 + len(body), pos, 0) + body
        events.append(event + struct.pack("<I", zlib.crc32(event)))
    if frames.random.random() < 0.1:
        at = frames.random.randrange(len(events))
        events[at] = frames.damaged(events[at])
    return events


def logs(frames: Frames) -> Iterator[None]:
    """Events of the stream, through the lane and the group encoder."""
    with tempfile.TemporaryDirectory() as folder:
        while True:
            table, described, image = made_table(frames)
            wire = AvroFormat(Registry())
            for _ in range(10):
                history: Any = History(table, described)
                assembler = Assembler(history, Prepared(Path(folder)), START, "shop", by_gtid=True, compiled=True)
                yield from fed(assembler, events_of(frames, described, image))
                encode(assembler.take(split=True).events, wire, BLOCK)


def fed(assembler: Assembler, events: list[bytes]) -> Iterator[None]:
    at = 0
    while at < len(events):
        before = at
        try:
            at = assembler.feed_plain(events, at, 10_000, 1 << 30)
        except ConnectError:  # of a begin; the connector stops there
            return
        if at < len(events):
            outcome(assembler.feed, events[at])
            at += 1
        yield from (None for _ in range(before, at))


def encode(changes: Any, wire: AvroFormat, block: SourceBlock) -> None:
    """All changes by their compiled encoders; the odd ones are decoded."""
    encoders: dict[Any, Any] = {}
    for group in changes.groups:
        encoder = encoders.get(group.shape)
        if encoder is None:
            encoder = encoders[group.shape] = outcome(wire.encoder, "shop.db.t", group.shape, block)
        if isinstance(encoder, tuple):  # names that no schema can have: the connector stops there
            continue
        at = group.first if group.event is None else -1
        while at >= 0:
            at = encoder.encode(changes, at, -1, 1, Records(), [], [], state=True)
            if at >= 0:
                outcome(lambda: changes[at].after and changes[at].after.cells)  # noqa: B023 - called at once
                at = changes.after(at)
