"""The sink contract, kept by ``sql`` on Postgres."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from connect.testing.sink_contract import SinkContract
from connectors.sql import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.schema.model import TableId


class Driver:
    plugin = PLUGIN

    def __init__(self, url: str) -> None:
        self._schema = f"m_{uuid.uuid4().hex[:10]}"
        self.options = {"url": url, "schema": self._schema}
        self.unreachable = {"url": "postgresql://nobody@127.0.0.1:1/nowhere"}
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._connection.execute(f"CREATE SCHEMA {self._schema}")

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        try:
            return self._connection.execute(f'SELECT * FROM {self._schema}."{table.name}"').fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def close(self) -> None:
        self._connection.execute(f"DROP SCHEMA {self._schema} CASCADE")
        self._connection.close()


class TestSqlOnPostgres(SinkContract):
    @pytest.fixture
    def driver(self, postgres: str) -> Iterator[Driver]:
        driver = Driver(postgres)
        yield driver
        driver.close()
