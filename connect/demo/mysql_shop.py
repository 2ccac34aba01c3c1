"""The shop in MySQL or MariaDB, and the warehouse in a database of the same server."""

from __future__ import annotations

import json
from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit
from uuid import UUID

import pymysql
from pymysql.cursors import SSCursor

from connect.demo.origin import TABLES, full_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connect.demo.origin import Connection, Cursor
    from connect.demo.verdict import Row
    from connect.local.mysql_client import MysqlClient

_WAREHOUSE: Final = "warehouse"


class MysqlShop:
    """See ``Origin``. ``server`` has no database ``shop``, ``billing``, ``ledger`` or ``warehouse`` yet."""

    home: ClassVar[str] = "shop"
    config: ClassVar[str] = "demo-mysql.yaml"
    error: ClassVar[type[Exception]] = pymysql.Error

    def __init__(self, server: MysqlClient, title: str) -> None:
        self.title = title
        self._server = server

    @staticmethod
    def is_deadlock(error: Exception) -> bool:
        """See ``Origin.is_deadlock``."""
        return error.args[:1] in {(1020,), (1213,)}  # the former is MariaDB's, of a row that changed meanwhile

    @property
    def environment(self) -> Mapping[str, str]:
        """See ``Origin.environment``."""
        return {"DEMO_MYSQL_SHOP": self._server.url(self.home), "DEMO_MYSQL_WAREHOUSE": self._server.url(_WAREHOUSE)}

    @property
    def consoles(self) -> Mapping[str, str]:
        """See ``Origin.consoles``."""
        at = urlsplit(self._server.address)
        client = f"mysql --host={at.hostname} --port={at.port} --user={at.username}"
        return {"the shop": f"{client} {self.home}", "the warehouse": f"{client} {_WAREHOUSE}"}

    def fill(self) -> None:
        """See ``Origin.fill``."""
        with closing(self._server.connect()) as connection, connection.cursor() as cursor:
            for name in ("mysql_tables.sql", "mysql_rows.sql"):
                script = resources.files("connect.demo").joinpath(name).read_text(encoding="utf-8")
                for statement in script.strip().split(";\n"):
                    cursor.execute(statement)
            for table in TABLES:  # without it nobody knows how many rows there are
                cursor.execute(f"ANALYZE TABLE {full_name(self, table)}")

    def connect(self) -> Connection:
        """See ``Origin.connect``."""
        connection = self._server.connect(self.home)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.autocommit(False)
        return connection

    def insert(self, cursor: Cursor, statement: str, values: Sequence[Any]) -> int:
        """See ``Origin.insert``."""
        cursor.execute(statement, values)
        cursor.execute("SELECT last_insert_id()")
        return int(cursor.fetchone()[0])

    def native(self, value: Any) -> Any:
        """See ``Origin.native``: a UUID is a binary(16), tags are a SET."""
        if isinstance(value, UUID):
            return value.bytes
        return ",".join(value) if isinstance(value, list) else value

    def end(self) -> tuple[str, int]:
        """See ``Origin.end``: a file and a place in it."""
        [(version,)] = self._server.execute("SELECT version()")
        status = "SHOW MASTER STATUS" if "MariaDB" in version else "SHOW BINARY LOG STATUS"
        [(file, place, *_)] = self._server.execute(status)
        return file, int(place)

    def passed(self, position: Mapping[str, Any], end: tuple[str, int]) -> bool:
        """See ``Origin.passed``."""
        return (position.get("file") or "", position.get("pos") or 0) >= end

    def source_rows(self, table: str) -> Iterator[Row]:
        """See ``Origin.source_rows``."""
        return self._rows(table, self._columns(table))

    def target_rows(self, table: str) -> Iterator[Row]:
        """See ``Origin.target_rows``."""
        return self._rows(f"{_WAREHOUSE}.{table.split('.')[1]}", self._columns(table))

    def _columns(self, table: str) -> dict[str, str]:
        """The source's names in table order, with their types."""
        query = (
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
        )
        return dict(self._server.execute(query, *table.split(".")))

    def _rows(self, table: str, columns: Mapping[str, str]) -> Iterator[Row]:
        names = ", ".join(f"`{name}`" for name in columns)
        with closing(self._server.connect()) as connection, connection.cursor(SSCursor) as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(f"SELECT {names} FROM {table}")  # noqa: S608 - names of our own
            for row in cursor:
                yield tuple(_text(value, type_) for value, type_ in zip(row, columns.values(), strict=True))


def _text(value: Any, type_: str) -> str | None:
    """The source's types and the warehouse's print alike, but for bytes, and the blanks in a JSON document."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(json.loads(value), sort_keys=True) if type_ == "json" else str(value)
