"""The process of one connector task: reads its job, runs the task under the retry table, reports to its supervisor."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from connect.errors import ConnectError
from connect.runtime import logs
from connect.runtime.channel import Lines, encode
from connect.runtime.report import State, TaskReport
from connect.runtime.retry import Stop, calm, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

ORPHANED: Final = 75  # exit code of a child whose supervisor is gone
REPORT_SECONDS: Final = 0.5  # at most two reports a second while nothing but numbers changes
_PENDING: Final = 64
_FLUSH_SECONDS: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1
_COUNTERS: Final = ("records", "transactions", "skipped", "dead_letters")


class Task(Protocol):
    """One connector at work, from its start to its first error."""

    def run(self) -> None:
        """Work until ``stopping()`` is true; any other end is an error of ``connect.errors``."""
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent; called once, whatever ``run`` did."""
        ...


class BuildTask(Protocol):
    """What makes a task: ``connect.runtime.tasks.build_task``."""

    def __call__(
        self, config: Any, name: str, report: Callable[[TaskReport], None], stopping: Callable[[], bool]
    ) -> Task:
        """The task of connector ``name``. It calls ``report`` about once a second and at each change of state."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What the supervisor tells a child to run. No secret is in it: the child reads the files itself (F160)."""

    files: tuple[str, ...]
    connector: str
    logs: logs.LogSettings

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Job:
        """The job of ``to_json``."""
        return cls(tuple(data["files"]), data["connector"], logs.LogSettings(**data["logs"]))


class SupervisorLink:
    """The child's end of the channel, owned by a thread of its own named ``supervisor-link``.

    The task never waits for the supervisor: reports queue up here, at most 64, and the oldest gives way.
    """

    def __init__(self, sock: socket.socket, stop: threading.Event, lines: Lines) -> None:
        self._sock = sock
        self._stop = stop
        self._lines = lines
        self._reports: deque[bytes] = deque(maxlen=_PENDING)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="supervisor-link", daemon=True)

    def start(self) -> None:
        """Start listening and sending."""
        self._thread.start()

    def send(self, report: TaskReport) -> None:
        """Queue a report; it is read now, so the caller may change it afterwards."""
        self._reports.append(encode({"report": report}))
        self._wake(b"r")

    def terminate(self) -> None:
        """Set ``stop`` from the thread: a signal handler must not take the event's lock, which we may hold."""
        self._wake(b"t")

    def close(self) -> None:
        """Send what is queued, then end the thread."""
        self._closing = True
        self._wake(b"c")
        self._thread.join(_FLUSH_SECONDS)

    def _wake(self, why: bytes) -> None:
        with suppress(BlockingIOError):  # a full pipe wakes it just as well
            os.write(self._wake_write, why)

    def _run(self) -> None:
        try:
            while not (self._closing and not self._reports):
                self._turn()
        except (OSError, ConnectError):
            os._exit(ORPHANED)

    def _turn(self) -> None:
        commands_at, wake_at = self._sock.fileno(), self._wake_read
        readable, _, _ = select.select([commands_at, wake_at], [], [])
        if commands_at in readable:
            commands = self._lines.receive(self._sock)
            if commands is None:  # the supervisor is gone: nobody would ever stop us
                os._exit(ORPHANED)
            if _asks_to_stop(commands):
                self._stop.set()
        if wake_at in readable:
            if b"t" in os.read(wake_at, 4096):
                self._stop.set()
            while self._reports:
                self._sock.sendall(self._reports.popleft())


