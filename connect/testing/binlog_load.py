"""What applications and administrators do to a MySQL or MariaDB: many writers on shared keys, flushes, restarts."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

import pymysql

from connect.errors import ConnectError

if TYPE_CHECKING:
    from connect.local.binlog_server import BinlogServer

KEYED: Final = tuple(f"t_{number}" for number in range(4))
KEYLESS: Final = "t_log"
_HOT: Final = 300  # keys that all writers share
_NEW: Final = 1_000_000_000  # keys that a row moves to begin here
_BATCH: Final = 1_000
_STORM_SECONDS: Final = 0.7


def tables(database: str) -> dict[str, tuple[str, ...]]:
    """The tables of ``make_tables``, with their keys."""
    return {f"{database}.{name}": ("id",) for name in KEYED} | {f"{database}.{KEYLESS}": ()}


def make_tables(server: BinlogServer, database: str, rows: int) -> None:
    """Four tables of so many rows each, and one without a key."""
    server.create_database(database)
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {KEYLESS} (n int, note varchar(40))")
        cursor.execute(f"INSERT INTO {KEYLESS} VALUES (0, 'first')")  # noqa: S608 - our own names
        for name in KEYED:
            cursor.execute(
                f"CREATE TABLE {name} (id bigint PRIMARY KEY, n int NOT NULL, note varchar(200), at datetime(6),"
                " price decimal(12,2))"
            )
            for first in range(1, rows + 1, _BATCH):
                values = [
                    (i, 0, "it's " * 3, "2026-01-01 00:00:00.000001", i / 100)
                    for i in range(first, min(first + _BATCH, rows + 1))
                ]
                cursor.executemany(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s)", values)  # noqa: S608 - our own names


class BinlogLoad:
    """Writers, flushes and restarts for some seconds. Every thread is joined by ``finish`` or ``stop``.

    Args:
        server: A server that may be restarted.
        database: With the tables of ``make_tables``.
        seconds: How long.
        clients: Writers.
        restarts: How often the server goes down meanwhile, by turns in order and by ``kill -9``.
        rate: Transactions a second, all writers together; 0 is as many as they can.
        seed: Of what they do.
    """

    def __init__(  # noqa: PLR0913 - a load has that many sides
        self,
        server: BinlogServer,
        database: str,
        *,
        seconds: float,
        clients: int = 8,
        restarts: int = 2,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._server, self._database, self._seconds = server, database, seconds
        self._pause = clients / rate if rate else 0.0
        self._end = 0.0
        self._done = [0] * clients
        self._failed: list[BaseException] = []
        self._stop = threading.Event()
        self._moved = iter(range(_NEW, 2 * _NEW))
        dice = [random.Random(seed + i) for i in range(clients)]  # noqa: S311 - a workload, not a secret
        jobs: list[tuple[str, Any, tuple[Any, ...]]] = [
            *((f"writer {i}", self._write, (i, its)) for i, its in enumerate(dice)),
            ("flushes", self._flush, ()),
            ("restarts", self._restart, (restarts,)),
        ]
        self._threads = [threading.Thread(target=self._guarded, args=job[1:], name=job[0]) for job in jobs]

    def start(self) -> None:
        """Start them all."""
        self._end = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        """Whether anybody still works."""
        return any(thread.is_alive() for thread in self._threads)

    def finish(self) -> str:
        """Wait for the end; what was done, in words.

        Raises:
            ConnectError: A writer met what it should not.
        """
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise ConnectError(f"the load: {self._failed[0]!r}", code="torture_workload")
        return f"{sum(self._done):,} transactions, {sum(self._done) / self._seconds:.0f} a second"

    def stop(self) -> None:
        """End it now."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _guarded(self, work: Any, arguments: tuple[Any, ...]) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: ``finish`` tells it
            self._failed.append(error)

    def _over(self) -> bool:
        return self._stop.is_set() or time.monotonic() > self._end

    def _write(self, number: int, dice: random.Random) -> None:
        while not self._over():
            try:
                with closing(self._server.connect(self._database)) as connection, connection.cursor() as cursor:
                    connection.autocommit(False)
                    while not self._over():
                        self._transaction(cursor, dice)
                        connection.commit()
                        self._done[number] += 1
                        self._stop.wait(self._pause)
            except (pymysql.err.OperationalError, pymysql.err.InternalError, pymysql.err.InterfaceError):
                self._stop.wait(0.1)  # a deadlock, or the server is down: the application tries again

    def _transaction(self, cursor: Any, dice: random.Random) -> None:
        table, key = dice.choice(KEYED), dice.randint(1, _HOT)
        match dice.choices(("update", "upsert", "delete", "key", "many", "rolled back"), (6, 3, 1, 1, 1, 1))[0]:
            case "update":
                cursor.execute(f"UPDATE {table} SET n = n + 1, at = now(6) WHERE id = %s", (key,))  # noqa: S608 - our own names
            case "upsert":
                statement = f"INSERT INTO {table} VALUES (%s, 1, 'new', now(6), 1.5) ON DUPLICATE KEY UPDATE n = n + 1"  # noqa: S608
                cursor.execute(statement, (key,))
            case "delete":
                cursor.execute(f"DELETE FROM {table} WHERE id = %s", (key,))  # noqa: S608
            case "key":
                cursor.execute(f"UPDATE {table} SET id = %s, n = n + 1 WHERE id = %s", (next(self._moved), key))  # noqa: S608
            case "many":
                cursor.execute(f"INSERT INTO {KEYLESS} VALUES (%s, 'many')", (key,))  # noqa: S608
                cursor.execute("UPDATE t_0 SET n = n + 1 WHERE id = %s", (key,))
                cursor.execute("UPDATE t_1 SET n = n + 1 WHERE id BETWEEN %s AND %s", (key, key + 20))
                cursor.execute("SAVEPOINT s")
                cursor.execute("DELETE FROM t_2 WHERE id > 250 AND id <= 300")
                cursor.execute("ROLLBACK TO s")
            case _:
                cursor.execute(f"UPDATE {table} SET n = -1 WHERE id = %s", (key,))  # noqa: S608
                cursor.execute("ROLLBACK")

    def _flush(self) -> None:
        while not self._over():
            with suppress(pymysql.err.OperationalError, pymysql.err.InternalError):
                self._server.execute("FLUSH BINARY LOGS")
            self._stop.wait(_STORM_SECONDS)

    def _restart(self, times: int) -> None:
        for number in range(times):
            due = self._end - self._seconds * (times - number) / (times + 1)
            while time.monotonic() < due and not self._stop.wait(0.1):
                pass
            if self._stop.is_set():
                return
            if number % 2:
                self._server.stop()
            else:
                self._server.kill()
            self._server.start()
