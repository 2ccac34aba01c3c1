"""XA transactions that are prepared and neither committed nor rolled back: their rows wait here (rule S8, F71)."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import pymysql

from connect.errors import Failed
from connectors.mysql.binlog.events import Xid
from connectors.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.mysql.binlog.cursor import Header
    from connectors.mysql.connection import Connection
    from connectors.mysql.gtid import AnyGtid
    from connectors.mysql.position import LogPosition
    from connectors.mysql.row_image import LogTable
    from connectors.mysql.server import Server

MEMORY: Final = 16 * 2**20  # bytes of events held in memory, of all transactions; what comes on top goes into files


class HeldEvent(NamedTuple):
    """A rows event; ``body`` is where it lies in the transaction's file once that was begun."""

    header: Header
    table: LogTable
    body: bytes | tuple[int, int]


class Held:
    """The rows of one transaction.

    Attributes:
        begin: Where it begins in the log.
        gtid: Of its PREPARE.
        memory: Bytes of events in memory.
    """

    def __init__(self, begin: LogPosition, gtid: AnyGtid | None, path: Path) -> None:
        """``path`` is where its file will be, if it needs one."""
        self.begin = begin
        self.gtid = gtid
        self.memory = 0
        self._events: list[HeldEvent] = []
        self._path = path
        self._file: IO[bytes] | None = None

    def keep(self, header: Header, table: LogTable, body: bytes) -> None:
        """A rows event, in memory."""
        self._events.append(HeldEvent(header, table, body))
        self.memory += len(body)

    def write(self, header: Header, table: LogTable, body: bytes) -> None:
        """A rows event, in the file. Raises OSError."""
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._path.open("w+b")
        at = self._file.seek(0, io.SEEK_END)
        self._file.write(body)
        self._events.append(HeldEvent(header, table, (at, len(body))))

    def events(self) -> Iterator[tuple[Header, LogTable, bytes]]:
        """What was held, in order."""
        for header, table, body in self._events:
            if isinstance(body, bytes):
                yield header, table, body
            elif self._file is not None:
                self._file.seek(body[0])
                yield header, table, self._file.read(body[1])

    def close(self) -> None:
        """Forget it. Idempotent."""
        self._events = []
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)


class Prepared:
    """All of them, by XA id. What is held is read from the log again after a restart.

    Attributes:
        before: Those that end before this place in the log may have been prepared before the first start: every
            snapshot sees them.
    """

    def __init__(self, folder: Path, before: LogPosition | None = None, memory: int = MEMORY) -> None:
        """``folder`` is this task's own, for transactions that do not fit ``memory`` bytes."""
        self.before = before
        self._folder = folder
        self._memory = memory
        self._used = 0
        self._files = 0
        self._held: dict[Xid, Held] = {}
        self._open: list[Held] = []
        self._ending: list[Held] = []

    @property
    def begins(self) -> tuple[LogPosition, ...]:
        """Where they begin, oldest first; those too that are being delivered."""
        needed = (*self._held.values(), *self._ending)
        return tuple(sorted((held.begin for held in needed), key=lambda begin: begin.order))

    def begin(self, begin: LogPosition, gtid: AnyGtid | None) -> Held:
        """A transaction whose rows follow."""
        self._files += 1
        held = Held(begin, gtid, self._folder / f"xa-{self._files}")
        self._open.append(held)
        return held

    def add(self, held: Held, header: Header, table: LogTable, body: bytes) -> None:
        """One of its rows events.

        Raises:
            Failed: ``spool_unusable``: the folder cannot be written.
        """
        if self._used + len(body) <= self._memory:
            held.keep(header, table, body)
            self._used += len(body)
            return
        try:
            held.write(header, table, body)
        except OSError as error:
            message = f"the folder for prepared XA transactions cannot be written: {error.strerror or error}"
            raise Failed("spool_unusable", message, hint="Make room there, or writable for this user.") from None

    def hold(self, xid: Xid, held: Held) -> None:
        """Its PREPARE is in the log: it waits for its end."""
        self._open.remove(held)
        self._held[xid] = held

    def release(self, xid: Xid) -> Held | None:
        """It ended; None where its rows are not known. ``drop`` it when they are no longer needed."""
        held = self._held.pop(xid, None)
        if held is not None:
            self._ending.append(held)
        return held

    def drop(self, held: Held) -> None:
        """Its rows are not needed any more."""
        for others in (self._open, self._ending):
            if held in others:
                others.remove(held)
        self._used -= held.memory
        held.memory = 0
        held.close()

    def close(self) -> None:
        """Forget all of them. Idempotent."""
        for held in (*self._held.values(), *self._open, *self._ending):
            held.close()
        self._held.clear()
        self._open.clear()
        self._ending.clear()


_MAY_NOT_ASK: Final = frozenset({1227, 1401})


def recoverable(connection: Connection, server: Server) -> frozenset[Xid]:
    """The transactions that are prepared now; none where we may not ask (MySQL: XA_RECOVER_ADMIN)."""
    try:
        found = rows(connection, "XA RECOVER" if server.is_mariadb else "XA RECOVER CONVERT XID")
    except pymysql.Error as error:
        if error.args[0] in _MAY_NOT_ASK:
            return frozenset()
        raise
    return frozenset(_xid(*row) for row in found)


def _xid(form: int, gtrid: int, _bqual: int, data: bytes | str) -> Xid:
    both = data if isinstance(data, bytes) else bytes.fromhex(data.removeprefix("0x"))
    return Xid(form & 0xFFFFFFFF, both[:gtrid], both[gtrid:])
