"""The shop in Postgres, and the warehouse in a database beside it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connect.demo.origin import Connection, Cursor
    from connect.demo.verdict import Row
    from connect.local.postgres import Postgres


class PostgresShop:
    """See ``Origin``."""

    title: ClassVar[str] = "Postgres"
    home: ClassVar[str] = "public"
    config: ClassVar[str] = "demo.yaml"
    error: ClassVar[type[Exception]] = psycopg.Error

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._shop = self._warehouse = ""

    @staticmethod
    def is_deadlock(error: Exception) -> bool:
        """See ``Origin.is_deadlock``."""
        return isinstance(error, psycopg.errors.DeadlockDetected)

    @property
    def environment(self) -> Mapping[str, str]:
        """See ``Origin.environment``."""
        return {"DEMO_SHOP": self._shop, "DEMO_WAREHOUSE": self._warehouse}

    @property
    def consoles(self) -> Mapping[str, str]:
        """See ``Origin.consoles``."""
        return {"the shop": f"psql {self._shop}", "the warehouse": f"psql {self._warehouse}"}

    def fill(self) -> None:
        """See ``Origin.fill``."""
        self._shop = self._server.create_database("shop")
        self._warehouse = self._server.create_database("warehouse")
        with psycopg.connect(self._shop) as connection:
            for name in ("postgres_tables.sql", "postgres_rows.sql"):
                connection.execute(resources.files("connect.demo").joinpath(name).read_bytes())
        with psycopg.connect(self._shop, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def connect(self) -> Connection:
        """See ``Origin.connect``."""
        return psycopg.connect(self._shop, application_name="monolith")

    def insert(self, cursor: Cursor, statement: str, values: Sequence[Any]) -> int:
        """See ``Origin.insert``."""
        cursor.execute(f"{statement} RETURNING id", values)
        return int(cursor.fetchone()[0])

    def native(self, value: Any) -> Any:
        """See ``Origin.native``."""
        return value

    def end(self) -> int:
        """See ``Origin.end``: an LSN as a number."""
        with psycopg.connect(self._shop, autocommit=True) as connection:
            [(end,)] = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchall()
        return int(end)

    def passed(self, position: Mapping[str, Any], end: int) -> bool:
        """See ``Origin.passed``."""
        return (position.get("lsn") or 0) >= end

    def source_rows(self, table: str) -> Iterator[Row]:
        """See ``Origin.source_rows``."""
        return _rows(self._shop, sql.Identifier(*table.split(".")), self._columns(table))

    def target_rows(self, table: str) -> Iterator[Row]:
        """See ``Origin.target_rows``."""
        return _rows(self._warehouse, sql.Identifier(table.split(".")[1]), self._columns(table))

    def _columns(self, table: str) -> list[tuple[str, bool]]:
        """Names in table order, and whether the column is a numeric of any scale."""
        query = (
            "SELECT column_name, data_type = 'numeric' AND numeric_scale IS NULL FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
        )
        with psycopg.connect(self._shop) as connection:
            return list(connection.execute(query, table.split(".")))


def _rows(url: str, table: sql.Composable, columns: Sequence[tuple[str, bool]]) -> Iterator[Row]:
    fields = sql.SQL(", ").join(_text(sql.Identifier(name), any_scale=any_scale) for name, any_scale in columns)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        yield from cursor.execute(sql.SQL("SELECT {} FROM {}").format(fields, table))


def _text(column: sql.Identifier, *, any_scale: bool) -> sql.Composable:
    """As the server prints the value, which a cast to text does not for every type; 1.50 and 1.5 are one number."""
    value = sql.SQL("trim_scale({})").format(column) if any_scale else column
    return sql.SQL("CASE WHEN {} IS NOT NULL THEN format('%s', {}) END").format(column, value)
