"""The replication socket and the one thread that owns it: bytes in, feedback out (rules S5-S7, S15)."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.pq import ExecStatus

from connect.errors import ConnectError, Failed, Retriable
from connectors.postgres.ackgate import AckGate
from connectors.postgres.connection import connect
from connectors.postgres.errors import UNREACHABLE, translate
from connectors.postgres.libpq import NATIVE, address
from connectors.postgres.position import format_lsn, parse_lsn
from connectors.postgres.slot import create_slot

if NATIVE:
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.postgres.config import PostgresConfig

QUEUE_BYTES: Final = 16 * 2**20
_BURST_BYTES: Final = 2**20
_MAX_FEEDBACK_SECONDS: Final = 10.0
_MISSED: Final = 3  # feedback periods without a word from the server: the link is half open (F18)
_FLUSH_SECONDS: Final = 1.0  # how soon a newly acknowledged position is told
_FEEDBACK: Final = struct.Struct(">cQQQqB")
_KEEPALIVE_END: Final = struct.Struct(">Q").unpack_from
_POSTGRES_EPOCH: Final = 946_684_800
_KEEPALIVE: Final = ord("k")
_DATA: Final = ord("w")


class Identity(NamedTuple):
    """What IDENTIFY_SYSTEM says: the cluster, its branch of history, and the end of its flushed WAL."""

    system_id: str
    timeline: int
    wal_end: int


class Bursts:
    """A queue between the replication thread and the task's loop, bounded in bytes (invariant 7).

    A burst is a list of CopyData payloads in the order of the stream.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._bursts: deque[tuple[Sequence[bytes], int]] = deque()
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def has_room(self) -> bool:
        """Whether another burst may be read from the socket."""
        return self._bytes < self._max_bytes

    def put(self, burst: Sequence[bytes], size: int) -> None:
        """Append a burst of ``size`` bytes."""
        with self._changed:
            self._bursts.append((burst, size))
            self._bytes += size
            self._changed.notify()

    def fail(self, error: BaseException) -> None:
        """The stream ended: what was received is still handed out, then ``take`` raises."""
        with self._changed:
            self._error = error
            self._changed.notify()

    def take(self, timeout: float) -> Sequence[bytes] | None:
        """The next burst; None when none came within ``timeout`` seconds. Raises what ended the stream."""
        with self._changed:
            if not self._bursts and self._error is None:
                self._changed.wait(timeout)
            if self._bursts:
                burst, size = self._bursts.popleft()
                self._bytes -= size
                return burst
            if self._error is not None:
                raise self._error
            return None


