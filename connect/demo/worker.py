"""The demonstration's worker: a real process, started from a file, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from connect.errors import ConnectError
from connect.runtime import status_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GONE_SECONDS: Final = 5.0
RUN: Final = (sys.executable, "-m", "connect", "run")


class Worker:
    """``connect run FILE`` as a child process of the demonstration."""

    def __init__(
        self, file: Path, group: str, environment: Mapping[str, str], log: Path, command: Sequence[str] = RUN
    ) -> None:
        """``group`` is the file's ``name``; what the worker prints goes to ``log``; ``command`` takes the file."""
        self._command = [*command, str(file)]
        self._group = group
        self._environment = {**os.environ, **environment}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def check(self) -> None:
        """Raises with the end of its log if it ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise ConnectError(f"the worker ended with {code}:\n{tail}", code="demo_worker", hint=f"see {self.log}")

    def status(self) -> dict[str, Any]:
        """Its connectors by name, or nothing while it is not there."""
        for worker in status_file.find(self._group):
            with suppress(OSError, ValueError), urllib.request.urlopen(f"{worker.url}/status", timeout=2) as answer:  # noqa: S310 - our own worker's loopback URL
                return dict(json.load(answer)["connectors"])
        return {}

    def kill(self) -> None:
        """``kill -9`` of the worker: the supervisor dies at once, its children within a second."""
        assert self._process is not None  # noqa: S101 - it was started
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def kill_child(self, connector: str) -> bool:
        """``kill -9`` of one connector's process alone; False while it has none."""
        pid = self.status().get(connector, {}).get("pid")
        if not pid:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.kills += 1
        return True

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_GONE_SECONDS * 3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_ready(self, connector: str, states: frozenset[str], seconds: float) -> None:
        """Until a connector is in one of ``states``."""
        deadline = time.monotonic() + seconds
        while self.status().get(connector, {}).get("state") not in states:
            self.check()
            if time.monotonic() > deadline:
                raise ConnectError(
                    f"{connector} was not {' or '.join(sorted(states))} within {seconds:.0f} s",
                    code="demo_worker",
                    hint=f"see {self.log}",
                )
            time.sleep(0.1)
