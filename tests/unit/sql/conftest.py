"""A SQL sink on a SQLite file of its own."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import SinkContext, TopicPartition
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from connect.api import WriteResult
    from connectors.sql.sink import SqlSink


class World:
    """Sinks on one file, records of one table, and a look at the file behind their backs."""

    def __init__(self, path: Path) -> None:
        self.config = SqlConfig(url=f"sqlite:///{path}")
        self.context = SinkContext("warehouse", "g", lambda _: SqlTarget(table=self.template))
        self.template = "{table}"
        self.topic = "shop.public.orders"
        self.columns = [Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING))]
        self.offset = 0
        self.sql = sqlite3.connect(path, isolation_level=None)
        self._sinks: list[SqlSink] = []

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.topic, "id-1", 0)

    def open(self, *partitions: TopicPartition) -> SqlSink:
        sink: SqlSink = PLUGIN.build(self.config, self.context)
        self._sinks.append(sink)
        self.opened = sink.open(partitions or [self.partition])
        return sink

    def put(self, *values: Any, op: Op = Op.UPDATE, key: bool = True) -> SinkRecord:
        table = TableId("public", "orders")
        row = plain_row(TableSchema(table, tuple(self.columns), ("id",) if key else ()), values)
        key_row = plain_row(TableSchema(table, tuple(self.columns[:1]), ("id",)), values[:1]) if key else None
        self.offset += 1
        after = None if op is Op.DELETE else row
        return SinkRecord(self.topic, 0, self.offset - 1, 0, op, key_row, row, after, table)

    def write(self, sink: SqlSink, *records: SinkRecord, skip: frozenset[int] = frozenset()) -> WriteResult:
        return sink.write(records, {self.partition: self.offset}, skip)

    def rows(self, table: str = "orders", columns: str = "*") -> list[tuple[Any, ...]]:
        return self.sql.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()

    def position(self) -> int:
        [(offset,)] = self.rows("connect_positions", "next_offset")
        return int(offset)

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
        self.sql.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "target.db")
    yield made
    made.close()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[[], SqlSink]]:
    """Makes sinks on one file, which know nothing of each other."""
    made: list[SqlSink] = []

    def make() -> SqlSink:
        config = SqlConfig(url=f"sqlite:///{tmp_path / 'target.db'}")
        made.append(PLUGIN.build(config, SinkContext("warehouse", "group", lambda _: SqlTarget())))
        return made[-1]

    yield make
    for one in made:
        one.close()
