"""Our side: ``connect run FILE`` as a user would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.runtime import status_file

if TYPE_CHECKING:
    from pathlib import Path

_STOP_SECONDS: Final = 20.0


class Worker:
    """A worker of one file; ``name`` is the file's ``name``."""

    def __init__(self, folder: Path, name: str, text: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._file = folder / f"{name}.yaml"
        self._file.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, or start it again; the monotonic time just before."""
        with self.log.open("ab") as log:
            started = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "connect", "run", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return started

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Raises with the end of its log if it ended by itself."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        raise RuntimeError("\n".join([f"the worker {self.name} ended with {code}:", *lines]))

    def wait_state(self, *states: str, seconds: float = 120) -> None:
        """Until its connector, which has its name, is in one of ``states``."""
        deadline = time.monotonic() + seconds
        while (state := self._connector().get("state")) not in states:
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is {state}, not {' or '.join(states)}: see {self.log}")
            time.sleep(0.05)

    def _connector(self) -> dict[str, Any]:
        for worker in status_file.find(self.name):
            with suppress(OSError, ValueError), _LOOPBACK.open(f"{worker.url}/status", timeout=2) as answer:
                found: dict[str, Any] = orjson.loads(answer.read())["connectors"].get(self.name, {})
                return found
        return {}

    def kill(self) -> float:
        """``kill -9`` of the worker; the monotonic time of it."""
        assert self._process is not None
        killed = time.monotonic()
        self._process.kill()
        self._process.wait()
        return killed

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


_LOOPBACK: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
