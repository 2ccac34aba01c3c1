"""One server of a stack: started, broken and started again on the same port with the same data."""

from __future__ import annotations

import os
import shutil
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from connect.errors import ConnectError
from connect.local.children import POLL, Children, Command, start_failed
from connect.local.download import Cache, Cancelled
from connect.local.keeper import is_running
from connect.local.ports import check_given, free_ports

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from connect.local.progress import Progress
    from connect.local.tls import Security

START_TIMEOUT: Final = 180.0  # seconds; the slowest server needs 10 on two idle cores
STOP_TIMEOUT: Final = 60.0
ATTEMPTS: Final = 3  # a free port can be lost to another process before the server listens
_PORT_LOST: Final = (
    "Address already in use",
    "BindException",
    "already in use by another process",
    "Port already bound",
)


@dataclass(frozen=True, slots=True)
class Site:
    """What a server needs of its stack.

    Attributes:
        security: Certificates and passwords of a secure stack; None: plain.
        stopping: Set when the stack is being taken down while servers still start.
    """

    children: Children
    cache: Cache
    progress: Progress
    stopping: threading.Event
    security: Security | None


class Server(ABC):
    """A server process with a folder of its own.

    Args:
        site: What it needs of its stack.
        name: Unique in the stack; names its folder and log.
        port: To listen on; None: a free one.

    Attributes:
        port: What it listens on, once started.
        folder: Its configuration and data.
        log: Its output.
    """

    title: ClassVar[str]
    ports_needed: ClassVar[int] = 1
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, site: Site, name: str, *, port: int | None = None) -> None:
        self.site = site
        self.name = name
        self.port = port or 0
        self.folder = site.children.folder / name
        self.log = site.children.folder / f"{name}.log"
        self.pid = 0
        self._given_port = port
        self._prepared = False

    @property
    @abstractmethod
    def address(self) -> str:
        """What a client connects to, as it is."""

    @abstractmethod
    def prepare(self, ports: list[int]) -> None:
        """Write configuration and first data into the empty folder; ``ports[0]`` is ``self.port``."""

    @abstractmethod
    def command(self) -> Command:
        """How the server is run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients now."""

    def start(self) -> Self:
        """Start the server, or start it again after ``stop`` or ``kill``; returns when it answers.

        Raises:
            ConnectError: ``local_port_taken``, ``local_start_failed`` with the end of its log, or of a download.
        """
        started = time.monotonic()
        if self._prepared:
            self._launch()
        else:
            self._first_start()
        took = time.monotonic() - started
        self.site.progress.say(f"{self.name}: {self.title} answers on port {self.port} ({took:.1f} s)")
        return self

    def stop(self) -> None:
        """Ask the server to end and wait until all its processes have."""
        pids = self.site.children.signal(self.name, self.stop_signal)
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.running or any(is_running(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise start_failed(f"{self.name} did not stop within {STOP_TIMEOUT:.0f} s", self.log)
            time.sleep(POLL)

    def kill(self) -> None:
        """``kill -9`` of all its processes; returns when they are gone."""
        self.site.children.kill(self.name)

    def pause(self) -> None:
        """SIGSTOP to all its processes: it holds its connections and answers nothing."""
        self.site.children.signal(self.name, signal.SIGSTOP, whole_tree=True)

    def resume(self) -> None:
        """SIGCONT after ``pause``."""
        self.site.children.signal(self.name, signal.SIGCONT, whole_tree=True)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.pid != 0 and self.site.children.exit_code(self.name) is None

    def own(self, path: Path) -> Path:
        """Give a file or folder to the user that the server runs as; the path."""
        user = self.site.children.user
        if user is not None:
            os.chown(path, user.uid, user.gid)
        return path

    def make_folder(self, name: str) -> Path:
        """A new folder inside the server's, writable by the server only."""
        path = self.folder / name
        path.mkdir(parents=True)
        path.chmod(0o700)
        return self.own(path)

    def write(self, name: str, text: str, *, mode: int = 0o600) -> Path:
        """A new file inside the server's folder, readable by the server."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return self.own(path)

    def _first_start(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            ports = free_ports(self.ports_needed)
            if self._given_port is not None:
                check_given(self.name, self._given_port)
                ports[0] = self._given_port
            self.port = ports[0]
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            self.own(self.folder)
            try:
                self.prepare(ports)
                self._launch()
            except ConnectError as error:
                lost = error.code == "local_start_failed" and self._lost_its_port()
                if attempt == ATTEMPTS or not lost:
                    raise
                self.log.unlink()
            else:
                self._prepared = True
                return

    def _launch(self) -> None:
        self.pid = self.site.children.start(self.name, self.command(), self.log)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if self.site.stopping.is_set():
                raise Cancelled
            if (code := self.site.children.exit_code(self.name)) is not None:
                raise start_failed(f"{self.name}: {self.title} ended with {code} while it started", self.log)
            if time.monotonic() > deadline:
                self.kill()
                raise start_failed(f"{self.name}: {self.title} did not answer within {START_TIMEOUT:.0f} s", self.log)
            time.sleep(POLL)

    def _lost_its_port(self) -> bool:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return any(sign in text for sign in _PORT_LOST)
