"""The source contract, kept by ``mysql`` on a MySQL and on a MariaDB."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from connect.schema.model import TableId
from connect.testing.source_contract import SourceContract
from connectors.mysql import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymysql.connections import Connection

    from connect.local.mysql_client import MysqlClient

pytestmark = pytest.mark.stack


class Writer:
    def __init__(self, connection: Connection[Any]) -> None:
        self._cursor = connection.cursor()

    def insert(self, *rows: tuple[int, str | None]) -> None:
        self._cursor.executemany("INSERT INTO `rows` (id, name) VALUES (%s, %s)", rows)

    def update(self, key: int, name: str | None) -> None:
        self._cursor.execute("UPDATE `rows` SET name = %s WHERE id = %s", (name, key))

    def delete(self, key: int) -> None:
        self._cursor.execute("DELETE FROM `rows` WHERE id = %s", (key,))

    def truncate(self) -> None:
        self._cursor.execute("TRUNCATE `rows`")


class Driver:
    plugin = PLUGIN
    rows_to_split = 12_000

    def __init__(self, server: MysqlClient, database: str) -> None:
        self._server = server
        self._database = database
        self.table = TableId(database, "rows")
        self.options = {"url": server.create_database(database), "heartbeat": "200ms"}
        self.unreachable = {"url": "mysql://nobody@127.0.0.1:1/nowhere"}
        server.execute("CREATE TABLE `rows` (id int PRIMARY KEY, name text CHARACTER SET utf8mb4)", database=database)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Writer]:
        with contextlib.closing(self._server.connect(self._database)) as connection:
            connection.begin()
            yield Writer(connection)
            connection.commit()

    def left_on_server(self) -> list[str]:
        return []  # a binlog reader makes nothing


@pytest.fixture(params=["mysql", "mariadb"])
def driver(request: pytest.FixtureRequest, stack: Any) -> Iterator[Driver]:
    server, name = getattr(stack, request.param), f"b_{uuid.uuid4().hex[:10]}"
    yield Driver(server, name)
    server.execute(f"DROP DATABASE {name}")


class TestMysql(SourceContract):
    @pytest.fixture
    def driver(self, driver: Driver) -> Driver:
        return driver