class Replication:
    """A walsender connection. ``run`` gives the socket to a thread; before that, the caller uses it."""

    def __init__(self, config: PostgresConfig, connector: str) -> None:
        self._connector = connector
        self._connection = connect(config, connector, replication=True)
        self._bursts = Bursts(QUEUE_BYTES)
        self._gate = AckGate(0, 0)
        self._period = _MAX_FEEDBACK_SECONDS
        self._thread: threading.Thread | None = None
        self._closing = False
        self._more = False  # libpq may hold messages that the queue had no room for: the socket does not tell of them
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._publication_missing = False
        self._connection.add_notice_handler(self._on_notice)

    def identify(self) -> Identity:
        """Which cluster and branch this is. The timeline is right at once after a promotion (F33)."""
        system_id, timeline, wal_end, _ = self._rows("IDENTIFY_SYSTEM")[0]
        return Identity(str(system_id), int(timeline), parse_lsn(str(wal_end)))

    def timeline_history(self, timeline: int) -> str:
        """The history file of a timeline: one line for each branch point before it."""
        content = self._rows(f"TIMELINE_HISTORY {timeline:d}")[0][1]
        return content.decode() if isinstance(content, bytes) else str(content)

    def _rows(self, command: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(command.encode()).fetchall()
        except psycopg.Error as error:
            raise translate(error, f"{self._connector}: {command}") from None

    def create_temporary_slot(
        self,
        watcher: psycopg.Connection[Any],
        slot: str,
        say: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> int:
        """Make a slot that ends with this connection; the LSN where it starts. Before ``start``."""
        return create_slot(self._connection, watcher, slot, say, stopping, temporary=True)

    def start(self, slot: str, publications: Sequence[str], start: int, wal_end: int, *, streaming: bool) -> None:
        """START_REPLICATION from ``start``: the slot is ours, and nothing is confirmed before ``run``.

        Raises:
            Retriable: ``slot_busy`` while another client reads the slot (F19).
            Failed: ``slot_lost``, ``publication_missing`` and the like.
        """
        self._period = self._feedback_period()
        version = self._connection.info.server_version
        self._gate = AckGate(start, max(wal_end, start))
        command = start_command(slot, publications, start, version, streaming=streaming)
        result = self._connection.pgconn.exec_(command.encode())
        if result.status != ExecStatus.COPY_BOTH:
            error = psycopg.errors.error_from_result(result)
            raise translate(error, f"{self._connector}: START_REPLICATION of slot {slot}", stream=True) from None
        self._connection.pgconn.nonblocking = 1

    def run(self) -> None:
        """Hand the socket of the started stream to the thread."""
        self._thread = threading.Thread(target=self._run, name=f"replication {self._connector}", daemon=True)
        self._thread.start()

    def _feedback_period(self) -> float:
        text = str(self._rows("SHOW wal_sender_timeout")[0][0])
        timeout = _seconds(text)
        return min(_MAX_FEEDBACK_SECONDS, timeout / 2) if timeout else _MAX_FEEDBACK_SECONDS

    def take(self, timeout: float) -> Sequence[bytes] | None:
        """The next payloads in the order of the stream, or None. Raises what ended the stream (rule S7)."""
        full = not self._bursts.has_room()
        burst = self._bursts.take(timeout)
        if full:
            self._wake()
        return burst

    def acknowledge(self, lsn: int) -> None:
        """``lsn`` is durable in Kafka; the server hears of it within a second."""
        self._gate.acknowledge(lsn)

    @property
    def gate(self) -> AckGate:
        """The state of acknowledgements, for ``lag``."""
        return self._gate

    def close(self) -> None:
        """End the thread, tell the server the last acknowledged position, close the socket. Idempotent."""
        self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        self._connection.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"x")
        except OSError:
            return  # full of wake-ups already, or closed

    def _on_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        # F20: from version 18 the server only warns and skips the rows of a publication that did not exist yet.
        if diagnostic.sqlstate == "55000" and diagnostic.severity_nonlocalized == "WARNING":
            self._publication_missing = True

    # The thread.

    def _run(self) -> None:
        try:
            self._loop()
        except ConnectError as error:
            self._bursts.fail(error)
        except psycopg.Error as error:
            self._bursts.fail(translate(error, f"{self._connector}: replication stream", stream=True))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: its death fails the connector (rule S7)
            self._bursts.fail(error)

    def _loop(self) -> None:
        told, told_at = -1, 0.0
        heard_at = time.monotonic()
        self._drain()  # what came together with the answer to START_REPLICATION lies in libpq, not in the socket
        while not self._closing:
            now = time.monotonic()
            flush = self._gate.flush_lsn()
            if now - told_at >= self._period or (flush != told and now - told_at >= _FLUSH_SECONDS):
                self._feedback(flush)
                told, told_at = flush, now
            reading = self._bursts.has_room()
            if not self._wait(reading, told_at + (_FLUSH_SECONDS if flush != told else self._period) - now):
                heard_at = now if not reading else heard_at
                self._check_silence(heard_at)
                continue
            heard_at = time.monotonic()
            self._drain()
        self._feedback(self._gate.flush_lsn())

    def _check_silence(self, heard_at: float) -> None:
        silence = time.monotonic() - heard_at
        if silence > self._period * _MISSED:
            raise Retriable(
                f"{self._connector}: no word from the server for {silence:.0f} s although it was asked",
                code=UNREACHABLE,
                hint="The link is half open, or the server is frozen.",
            )

    def _wait(self, reading: bool, seconds: float) -> bool:  # noqa: FBT001 - one private call
        """Wait for bytes, a wake-up or the time; True when the server's bytes are there to be read."""
        poller = select.poll()
        poller.register(self._wake_reader, select.POLLIN)
        if reading:
            poller.register(self._connection.pgconn.socket, select.POLLIN)
        held = reading and self._more
        # A flush that becomes possible meanwhile must not wait for the whole period.
        ready = [fd for fd, _ in poller.poll(0 if held else min(max(seconds, 0.0), _FLUSH_SECONDS) * 1000)]
        if self._wake_reader.fileno() in ready:
            self._wake_reader.recv(4096)
        return held or (reading and self._connection.pgconn.socket in ready)

    def _drain(self) -> None:
        """Read what the socket holds into bursts, while the queue has room."""
        length = self._drain_bursts() if NATIVE else self._drain_payloads()
        self._more = length > 0
        if self._publication_missing:
            raise _publication_missing(self._connector)
        if length < 0:
            self._ended()

    def _drain_bursts(self) -> int:
        """The compiled twin of ``_drain_payloads``: no object for each payload, and the task's loop runs meanwhile."""
        connection = address(self._connection.pgconn, self._connector)
        while True:
            burst = stream_c.Burst()
            length, unknown = burst.receive(connection, _BURST_BYTES)
            if unknown:
                raise Failed("unknown_event", f"{self._connector}: a replication message {bytes((unknown,))!r}")
            if len(burst):
                self._gate.seen(burst.seen)
                if burst.asked:
                    self._feedback(self._gate.flush_lsn(), ask=False)
                self._bursts.put(burst, burst.size)
            if length <= 0 or not self._bursts.has_room():
                return length

    def _drain_payloads(self) -> int:
        pgconn = self._connection.pgconn
        pgconn.consume_input()
        burst: list[bytes] = []
        size = 0
        while True:
            length: int
            length, data = pgconn.get_copy_data(1)
            if length <= 0:
                break
            payload = bytes(data)
            if payload[0] == _KEEPALIVE:
                self._keepalive(payload)
            elif payload[0] == _DATA:
                self._gate.seen(_KEEPALIVE_END(payload, 9)[0])
            else:
                raise Failed("unknown_event", f"{self._connector}: a replication message {payload[:1]!r}")
            burst.append(payload)
            size += length
            if size >= _BURST_BYTES:
                self._bursts.put(burst, size)
                burst, size = [], 0
        if burst:
            self._bursts.put(burst, size)
        return length

    def _keepalive(self, payload: bytes) -> None:
        self._gate.seen(_KEEPALIVE_END(payload, 1)[0])
        if payload[17]:
            self._feedback(self._gate.flush_lsn(), ask=False)

    def _ended(self) -> None:
        result = self._connection.pgconn.get_result()
        if result is not None and result.error_message:
            raise psycopg.errors.error_from_result(result)
        raise Retriable(f"{self._connector}: the server ended the stream", code=UNREACHABLE, hint="Was it shut down?")

    def _feedback(self, flush: int, *, ask: bool = True) -> None:
        """A standby status update. ``ask`` makes the server answer at once, so that silence means something."""
        now = round((time.time() - _POSTGRES_EPOCH) * 1_000_000)
        pgconn = self._connection.pgconn
        pgconn.put_copy_data(_FEEDBACK.pack(b"r", flush, flush, flush, now, ask))
        pgconn.flush()


def start_command(slot: str, publications: Sequence[str], start: int, server_version: int, *, streaming: bool) -> str:
    """START_REPLICATION with the highest protocol version whose messages we handle."""
    version = 4 if server_version >= 160_000 else 3 if server_version >= 150_000 else 2
    options = []
    if server_version >= 140_000:
        options = [f"proto_version '{version}'", "messages 'true'"]
        if streaming:
            options.append("streaming 'on'")
    else:
        options = ["proto_version '1'"]
    if server_version >= 160_000:
        options.append("origin 'any'")
    options.append(f"publication_names {quote_names(publications)}")
    return f'START_REPLICATION SLOT "{slot}" LOGICAL {format_lsn(start)} ({", ".join(options)})'


def quote_names(names: Sequence[str]) -> str:
    """Identifiers as a list inside a literal; replication commands have no parameters (F169)."""
    listed = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    return "'" + listed.replace("'", "''") + "'"


def _seconds(setting: str) -> float:
    """``1min``, ``3s``, ``1500ms``, ``0`` as SHOW prints them → seconds."""
    units = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    number = setting.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(number) * units.get(setting[len(number) :], 0.001)


def _publication_missing(connector: str) -> Failed:
    return Failed(
        "publication_missing",
        f"{connector}: the publication did not exist at this point of the log, so the server leaves changes out",
        hint="The slot cannot pass that point whole (F20): `connect remove SOURCE FILE` and start anew.",
    )
