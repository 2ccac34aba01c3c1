"""The supervisor: one child process per connector, restarted by the retry table, watched, stopped in time.

A child is started at once and gets its job when the worker's group lets it: while the connector is another worker's it
is STANDBY, its process loaded and waiting.

One select loop over the children's sockets, no threads: what it knows is published as immutable values each turn.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from connect.errors import Failed
from connect.runtime.child import Job
from connect.runtime.control import ControlServer
from connect.runtime.logs import LogSettings
from connect.runtime.membership import Alone, Claim
from connect.runtime.process import CHILD, ChildProcess
from connect.runtime.report import State
from connect.runtime.retry import Crashes, Stop
from connect.runtime.states import DOWN, Connector, ConnectorStatus, History
from connect.runtime.status_file import lives
from connect.runtime.until import UntilLive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connect.runtime.membership import Membership, Standing

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
EXIT_FENCED: Final = 3  # rule F-3: an exit code of its own
EXIT_KILLED: Final = 4  # told to stop, but a connector had to be killed (F114)
EXIT_NOT_LIVE: Final = 130  # told to stop before what ``until`` waits for

STOP_SECONDS: Final = 9.0  # and a second for what is left to do: ten in all
LINGER_SECONDS: Final = 5.0  # a child that said its last word and does not end
UNSETTLED_SECONDS: Final = 15.0  # so long a group may take to say whose a connector is, before FENCED is final
AGREED_SECONDS: Final = 3.0  # a group shares out anew within this, so that it knows of whoever fenced us
_TURN_SECONDS: Final = 0.5
_ENDING_TURN_SECONDS: Final = 0.02
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_SIGNAL_SECONDS: Final = 0.5  # `timeout` and shells send theirs to the process and to its group: that is one


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a worker runs and when it ends.

    Attributes:
        files: The configuration files, absolute; each child reads them itself.
        connectors: All of the files' connectors.
        until: ``live`` ends with 0 once everything is (``UntilLive``), and with another code when a connector is down.
        on_failed: What the others do when one connector is FAILED.
        logs: How the children log.
        child: The command that starts a child, without its last argument.
    """

    files: tuple[str, ...]
    connectors: tuple[Connector, ...]
    until: Literal["stopped", "live"] = "stopped"
    on_failed: Literal["keep_others", "exit"] = "keep_others"
    logs: LogSettings = field(default_factory=LogSettings)
    child: tuple[str, ...] = CHILD


@dataclass(slots=True)
class _Managed:
    """One connector and its process of the moment."""

    connector: Connector
    history: History
    crashes: Crashes = field(default_factory=Crashes)
    process: ChildProcess | None = None
    restarts: int = 0
    start_at: float | None = 0.0  # None: running, paused, or down for good
    paused: bool = False
    paused_for: int | None = None  # the process that wanted it paused: once that is gone it goes on
    again: bool = False  # it is being stopped so that it starts anew
    halted_at: float | None = None  # when its process was asked to end by an operator
    silent_since: float | None = None  # its socket is closed, its process not yet gone
    begun_at: float | None = None  # when its process was given its job
    ahead: bool = False  # it was begun because nobody was to be seen, before the group said whose it is
    owned: bool = False  # the group said so
    disputed: bool = False  # it was FENCED by a worker that began when we did, and began once more

    def in_dispute(self, now: float) -> bool:
        """Whether a worker that began when we did may have fenced it: whose it is, their group says."""
        fresh = self.begun_at is not None and now - self.begun_at < UNSETTLED_SECONDS
        return fresh and self.ahead and not self.disputed and self.history.report.state is State.FENCED

    def status(self, now: float) -> ConnectorStatus:
        pid = self.process.pid if self.process else None
        return self.history.status(self.connector, now, pid=pid, restarts=self.restarts)


