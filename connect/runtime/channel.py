"""The line between the supervisor and a child: JSON objects, one a line, over a pair of connected sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.errors import ConnectError

if TYPE_CHECKING:
    import socket

MAX_LINE_BYTES: Final = 32 * 2**20  # thousands of tables fit in a report; more than this is no report
_READ_BYTES: Final = 256 * 2**10


class ChannelBroken(ConnectError):
    """The other end sends what is no line of JSON: it is not the program that we started."""

    code = "internal_error"


def encode(message: dict[str, Any]) -> bytes:
    """One message as one line; a dataclass in it is written as ``asdict`` would, in a tenth of the time."""
    return orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)


class Lines:
    """Cuts a byte stream into messages; holds at most one unfinished line (invariant 7)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes.

        Raises:
            ChannelBroken: A line is no JSON object or has no end.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ChannelBroken(f"A message is longer than {MAX_LINE_BYTES} bytes.")
        return [_decode(line) for line in lines]

    def receive(self, sock: socket.socket) -> list[dict[str, Any]] | None:
        """What one ``recv`` completes; None once the other end is gone. Waits as the socket is set to.

        Raises:
            ChannelBroken: As for ``feed``.
        """
        try:
            data = sock.recv(_READ_BYTES)
        except ConnectionResetError:
            return None
        return self.feed(data) if data else None


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise ChannelBroken("A message is no JSON object.")
    return message
