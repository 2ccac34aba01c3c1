"""A source database under test: how a file names it, its log by another decoder than ours, its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from connect.testing.oracle import LogOracle, columns, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connect.demo.verdict import Row
    from connect.testing.oracle import TableLog


class Origin(Protocol):
    """What a ``Chain`` needs of the database that it captures. Places in the log compare by their order."""

    @property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """Table → its key columns; () for a table without a key."""
        ...

    def config(self) -> dict[str, Any]:
        """The keys of its source in the worker's file, but for topics and tables."""
        ...

    def begin(self) -> None:
        """Keep the log from here on, and note the rows that are there; nobody may write meanwhile."""
        ...

    def end(self) -> Any:
        """The end of the log."""
        ...

    def place(self, position: Mapping[str, Any]) -> Any:
        """Where a stored position lies in the log."""
        ...

    def logs(self) -> dict[str, TableLog]:
        """Everything since ``begin``, by table; once, at the end, when nobody writes."""
        ...

    def columns(self, table: str) -> list[str]:
        """A table's columns, in order."""
        ...

    def rows(self, table: str) -> Iterable[Row]:
        """A table's rows, as texts."""
        ...

    def close(self) -> None:
        """Let the server forget."""
        ...


class PostgresOrigin:
    """A Postgres database; ``slot`` is the connector's, a second one beside it keeps the log for us."""

    def __init__(self, url: str, slot: str, keys: Mapping[str, tuple[str, ...]]) -> None:
        self.url, self.slot, self.keys = url, slot, dict(keys)
        self._oracle = LogOracle(url, f"{slot}_oracle", self.keys)

    def config(self) -> dict[str, Any]:
        """See ``Origin.config``."""
        return {"plugin": "postgres", "url": self.url, "slot": self.slot, "heartbeat": "500ms"}

    def begin(self) -> None:
        """See ``Origin.begin``."""
        self._oracle.begin()

    def end(self) -> int:
        """See ``Origin.end``: an LSN as a number."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            [(end,)] = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()
        return int(end)

    def place(self, position: Mapping[str, Any]) -> int:
        """See ``Origin.place``."""
        return int(position.get("lsn_commit") or 0)

    def logs(self) -> dict[str, TableLog]:
        """See ``Origin.logs``."""
        return self._oracle.read()

    def columns(self, table: str) -> list[str]:
        """See ``Origin.columns``."""
        with psycopg.connect(self.url) as connection:
            return columns(connection, table)

    def rows(self, table: str) -> Iterable[Row]:
        """See ``Origin.rows``."""
        with psycopg.connect(self.url) as connection:
            return list(rows(connection, table))

    def close(self) -> None:
        """Drop both slots, or they hold the log for ever."""
        slots = [self.slot, f"{self.slot}_oracle"]
        with psycopg.connect(self.url, autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = ANY(%s)"
            connection.execute(query, (slots,))
            drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ANY(%s)"
            connection.execute(drop, (slots,))