class Supervisor:
    """Runs the connectors of a worker. ``run`` belongs to the main thread; ``statuses`` may be called from any."""

    def __init__(
        self,
        settings: RunSettings,
        watch: Callable[[Sequence[ConnectorStatus]], None] = lambda _: None,
        membership: Membership | None = None,
        spares: list[ChildProcess] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: What is run.
            watch: Called each turn, at least twice a second, with how every connector is.
            membership: Says which connectors are this worker's; without one all are. ``run`` starts and ends it.
            spares: Children that were started ahead; they are taken out of it, the first connectors' first.
        """
        now = time.monotonic()
        self._settings = settings
        self._spares = [] if spares is None else spares
        self._watch = watch
        self._managed = [_Managed(connector, History(now)) for connector in settings.connectors]
        self._selector = selectors.DefaultSelector()
        self._control: ControlServer | None = None
        self._membership: Membership = membership or Alone()
        self._until = UntilLive()
        self._stopping = False
        self._signals = 0
        self._signalled_at = -math.inf
        self._published: tuple[ConnectorStatus, ...] = tuple(one.status(now) for one in self._managed)

    def statuses(self) -> tuple[ConnectorStatus, ...]:
        """Every connector as of the last turn."""
        return self._published

    def run(self) -> int:
        """Until a signal, the goal of ``until``, or nothing is left to run.

        Returns:
            An exit code: one of the ``EXIT_`` constants of this module.
        """
        with self._answering_signals(), self._listening(), self._taking_part():
            try:
                self._publish()
                verdict = None
                while verdict is None:
                    self._turn()
                    verdict = self._verdict()
                clean = self._stop_all()
            finally:
                self._kill_all()
            self._publish()
        return verdict if clean else EXIT_KILLED

    @contextmanager
    def _answering_signals(self) -> Iterator[None]:
        """Signals are counted and wake the loop, which looks at the count."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)

        def answer(*_: Any) -> None:
            now = time.monotonic()
            if now - self._signalled_at > _ONE_SIGNAL_SECONDS:
                self._signals += 1
                self._signalled_at = now
            with suppress(BlockingIOError):
                os.write(wake_write, b"s")

        self._selector.register(wake_read, selectors.EVENT_READ)
        kept = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup: a closed terminal is no reason to end
        answered = [number for number in _SIGNALS if not (kept and number == signal.SIGHUP)]
        before = {number: signal.signal(number, answer) for number in answered}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(wake_read)
            os.close(wake_write)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """The operator's socket; a worker that cannot have one runs without."""
        with suppress(OSError):
            self._control = ControlServer()
            self._selector.register(self._control, selectors.EVENT_READ, self._control)
        try:
            yield
        finally:
            if self._control is not None:
                self._control.close()

    @contextmanager
    def _taking_part(self) -> Iterator[None]:
        """The worker's group, left when every connector has ended: whoever is next starts from what we committed."""
        self._membership.start()
        if (news := self._membership.fileno()) is not None:
            self._selector.register(news, selectors.EVENT_READ)
        try:
            yield
        finally:
            if news is not None:
                self._selector.unregister(news)
            self._membership.close()

    def _turn(self) -> None:
        """Start what is due, hear who speaks, bury who ended, publish."""
        now = time.monotonic()
        for one in self._managed:
            if one.start_at is not None and one.start_at <= now and not self._stopping:
                self._start(one, now)
            self._follow(one, self._membership.standing(one.connector.name), now)
        for key, _ in self._selector.select(self._patience(now)):
            if isinstance(key.data, _Managed):
                self._hear(key.data)
            elif isinstance(key.data, ControlServer):
                key.data.answer(self._command)
            else:
                os.read(key.fd, 4096)
        for one in self._managed:
            if one.paused and one.paused_for is not None and not lives(one.paused_for):
                self._halt(one, paused=False)  # a command that was killed left it so
            if one.silent_since is not None:
                self._bury(one)
            elif one.process and one.halted_at is not None and now - one.halted_at > STOP_SECONDS:
                one.process.kill()
        self._publish()

    def _publish(self) -> None:
        now = time.monotonic()
        self._published = tuple(one.status(now) for one in self._managed)
        self._watch(self._published)

    def _patience(self, now: float) -> float:
        """Seconds until something is due."""
        if any(one.silent_since is not None for one in self._managed):
            return _ENDING_TURN_SECONDS
        due = [one.start_at - now for one in self._managed if one.start_at is not None and not self._stopping]
        return max(0.0, min([_TURN_SECONDS, *due]))

    def _start(self, one: _Managed, now: float) -> None:
        one.start_at = one.begun_at = None
        one.history.started(now)
        try:
            one.process = self._spares.pop() if self._spares else ChildProcess(self._settings.child)
        except OSError as error:
            self._crashed(one, f"could not be started ({error.strerror})", by_signal=False)
            return
        self._selector.register(one.process, selectors.EVENT_READ, one)

    def _follow(self, one: _Managed, standing: Standing, now: float) -> None:
        """Do as the worker's group says of a connector."""
        if self._stopping or one.paused:
            return
        state = one.history.report.state
        if standing.claim is Claim.THEIRS:
            self._let_go(one, standing, now)
        elif standing.claim is not Claim.UNKNOWN and one.process and one.begun_at is None and one.halted_at is None:
            if state is State.STANDBY:
                one.history.end(State.STARTING, "", "", now)
                one.history.started(now)
            one.process.begin(Job(self._settings.files, one.connector.name, self._settings.logs))
            one.begun_at, one.ahead = now, standing.claim is Claim.FREE
        if standing.claim is Claim.OURS:
            if one.in_dispute(now) and one.history.quiet(now) > AGREED_SECONDS:
                one.disputed = True
                self._halt(one, paused=False)
                one.history.end(State.STARTING, "", "", now)
            one.owned = True

    def _let_go(self, one: _Managed, standing: Standing, now: float) -> None:
        """It is another worker's: taken over from us, it stays down; else it waits for that one's end."""
        state = one.history.report.state
        down = state in DOWN and not one.in_dispute(now)
        if one.owned and one.begun_at is not None and (standing.passed or down):
            one.disputed = True
            if state in DOWN:
                return
            if one.process is not None:
                one.process.stop()
                one.halted_at = now
            message = f"Taken over by another worker: {standing.owner}.\nRun one of them: connect explain fenced"
            one.history.end(State.FENCED, "fenced", message, now)
            return
        if state is State.FAILED and one.process is None and one.start_at is None and one.begun_at is None:
            return  # its process does not even start
        if one.begun_at is not None:  # it went ahead where nobody was to be seen; the group knows better
            self._halt(one, paused=False)
            one.begun_at = None
        message = (
            f"Owned by another worker: {standing.owner}. It goes on here when that one ends; now, with --take-over."
        )
        if state is not State.STANDBY or one.history.report.message != message:
            one.history.end(State.STANDBY, "", message, now)

    def _hear(self, one: _Managed) -> None:
        assert one.process is not None  # noqa: S101 - it is registered while its process is held
        reports = one.process.receive()
        now = time.monotonic()
        if reports is None:
            self._selector.unregister(one.process)
            one.silent_since = now
            return
        if one.halted_at is not None and one.history.report.state in {State.FENCED, State.STANDBY}:
            return  # the group has said what becomes of it; how its process ends is no news
        for report in reports:
            one.history.observe(report, now)

    def _bury(self, one: _Managed) -> None:
        """A child that closed its socket has nothing more to say: take its exit code, in time or by force."""
        assert one.process is not None  # noqa: S101 - silent_since is set while its process is held
        assert one.silent_since is not None  # noqa: S101 - the caller looked
        code = one.process.exit_code(0)
        if code is None:
            if time.monotonic() - one.silent_since > LINGER_SECONDS:
                one.process.kill()
            return
        one.process.close()
        one.process = one.silent_since = one.halted_at = None
        now = time.monotonic()
        if one.paused and not self._stopping:
            one.history.end(State.PAUSED, "", f"connect resume {one.connector.name} lets it go on.", now)
            return
        if one.again and not self._stopping:
            one.again, one.start_at = False, now
            one.restarts += 1
            return
        if one.history.report.state in DOWN:
            return
        if self._stopping:
            one.history.end(State.STOPPED, "", "", now)
            return
        self._crashed(one, _how(code), by_signal=code < 0)

    def _crashed(self, one: _Managed, how: str, *, by_signal: bool) -> None:
        now = time.monotonic()
        decision = one.crashes.died(now, how, by_signal=by_signal, progressed=one.history.progressed())
        if isinstance(decision, Stop):
            one.history.end(decision.state, decision.code, decision.message, now)
            return
        one.history.end(State.RETRYING, decision.code, decision.message, now, decision.after_seconds)
        one.start_at = now + decision.after_seconds
        one.restarts += 1

    def _command(self, request: dict[str, Any]) -> dict[str, Any]:
        """What an operator asks for over the socket: ``pause``, ``resume``, ``restart``, ``state`` of one connector.

        Raises:
            Failed: ``command_unknown``, ``connector_unknown``.
        """
        name, what = str(request.get("connector")), str(request.get("command"))
        one = next((one for one in self._managed if one.connector.name == name), None)
        if one is None:
            names = ", ".join(sorted(one.connector.name for one in self._managed))
            raise Failed("connector_unknown", f"this worker has no connector {name!r}", hint=f"It has {names}.")
        match what:
            case "pause":
                self._halt(one, paused=True)
                one.paused_for = request.get("while")
                return {"done": f"{name} is paused until `connect resume {name}` or the worker's next start"}
            case "state":
                standby = self._membership.standing(name).claim is Claim.THEIRS
                return {"paused": one.paused, "running": one.process is not None, "standby": standby}
            case "resume" if not one.paused:
                return {"done": f"{name} was not paused"}
            case "resume" | "restart":
                self._halt(one, paused=False)
                return {"done": f"{name} {'goes on' if what == 'resume' else 'starts anew'} from its stored position"}
            case _:
                raise Failed("command_unknown", f"this worker knows no command {what!r}", hint="Is it an older one?")

    def _halt(self, one: _Managed, *, paused: bool) -> None:
        """Have its process end, and keep it so or start another one."""
        now = time.monotonic()
        one.paused, one.again, one.paused_for = paused, not paused, None
        one.crashes = Crashes()
        if one.process is not None:
            one.process.stop()
            one.halted_at = now
        elif paused:
            one.start_at = None
            one.history.end(State.PAUSED, "", f"connect resume {one.connector.name} lets it go on.", now)
        else:
            one.again, one.start_at = False, now

    def _verdict(self) -> int | None:
        """The exit code, once there is a reason to end."""
        down = [status.state for status in self._published if status.state in DOWN]
        if self._signals:  # whoever looks after the worker learns by the code alone that something is down
            if down:
                return EXIT_FAILED if State.FAILED in down else EXIT_FENCED
            return EXIT_OK if self._settings.until == "stopped" else EXIT_NOT_LIVE
        alone = self._settings.until == "stopped" and self._settings.on_failed == "keep_others"
        if any(one.in_dispute(time.monotonic()) for one in self._managed):
            return None
        if down and (len(down) == len(self._published) or not alone):
            return EXIT_FAILED if State.FAILED in down else EXIT_FENCED
        if self._settings.until == "live" and self._until.reached(self._published, time.monotonic()):
            return EXIT_OK
        return None

    def _stop_all(self) -> bool:
        """Ask every child to end and wait; False when time or an operator's patience ran out."""
        self._stopping = True
        asked, deadline = self._signals, time.monotonic() + STOP_SECONDS
        for one in self._managed:
            if one.process:
                one.process.stop()
        while any(one.process for one in self._managed):
            if time.monotonic() > deadline or self._signals > max(asked, 1):
                return False
            self._turn()
        return True

    def _kill_all(self) -> None:
        left = [(one, one.process) for one in self._managed if one.process]
        for _, process in left:
            process.kill()
        for one, process in left:
            process.exit_code(1.0)
            process.close()
            one.process = None
            if one.history.report.state not in DOWN:
                one.history.end(State.STOPPED, "", "It did not end in time and was killed.", time.monotonic())


def _how(exit_code: int) -> str:
    """The end of the sentence that begins with "Its process"."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"was killed by signal {-exit_code}"
