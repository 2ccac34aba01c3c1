"""The sink contract, kept by ``sql`` on SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from connect.testing.sink_contract import SinkContract
from connectors.sql import PLUGIN

if TYPE_CHECKING:
    from pathlib import Path

    from connect.schema.model import TableId


class Driver:
    plugin = PLUGIN

    def __init__(self, folder: Path) -> None:
        self._file = folder / "target.db"
        self.options = {"url": f"sqlite:///{self._file}"}
        self.unreachable = {"url": f"sqlite:///{folder}/no/such/folder/target.db"}

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        with contextlib.closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table.name]).fetchall():
                return []
            return [dict(row) for row in connection.execute(f'SELECT * FROM "{table.name}"')]


class TestSqlite(SinkContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return Driver(tmp_path)
