"""The socket over which the operator of a running worker asks it for something: one JSON line in, one out.

A Unix socket in a folder of this user alone: who may connect is who started the worker (the REST pages only show).
"""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.errors import Failed
from connect.runtime.channel import ChannelBroken, Lines, encode
from connect.runtime.status_file import lives

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[dict[str, Any]], dict[str, Any]]

_SECONDS: Final = 2.0  # for a line that should come, and be taken, at once
_ANSWER_SECONDS: Final = 15.0  # a worker that ends its turn, or stops a connector first
_WAITING: Final = 8


def address(pid: int) -> Path:
    """Where the worker of this process id listens. Short: a Unix socket's path has 107 bytes at most."""
    return Path(tempfile.gettempdir()) / f"connect-{os.getuid()}" / f"{pid}.sock"


class ControlServer:
    """The worker's end. The supervisor's loop selects on it; nothing here waits longer than two seconds."""

    def __init__(self) -> None:
        """Listen.

        Raises:
            OSError: The folder belongs to another user, or cannot be made.
        """
        self._path = address(os.getpid())
        folder = self._path.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{folder} is not this user's alone")
        _prune(folder)
        with suppress(FileNotFoundError):
            self._path.unlink()  # of a process that was killed and had our number
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self._path))
        self._socket.listen(_WAITING)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def answer(self, handle: Answer) -> None:
        """Take one request and answer it; ``handle`` raises ``ConnectError`` for what cannot be done."""
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return  # it has gone again
        with connection, suppress(OSError, ChannelBroken):
            connection.settimeout(_SECONDS)
            lines = Lines()
            requests: list[dict[str, Any]] | None = []
            while requests == []:
                requests = lines.receive(connection)
            if requests:
                connection.sendall(encode(_handled(handle, requests[0])))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()


def _prune(folder: Path) -> None:
    """Workers that were killed could not remove their sockets."""
    for path in folder.glob("*.sock"):
        if path.stem.isdecimal() and not lives(int(path.stem)):
            with suppress(OSError):  # another worker that starts removed it first
                path.unlink()


def _handled(handle: Answer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return handle(request)
    except Failed as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def ask(pid: int, request: dict[str, Any]) -> dict[str, Any]:
    """What the worker of this process id answers.

    Raises:
        Failed: ``worker_unreachable``, or what the worker said.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(address(pid)))
            connection.sendall(encode(request))
            with connection.makefile("rb") as answer:
                line = answer.readline()
        found = orjson.loads(line)
    except (OSError, orjson.JSONDecodeError) as error:
        message = f"the worker, process {pid}, does not answer on {address(pid)}: {error}"
        raise Failed("worker_unreachable", message, hint="Is it ending, or another user's?") from None
    if "error" in found:
        raise Failed(found["error"]["code"], found["error"]["message"], hint=found["error"]["hint"])
    return dict(found)
