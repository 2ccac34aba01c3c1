"""Packets of the client protocol, cut out of what a socket gives in pieces of any size."""

from __future__ import annotations

from typing import Final

_HEADER: Final = 4  # three bytes of length, one that counts packets
_WHOLE: Final = 0xFFFFFF  # a packet of this length goes on in the next one
_OK: Final = 0


class Packets:
    """Cuts the answer to a dump command into events.

    Attributes:
        ended: The packet that ended the answer: the server's error, or its end of file.
    """

    def __init__(self) -> None:
        self.ended: bytes | None = None
        self._chunks: list[bytes] = []  # the begin of a packet
        self._have = 0
        self._need = _HEADER
        self._parts: list[bytes] = []  # the packets so far of an event that is longer than one

    def split(self, data: bytes) -> list[bytes]:
        """The events that are whole with ``data``, in order, without the byte that says OK; the rest is kept."""
        self._chunks.append(data)
        self._have += len(data)
        if self._have < self._need:
            return []
        if len(self._chunks) > 1:
            data = b"".join(self._chunks)
        events: list[bytes] = []
        at, end = 0, len(data)
        self._need = _HEADER
        while end - at >= _HEADER and self.ended is None:
            size = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            start = at + _HEADER
            if end - start < size:
                self._need = _HEADER + size
                break
            at = start + size
            if size == _WHOLE or self._parts:
                self._long(data[start:at], events)
            elif size and data[start] == _OK:
                events.append(data[start + 1 : at])
            else:
                self.ended = data[start:at]
        self._chunks, self._have = [data[at:]] if at < end else [], end - at
        return events

    def _long(self, part: bytes, events: list[bytes]) -> None:
        self._parts.append(part)
        if len(part) < _WHOLE:
            events.append(b"".join(self._parts)[1:])
            self._parts = []