class Attempts:
    """Runs a task until it is told to stop, again and again as the retry table says."""

    def __init__(
        self,
        build: Callable[[Callable[[TaskReport], None]], Task],
        send: Callable[[TaskReport], None],
        stop: threading.Event,
    ) -> None:
        self._build = build
        self._send = send
        self._stop = stop
        self._latest = TaskReport()
        self._ended = TaskReport()  # the counters of the attempts before this one
        self._sent_at = 0.0
        self._sent_key: tuple[Any, ...] = ()

    def run(self) -> None:
        """Until STOPPED, FAILED or FENCED; the last report says which."""
        attempt = 0
        while not self._stop.is_set():
            started = time.monotonic()
            self._ended = self._latest
            error = self._attempt()
            if error is None:
                break
            progressed = self._latest.transactions > self._ended.transactions
            attempt = 0 if calm(time.monotonic() - started, progressed=progressed) else attempt
            if not self._retry(error, attempt):
                return
            attempt += 1
        self._tell(State.STOPPED)

    def report(self, report: TaskReport) -> None:
        """What the task calls: changes go out at once, numbers at most twice a second."""
        sums = {name: getattr(self._ended, name) + getattr(report, name) for name in _COUNTERS}
        self._latest = replace(report, **sums)
        key = (report.state, report.code, report.message, report.complete)
        now = time.monotonic()
        if key != self._sent_key or now - self._sent_at >= REPORT_SECONDS:
            self._sent_key, self._sent_at = key, now
            self._send(self._latest)

    def _attempt(self) -> BaseException | None:
        """One life of the task: None when it ended because it was told to."""
        task: Task | None = None
        error: BaseException | None = None
        try:
            task = self._build(self.report)
            task.run()
            if not self._stop.is_set():
                error = RuntimeError("the task ended unasked")
        except Exception as raised:  # noqa: BLE001 - the edge of the task: the retry table decides
            error = raised
        if error is not None:
            log.debug("the task ended", exc_info=error)
        self._close(task)
        return error

    def _close(self, task: Task | None) -> None:
        if task is None:
            return
        try:
            task.close()
        except Exception as error:  # the error that ended the task is the one that counts
            log.warning("closing was not clean: %s", type(error).__name__, exc_info=error)

    def _retry(self, error: BaseException, attempt: int) -> bool:
        """Wait for the next try, if there is one; False when the connector stays down."""
        decision = decide(error, attempt)
        if isinstance(decision, Stop):
            self._tell(decision.state, decision.code, decision.message)
            return False
        after = decision.after_seconds
        self._tell(State.RETRYING, decision.code, decision.message, after)
        self._stop.wait(after)
        return True

    def _tell(self, state: State, code: str = "", message: str = "", retry_after: float | None = None) -> None:
        """Send a state of our own over the task's latest numbers."""
        self._sent_key = ()  # whatever the task says next is news
        self._latest = replace(self._latest, state=state, code=code, message=message, retry_after=retry_after)
        self._send(self._latest)


def main(build: BuildTask, load: Callable[[Sequence[Path]], Any]) -> int:
    """Run the job that comes over the socket whose number is the only argument.

    Args:
        build: Makes the task of a connector.
        load: Reads configuration files.

    Returns:
        The exit code: 0 once the last report has said how it ended.
    """
    os.umask(0o077)  # F179
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to answer
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    stop = threading.Event()
    sock = socket.socket(fileno=int(sys.argv[1]))
    lines = Lines()
    first = _first_messages(sock, lines)
    if not first:
        return ORPHANED
    if "job" not in first[0]:
        return 0  # told to stop before there was anything to do
    job = Job.from_json(first[0]["job"])
    if _asks_to_stop(first):
        stop.set()
    logs.configure(job.logs, connector=job.connector)
    link = SupervisorLink(sock, stop, lines)
    link.start()
    signal.signal(signal.SIGTERM, lambda *_: link.terminate())
    _run(job, build, load, link.send, stop)
    link.close()
    return 0


def _run(
    job: Job,
    build: BuildTask,
    load: Callable[[Sequence[Path]], Any],
    send: Callable[[TaskReport], None],
    stop: threading.Event,
) -> None:
    config: list[Any] = []  # read inside the first attempt, so that a fault of the file is reported like any other

    def build_task(report: Callable[[TaskReport], None]) -> Task:
        if not config:
            config.append(load([Path(file) for file in job.files]))
        return build(config[0], job.connector, report, stop.is_set)

    Attempts(build_task, send, stop).run()


def _first_messages(sock: socket.socket, lines: Lines) -> list[dict[str, Any]] | None:
    """The job, and what came with it; None when the supervisor ended before it sent one."""
    messages: list[dict[str, Any]] | None = []
    while messages == []:
        messages = lines.receive(sock)
    return messages


def _asks_to_stop(messages: Sequence[dict[str, Any]]) -> bool:
    return any("stop" in message for message in messages)


def _die_with_parent() -> None:
    """Have the kernel kill us with our supervisor, even inside a C call that holds the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    from connect.config.load import load_config
    from connect.runtime.tasks import build_task

    sys.exit(main(build_task, load_config))
