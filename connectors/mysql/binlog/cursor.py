"""Where in the log an event stands, and whether its bytes are whole: headers, rotations, checksums (F69)."""

from __future__ import annotations

from typing import Final, NamedTuple
from zlib import crc32

from connect.errors import Failed, Retriable
from connectors.mysql.binlog import events as log
from connectors.mysql.binlog.events import Kind

_HEADER: Final = log.HEADER.unpack_from
_BODY: Final = log.HEADER_SIZE
_CHECKSUM: Final = -log.CHECKSUM_SIZE
_FORMAT: Final = int(Kind.FORMAT_DESCRIPTION)  # comparing plain numbers is faster
_ROTATE: Final = int(Kind.ROTATE)
_ARTIFICIAL: Final = log.ARTIFICIAL
_IGNORABLE: Final = log.IGNORABLE
_LOW: Final = 0xFFFFFFFF
_BEGIN: Final = 4  # the first event of a file
_AGAIN: Final = "Damaged on its way, it is whole when it is read once more; damaged on the server's disk, it stays so."


class Header(NamedTuple):
    """What is needed of an event's header. ``begin`` and ``end`` are its place in the file, 0 where it has none."""

    kind: int
    timestamp: int
    server_id: int
    begin: int
    end: int
    ignorable: bool


class LogCursor:
    """Follows the log from event to event.

    Attributes:
        file: The file that the events come from; "" before the server named it.
        pos: Where the last event ended. Headers hold 32 bits of it, a file with a huge transaction may have more.
        checksum: Whether events carry one.
    """

    def __init__(self, connector: str) -> None:
        self.file = ""
        self.pos = _BEGIN
        self._connector = connector
        self.checksum = True  # we told the server that we know it, so its first words carry one

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self._connector}: binlog {self.file}:{self.pos}"

    def read(self, event: bytes) -> tuple[Header, bytes]:
        """The header and body of an event, its place followed.

        Raises:
            Retriable: ``checksum``: the bytes were damaged.
            Failed: ``unknown_event``, ``protocol``.
        """
        if len(event) < log.HEADER_SIZE:
            raise Failed("protocol", f"{self.where}: an event of {len(event)} bytes", hint="Is a proxy in between?")
        timestamp, kind, server_id, size, end, flags = _HEADER(event)
        if kind == _FORMAT:
            self._format(event)
        if self.checksum:
            body = event[_BODY:_CHECKSUM]
            if crc32(body, crc32(event[:_BODY])) != int.from_bytes(event[_CHECKSUM:], "little"):
                raise Retriable(f"{self.where}: an event's checksum is wrong", code="checksum", hint=_AGAIN)
        else:
            body = event[_BODY:]
        begin = 0
        if kind == _ROTATE:
            self.file, self.pos = log.parse_rotate(body)
        elif end and not flags & _ARTIFICIAL:
            end += self.pos & ~_LOW
            if end < self.pos:
                end += _LOW + 1
            begin, self.pos = end - size, end
        else:
            end = 0
        return Header(kind, timestamp, server_id, begin, end, bool(flags & _IGNORABLE)), body

    def _format(self, event: bytes) -> None:
        described = log.parse_format(event)
        if described.checksum > log.CRC32:
            message = f"{self.where}: the log's checksums are of a kind {described.checksum} that is not known"
            raise Failed("unknown_event", message, hint="Run a newer version of Connect.")
        self.checksum = described.checksum == log.CRC32
