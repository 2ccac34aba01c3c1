"""The connection that the binlog comes over: a thread owns its socket and fills a bounded queue (rules S7, S15)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import pymysql

from connect.errors import ConnectError, Retriable
from connectors.mysql.binlog.dump import dump_command, position_settings, session_settings
from connectors.mysql.binlog.packets import Packets
from connectors.mysql.binlog.refusals import dump_error
from connectors.mysql.connection import account, connect
from connectors.mysql.errors import UNREACHABLE, translate

if TYPE_CHECKING:
    from connectors.mysql.config import MysqlConfig
    from connectors.mysql.position import MysqlPosition

QUEUE_BYTES: Final = 32 * 2**20
_READ_BYTES: Final = 2**18
_PATIENCE: Final = 3  # heartbeats that may stay out (F67)
_LONGEST_PERIOD_MS: Final = 10_000
_SHORTEST_PATIENCE: Final = 10.0
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Bursts:
    """A queue between the socket's thread and the task's loop, bounded in bytes (invariant 7).

    A burst is a list of events in the order of the stream. An event bigger than the bound passes alone.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._bursts: deque[tuple[list[bytes], int]] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, burst: list[bytes], size: int) -> bool:
        """Append a burst of ``size`` bytes once there is room; False when nobody takes it any more."""
        with self._changed:
            while self._bytes >= self._max_bytes and not self._closed:
                self._changed.wait()
            self._bursts.append((burst, size))
            self._bytes += size
            self._changed.notify_all()
            return not self._closed

    def fail(self, error: BaseException) -> None:
        """The stream ended: what was received is still handed out, then ``take`` raises."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout: float) -> list[bytes] | None:
        """The next burst; None when none came within ``timeout`` seconds. Raises what ended the stream."""
        with self._changed:
            if not self._bursts and self._error is None:
                self._changed.wait(timeout)
            if self._bursts:
                burst, size = self._bursts.popleft()
                self._bytes -= size
                self._changed.notify_all()
                return burst
            if self._error is not None:
                raise self._error
            return None


class BinlogStream:
    """Events from a position on. ``take`` gives them as they came: whole, with header and checksum."""

    def __init__(self, config: MysqlConfig, connector: str, kind: str) -> None:
        """Connect; ``kind`` is ``mysql`` or ``mariadb``."""
        self._config = config
        self._connector = connector
        self._kind = kind
        self._period_ms = min(config.heartbeat, _LONGEST_PERIOD_MS)
        self._connection = connect(config, connector)
        self._bursts = Bursts(QUEUE_BYTES)
        self._thread: threading.Thread | None = None

    def start(self, position: MysqlPosition, server_id: int, replica: str) -> None:
        """Ask for the log after the position and hand the socket to the thread.

        Args:
            position: Where to start: its boundary.
            server_id: Ours among the server's replicas.
            replica: Names us there: the server ends an older dump of the same name (F66).
        """
        where = f"{self._connector}: asking for the binlog"
        try:
            for statement in (*session_settings(self._kind, replica, self._period_ms), *position_settings(position)):
                self._connection.query(statement)
            annotated = self._config.include_query and self._kind == "mariadb"
            command, argument = dump_command(position, server_id, annotated=annotated)
            self._connection._execute_command(command, argument)  # type: ignore[arg-type]  # noqa: SLF001 - no other way; stubs know texts only
        except pymysql.Error as error:
            raise translate(error, where, account=account(self._config)) from None
        self._set_up_socket()
        self._thread = threading.Thread(target=self._run, name=f"binlog {self._connector}", daemon=True)
        self._thread.start()

    def _set_up_socket(self) -> None:
        link = self._link
        # The time of one read: silence for longer is a half-open link or a frozen server (F67).
        link.settimeout(max(self._period_ms * _PATIENCE / 1000, _SHORTEST_PATIENCE))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):  # not on every system
                link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @property
    def _link(self) -> socket.socket:
        return self._connection._sock  # noqa: SLF001 - no public way to it

    def take(self, timeout: float) -> list[bytes] | None:
        """The next events in the order of the stream, or None. Raises what ended the stream (rule S7)."""
        return self._bursts.take(timeout)

    def close(self) -> None:
        """End the thread and close the socket. Idempotent."""
        self._bursts.close()
        if self._thread is not None:
            with contextlib.suppress(OSError):  # the other side may have ended it already
                self._link.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self._thread.join()
            self._thread = None
        if self._connection.open:
            self._connection._force_close()  # noqa: SLF001 - a dump hears no goodbye

    # The thread.

    def _run(self) -> None:
        try:
            self._loop()
        except ConnectError as error:
            self._bursts.fail(error)
        except OSError as error:
            self._bursts.fail(self._broken(error))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: its death fails the connector (rule S7)
            self._bursts.fail(error)

    def _loop(self) -> None:
        packets = Packets()
        read = self._link.recv  # nothing came before the first event, so PyMySQL's own reader holds nothing back
        while True:
            data = read(_READ_BYTES)
            if not data:
                raise Retriable(
                    f"{self._connector}: the server ended the stream", code=UNREACHABLE, hint="Was it shut down?"
                )
            events = packets.split(data)
            if events and not self._bursts.put(events, sum(map(len, events))):
                return
            if packets.ended is not None:
                raise dump_error(packets.ended, self._connector)

    def _broken(self, error: OSError) -> Retriable:
        if isinstance(error, TimeoutError):
            message, hint = "no word from the server although it was asked for heartbeats", "The link is half open?"
        else:
            message, hint = f"the link to the server broke: {error.strerror or error}", "Look at the network between."
        return Retriable(f"{self._connector}: {message}", code=UNREACHABLE, hint=hint)
