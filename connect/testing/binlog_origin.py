"""A MySQL or MariaDB database under test; its log as mysql-replication decodes it, which shares no code with ours."""

from __future__ import annotations

import uuid
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from pymysql.cursors import DictCursor

from connect.demo.verdict import READ, Change, Row
from connect.testing.oracle import TableLog, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from connect.local.mysql_client import MysqlClient

_ORACLE_ID = 4_294_900_000  # a server id beside those of stacks, which are port numbers


class Place(NamedTuple):
    """A place in the binlogs of one server."""

    file: str
    pos: int


class BinlogOrigin:
    """Tables of one server.

    Args:
        server: The server, with an account that may do everything.
        keys: ``database.table`` → its key columns; () for a table without a key.
        mariadb: Its kind.
    """

    def __init__(self, server: MysqlClient, keys: Mapping[str, tuple[str, ...]], *, mariadb: bool = False) -> None:
        self.server, self.keys, self._mariadb = server, dict(keys), mariadb
        self._start: dict[str, TableLog] = {}
        self._from = Place("", 4)

    def config(self) -> dict[str, Any]:
        """See ``Origin.config``."""
        return {"plugin": "mysql", "url": self.server.address, "heartbeat": "500ms"}

    def begin(self) -> None:
        """See ``Origin.begin``."""
        self._from = self.end()
        for table, key in self.keys.items():
            log = self._start[table] = TableLog()
            names = self.columns(table)
            for row in self.rows(table):
                if key:
                    log.histories[tuple(row[names.index(name)] for name in key)].append(Change(READ, row))
                else:
                    log.events[row] += 1

    def end(self) -> Place:
        """See ``Origin.end``."""
        with closing(self.server.connect()) as connection, connection.cursor(DictCursor) as cursor:
            cursor.execute("SHOW MASTER STATUS" if self._mariadb else "SHOW BINARY LOG STATUS")
            [status] = cursor.fetchall()
        return Place(status["File"], int(status["Position"]))

    def place(self, position: Mapping[str, Any]) -> Place:
        """See ``Origin.place``: the end of what was committed before it, where it lies inside a transaction."""
        return Place(position.get("file") or "", int(position.get("pos") or 0))

    def logs(self) -> dict[str, TableLog]:
        """See ``Origin.logs``."""
        logs = self._start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # mysql-replication's words to PyMySQL
            for table, kind, values in self._events():
                key, log = self.keys[table], logs[table]
                take = _keyed if key else _keyless
                take(log, key, kind, values)
        return logs

    def _events(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        # Only here: a library of the tests alone.
        from pymysqlreplication import BinLogStreamReader  # noqa: PLC0415
        from pymysqlreplication.row_event import (  # noqa: PLC0415
            DeleteRowsEvent,
            UpdateRowsEvent,
            WriteRowsEvent,
        )

        kinds = {WriteRowsEvent: "c", UpdateRowsEvent: "u", DeleteRowsEvent: "d"}
        last = f"end_{uuid.uuid4().hex}"  # what is in the log after all that counts
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {last}")
            cursor.execute(f"CREATE TABLE {last}.t (id int PRIMARY KEY)")
            cursor.execute(f"INSERT INTO {last}.t VALUES (1)")  # noqa: S608 - our own name
            cursor.execute(f"DROP DATABASE {last}")
            settings = {"host": connection.host, "port": connection.port, "user": "root", "password": ""}
        stream = BinLogStreamReader(
            connection_settings=settings,
            server_id=_ORACLE_ID,
            log_file=self._from.file,
            log_pos=self._from.pos,
            resume_stream=True,
            blocking=True,
            only_events=list(kinds),
        )
        try:
            for event in stream:
                if event.schema == last:
                    return
                table = f"{event.schema}.{event.table}"
                if table in self.keys:
                    for row in event.rows:
                        yield table, kinds[type(event)], row
        finally:
            stream.close()

    def columns(self, table: str) -> list[str]:
        """See ``Origin.columns``."""
        query = (
            "SELECT column_name AS c FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY ordinal_position"
        )
        return [name for (name,) in self._query(query, table.split("."))]

    def rows(self, table: str) -> Iterable[Row]:
        """See ``Origin.rows``."""
        database, name = table.split(".")
        return [tuple(canonical(value) for value in row) for row in self._query(f"SELECT * FROM `{database}`.`{name}`")]  # noqa: S608 - a test's own names

    def _query(self, query: str, values: Iterable[str] = ()) -> list[tuple[Any, ...]]:
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(query, tuple(values))
            return list(cursor.fetchall())

    def close(self) -> None:
        """Nothing is kept for us."""


def _keyed(log: TableLog, key: tuple[str, ...], kind: str, row: dict[str, Any]) -> None:
    old = row.get("before_values") or row.get("values") or {}
    new = row.get("after_values") or row.get("values") or {}
    old_key, new_key = (tuple(canonical(side[name]) for name in key) for side in (old, new))
    if kind == "u" and old_key != new_key:  # DESIGN §6: a key change is the old key's end and the new one's beginning
        log.histories[old_key].append(Change("d", None))
        kind = "c"
    log.histories[new_key].append(Change(kind, None if kind == "d" else _row(new)))


def _keyless(log: TableLog, _key: tuple[str, ...], kind: str, row: dict[str, Any]) -> None:
    if kind == "c":
        log.events[_row(row["values"])] += 1


def _row(values: Mapping[str, Any]) -> Row:
    return tuple(canonical(value) for value in values.values())
