"""A worker that tests kill, suspend and start again: ``connect run FILE`` with the processes below it."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

from connect.demo.worker import Worker
from connect.errors import ConnectError
from connect.runtime import status_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_POLL_SECONDS: Final = 0.1


class Victim(Worker):
    """A worker as a child process, and what tests do to it."""

    def status(self) -> dict[str, Any]:
        """Its connectors by name, of this worker among those of its group; nothing while it is not there."""
        for worker in status_file.find(self._group):
            if worker.pid == self.pid:
                with suppress(OSError, ValueError), urlopen(f"{worker.url}/status", timeout=2) as answer:  # noqa: S310 - our own worker's loopback URL
                    return dict(json.load(answer)["connectors"])
        return {}

    def pids(self) -> list[int]:
        """Of the supervisor and its children."""
        with suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            return [self.pid, *map(int, children.split())]
        return [self.pid]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, then to its children."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_all(self) -> None:
        """``kill -9`` of the supervisor and of its children at once."""
        self.signal_all(signal.SIGKILL)
        self.kill()

    def wait_for(self, what: str, condition: Callable[[Mapping[str, Any]], bool], seconds: float) -> Mapping[str, Any]:
        """Until the connectors' status meets a condition; that status.

        Raises:
            ConnectError: The worker ended, or the time is up; with the last status and the end of the log.
        """
        deadline = time.monotonic() + seconds
        while not condition(status := self.status()):
            self.check()
            if time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                raise ConnectError(f"not {what} within {seconds:.0f} s: {brief(status)}\n{tail}", code="victim_worker")
            time.sleep(_POLL_SECONDS)
        return status

    def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.wait(seconds)


def brief(status: Mapping[str, Any]) -> str:
    """One line of a worker's status, for messages."""
    parts = (
        f"{name}: {one['state']} {one['code']} {one['message'][:200]} lag {one['lag_bytes']}/{one['lag_records']}"
        for name, one in status.items()
    )
    return "; ".join(parts) or "no answer"
