"""The sink contract, kept by ``sql`` on MySQL and on MariaDB."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pymysql
import pytest
from pymysql.cursors import DictCursor

from connect.testing.sink_contract import SinkContract
from connectors.sql import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.schema.model import TableId


class Driver:
    plugin = PLUGIN

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._database = f"k_{uuid.uuid4().hex[:10]}"
        self.options = {"url": server._replace(path=f"/{self._database}").geturl()}
        self.unreachable = {"url": "mysql://nobody@127.0.0.1:1/nowhere"}
        self._connection = pymysql.connect(
            host=server.hostname,
            port=server.port or 3306,
            user=server.username,
            password=server.password or "",
            autocommit=True,
            cursorclass=DictCursor,
        )
        self._run(f"CREATE DATABASE {self._database}")

    def _run(self, sql: str) -> list[dict[str, Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        if not self._run(f"SHOW TABLES FROM {self._database} LIKE '{table.name}'"):
            return []
        return self._run(f"SELECT * FROM {self._database}.`{table.name}`")

    def close(self) -> None:
        self._run(f"DROP DATABASE {self._database}")
        self._connection.close()


class TestSqlOnMysql(SinkContract):
    @pytest.fixture
    def driver(self, mysql: str) -> Iterator[Driver]:
        driver = Driver(mysql)
        yield driver
        driver.close()


class TestSqlOnMariadb(SinkContract):
    @pytest.fixture
    def driver(self, mariadb: str) -> Iterator[Driver]:
        driver = Driver(mariadb)
        yield driver
        driver.close()
