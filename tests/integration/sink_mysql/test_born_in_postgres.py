"""Every vector of Postgres's own types: MySQL and MariaDB keep what SQLite keeps, or refuse it by name (A7)."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import struct
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.api import SinkContext, TopicPartition
from connect.errors import Failed
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.postgres.types import TypeCatalog, TypeOptions, codec
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql.database import UnstorableError
from connectors.sql.mysql_types import MYSQL, column_type

if TYPE_CHECKING:
    from tests.integration.sink_mysql.conftest import Target

LINES = (Path(__file__).parents[2] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
TABLE = TableId("public", "orders")
ID = Field("id", Type(Kind.INT32), optional=False)
# What the servers have no place for, and say so; a column that its owner makes a longtext keeps it.
SHOWN = {**dict.fromkeys(("date", "datetime", "time", "decimal"), "CAST({0} AS CHAR)"), "float": "{0} * 1e0"}
NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
OUTSIDE = {
    "real": NO_NUMBERS,
    "double precision": NO_NUMBERS,
    "date": {"4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", "0044-03-15 BC"},
    "timestamp": {
        *("infinity", "-infinity", "0001-01-01 00:00:00 BC", "21016-11-04 13:51:30.123456"),
        *("4713-01-01 00:00:00 BC", "4713-12-31 23:59:59.999999 BC"),
    },
    "timestamp(3)": {"infinity"},
    "timestamptz": {
        *("infinity", "-infinity", "21016-11-04 06:51:30+00", "294276-12-31 23:59:59.999999+00"),
        "4714-12-31 23:59:59.999999+00 BC",
    },
    "timestamptz(3)": {"infinity"},
}


def decoded() -> dict[str, tuple[Type, list[tuple[str, Any]]]]:
    """Type → its logical type, and (text, value) of each vector that the source publishes."""
    found: dict[str, tuple[Type, list[tuple[str, Any]]]] = {}
    for line in LINES:
        name, oid, typmod, form, *_ = line.split("\t")
        if name.startswith("#") or oid == "dyn":  # of an extension: texts
            continue
        column = codec(int(oid), int(typmod), TypeCatalog(), TypeOptions())
        with contextlib.suppress(Failed):
            text = json.loads(form)
            found.setdefault(name, (column.type, []))[1].append((text, column.decode(text.encode())))
    return found


def stored(type_: Type, value: Any) -> bool:
    try:
        column_type(type_, MYSQL).write(value)
    except UnstorableError:
        return False
    return True


VECTORS = decoded()
KEPT = {name: [value for _, value in values if stored(type_, value)] for name, (type_, values) in VECTORS.items()}


def records() -> list[SinkRecord]:
    """Row n has the n-th vector of each type."""
    schema = TableSchema(
        TABLE, (ID, *(Field(f"c{i}", type_) for i, (type_, _) in enumerate(VECTORS.values()))), ("id",)
    )
    key = TableSchema(TABLE, (ID,), ("id",))
    found = []
    for n in range(max(map(len, KEPT.values()))):
        row = plain_row(schema, [n, *(values[n] if n < len(values) else None for values in KEPT.values())])
        found.append(SinkRecord("orders", 0, n, 0, Op.READ, plain_row(key, [n]), None, row, TABLE))
    return found


def write(config: SqlConfig) -> None:
    sink = PLUGIN.build(config, SinkContext("w", "g", lambda _: SqlTarget()))
    try:
        sink.open([TopicPartition("orders", "id", 0)])
        batch = records()
        assert not sink.write(batch, {TopicPartition("orders", "id", 0): len(batch)}, frozenset()).failures
    finally:
        sink.close()


def plain(name: str, sql: str, value: Any) -> Any:  # noqa: PLR0911 - a case for each way to be kept
    """A target's value for a MySQL column of type ``sql``, without what only its spelling differs in."""
    if value is None:
        return None
    if sql == "point":
        found = struct.unpack("<dd", value[9:]) if isinstance(value, bytes) else list(json.loads(value).values())[:2]
        return [repr(float(number)) for number in found]
    if sql.startswith("bit("):
        return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value, 2)
    if sql == "float":
        return struct.pack("<f", value + 0.0)  # SQLite has no negative zero
    if name.startswith(("numeric", "money")) and "[" not in name:
        return Decimal(value)
    if sql.startswith(("datetime", "time")):
        text = value.replace("T", " ").replace("Z", "")
        return re.sub(r"\.?0+$", "", text) if "." in text else text
    return value


def test_only_the_listed_vectors_have_no_place_in_a_column_of_their_type() -> None:
    outside: dict[str, set[str]] = {}
    for name, (type_, values) in VECTORS.items():
        refused = {text for text, value in values if not stored(type_, value)}
        if refused:
            outside[name] = refused
    assert outside == OUTSIDE


def test_F141_every_vector_is_kept_as_sqlite_keeps_it(target: Target, tmp_path: Path) -> None:
    write(SqlConfig(url=target.url))
    write(SqlConfig(url=f"sqlite:///{tmp_path / 'target.db'}"))

    catalog = "SELECT column_name, column_type FROM information_schema.columns WHERE table_name = 'orders'"
    kinds = dict(target.rows(f"{catalog} AND table_schema = DATABASE()"))
    columns = {f"c{number}": name for number, name in enumerate(VECTORS)}
    shown = [SHOWN.get(re.split(r"\W", kinds[column])[0], "{0}").format(column) for column in columns]
    there = target.rows(f"SELECT {', '.join(shown)} FROM orders ORDER BY id")
    with contextlib.closing(sqlite3.connect(tmp_path / "target.db")) as lite:
        expected = lite.execute(f"SELECT {', '.join(columns)} FROM orders ORDER BY id").fetchall()
    different = [
        (name, mine, texts)
        for mine_row, text_row in zip(there, expected, strict=True)
        for (column, name), mine, texts in zip(columns.items(), mine_row, text_row, strict=True)
        if plain(name, kinds[column], mine) != plain(name, kinds[column], texts)
    ]
    assert different == []
