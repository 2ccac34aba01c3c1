"""One child process as its supervisor sees it: start, hear, stop, kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from connect.runtime.channel import ChannelBroken, Lines, encode
from connect.runtime.report import TaskReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.runtime.child import Job

# -P: a folder named connect/ where the worker was started must not stand in for this package.
CHILD: Final = (sys.executable, "-P", "-m", "connect.runtime.child")

_STDERR: Final = 2
# Of glibc: once a buffer of 16 MB was freed, all up to that size come from the heap and stay there, one heap a thread.
# Read at the start of a process only. Other C libraries do not know the names.
_MEMORY: Final = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "4194304"}


class ChildProcess:
    """A running child and the socket that it reports on."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it: it loads its code, and waits for its job.

        Raises:
            OSError: The process cannot be started.
        """
        self._lines = Lines()
        self._sock, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn([*command, str(theirs.fileno())], theirs.fileno())

    def begin(self, job: Job) -> None:
        """Send it its job."""
        with suppress(OSError):  # it is dead already: the end of its socket says so
            self._sock.sendall(encode({"job": job.to_json()}))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The socket's number, for a selector."""
        return self._sock.fileno()

    def receive(self) -> list[TaskReport] | None:
        """The reports that arrived; None once it closed its end. Call when readable."""
        try:
            messages = self._lines.receive(self._sock)
        except ChannelBroken:
            self.kill()
            return None
        if messages is None:
            return None
        return [TaskReport.from_json(message["report"]) for message in messages if "report" in message]

    def stop(self) -> None:
        """Ask it to end."""
        with suppress(OSError):  # already gone
            self._sock.sendall(encode({"stop": True}))

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def exit_code(self, timeout: float) -> int | None:
        """How it ended, minus the signal's number for a signal; None while it runs after ``timeout`` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Let go of the socket. The process is not touched."""
        self._sock.close()


def _spawn(command: list[str], fd: int) -> subprocess.Popen[bytes]:
    """Start ``command`` with SIGINT blocked, so that a Ctrl-C reaches no child that cannot answer it yet.

    What it prints goes to standard error: standard output is the supervisor's, and may be JSON lines.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return subprocess.Popen(
            command,
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            umask=0o077,
            env={**_MEMORY, **os.environ},  # the operator's own word stands
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
