"""A database of its own on MySQL or MariaDB, and sinks that fill it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pymysql
import pytest

from connect.api import SinkContext, TopicPartition, WriteResult
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.sql.sink import SqlSink

TABLE = TableId("public", "orders")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))


def connection(url: str, **settings: Any) -> Any:
    """A root's connection, apart from the sink's."""
    server = urlsplit(url)
    return pymysql.connect(
        host=server.hostname,
        port=server.port or 3306,
        user=server.username,
        password=server.password or "",
        charset="utf8mb4",
        autocommit=True,
        **settings,
    )


class Target:
    """A database; sinks that fill it, each under a connector's name."""

    partition = TopicPartition("shop.public.orders", "id", 0)

    def __init__(self, server: str) -> None:
        self.name = f"k_{uuid.uuid4().hex[:10]}"
        self.server = server
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()
        self.connection = connection(server)
        self.sql(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        self.sql(f"USE {self.name}")
        self.mariadb = "MariaDB" in self.rows("SELECT version()")[0][0]
        self.columns = COLUMNS
        self.offset = 0
        self._sinks: list[SqlSink] = []

    def sql(self, statement: str) -> None:
        """Run what an operator would."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)

    def rows(self, query: str = "SELECT * FROM orders ORDER BY 1") -> list[tuple[Any, ...]]:
        """What stands there."""
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def raw(self, query: str) -> list[tuple[bytes | None, ...]]:
        """What stands there, as the server sent it."""
        with connection(self.url, database=self.name, use_unicode=False, conv={}) as plain, plain.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00', character_set_results = NULL")  # as the source does
            cursor.execute(query)
            return list(cursor.fetchall())

    def sink(self, name: str = "warehouse", table: str = "{table}", url: str = "") -> SqlSink:
        """A sink that is not open yet."""
        context = SinkContext(name, self.name, lambda _: SqlTarget(table=table))
        sink: SqlSink = PLUGIN.build(SqlConfig(url=url or self.url), context)
        self._sinks.append(sink)
        return sink

    def open(self, name: str = "warehouse", table: str = "{table}") -> SqlSink:
        """A sink that owns the target."""
        sink = self.sink(name, table)
        sink.open([self.partition])
        return sink

    def put(self, *values: Any) -> SinkRecord:
        """A row."""
        key = plain_row(TableSchema(TABLE, self.columns[:1], ("id",)), values[:1])
        after = plain_row(TableSchema(TABLE, self.columns, ("id",)), values)
        self.offset += 1
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.UPDATE, key, None, after, TABLE)

    def delete(self, key: Any) -> SinkRecord:
        """A delete."""
        row = plain_row(TableSchema(TABLE, self.columns[:1], ("id",)), [key])
        self.offset += 1
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.DELETE, row, None, None, TABLE)

    def truncate(self) -> SinkRecord:
        """The table was emptied."""
        self.offset += 1
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.TRUNCATE, None, None, None, TABLE)

    def write(self, sink: SqlSink, *records: SinkRecord) -> WriteResult:
        """As the runtime does."""
        return sink.write(records, {self.partition: records[-1].offset + 1}, frozenset())

    def position(self) -> int:
        """What is stored."""
        [(offset,)] = self.rows("SELECT next_offset FROM connect_positions")
        return int(offset)

    def reconnect(self) -> None:
        """After the server was killed."""
        self.connection = connection(self.url, database=self.name)

    def close(self) -> None:
        """Close the sinks and drop what they made."""
        for sink in self._sinks:
            sink.close()
        self.sql(f"DROP DATABASE {self.name}")
        self.connection.close()


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    """Each of the two kinds: of the environment, else of the local stack."""
    kind = str(request.param)
    given = os.environ.get(f"CONNECT_TEST_{kind.upper()}")
    return given or str(getattr(request.getfixturevalue("stack"), kind).address)


@pytest.fixture
def target(server: str) -> Iterator[Target]:
    """A database of the test's own."""
    made = Target(server)
    yield made
    made.close()


@pytest.fixture
def make_target() -> Iterator[Callable[[str], Target]]:
    """Targets on servers of the test's own."""
    made: list[Target] = []

    def make(server: str) -> Target:
        made.append(Target(server))
        return made[-1]

    yield make
    for target in made:
        target.close()


@pytest.fixture(scope="module")
def shared_target(server: str) -> Iterator[Target]:
    """A database of the module's own."""
    made = Target(server)
    yield made
    made.close()
