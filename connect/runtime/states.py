"""What the supervisor knows of one connector: its state over time, its totals, whether it stalls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from connect.runtime.report import State, TaskReport

if TYPE_CHECKING:
    from collections.abc import Mapping

STALL_SECONDS: Final = 60.0
DOWN: Final = frozenset({State.FAILED, State.FENCED})
UNHEALTHY: Final = frozenset({State.FAILED, State.FENCED, State.STALLED})
_COUNTERS: Final = ("records", "transactions", "skipped", "dead_letters")
_WATCHED: Final = frozenset({State.STARTING, State.SNAPSHOTTING, State.STREAMING, State.BOOTSTRAPPING, State.LIVE})

Kind = Literal["source", "sink"]


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector of the file: what the supervisor has to start."""

    name: str
    kind: Kind
    plugin: str


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """One connector at one moment; immutable, so that the REST thread may read it.

    Attributes:
        connector: Its name, kind and plugin.
        report: The task's latest report; its counters are sums since the worker started.
        state: ``report.state``, or STALLED where the watchdog says so.
        message: The reason behind the state, with its hint after a line break.
        state_seconds: Time in this state.
        restarts: How often its process was started again.
        pid: Of its process; None between two.
        retry_in: Seconds to the next try while RETRYING.
    """

    connector: Connector
    report: TaskReport
    state: State
    code: str
    message: str
    state_seconds: float
    restarts: int
    pid: int | None
    retry_in: float | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object: the connector, what the supervisor knows, and the report's fields under them."""
        report = self.report.to_json()
        del report["retry_after"]
        return report | {
            "kind": self.connector.kind,
            "plugin": self.connector.plugin,
            "state": self.state.value,
            "code": self.code,
            "message": self.message,
            "state_seconds": round(self.state_seconds, 1),
            "restarts": self.restarts,
            "pid": self.pid,
            "retry_in": None if self.retry_in is None else round(self.retry_in, 1),
        }


@dataclass(slots=True)
class History:
    """The reports of one connector over all its processes. Times are a monotonic clock's seconds (rule W5)."""

    now: float
    report: TaskReport = field(default_factory=TaskReport)
    _before: TaskReport = field(default_factory=TaskReport)  # counters of the processes before this one
    _reported_at: float = field(init=False)
    _moved_at: float = field(init=False)
    _shown: State = State.STARTING
    _shown_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._reported_at = self._moved_at = self._shown_at = self.now

    def started(self, now: float) -> None:
        """A new process: its counters begin at 0 again, its silence now."""
        self._before = self.report
        self._reported_at = self._moved_at = now

    def observe(self, report: TaskReport, now: float) -> None:
        """Take in a report of the running process."""
        sums = {name: getattr(self._before, name) + getattr(report, name) for name in _COUNTERS}
        latest = replace(report, **sums)
        if _marks(latest) != _marks(self.report) or not _behind(latest):
            self._moved_at = now
        self._reported_at = now
        self.report = latest

    def end(self, state: State, code: str, message: str, now: float, retry_after: float | None = None) -> None:
        """The supervisor's own word over the last report: crashed and RETRYING, or FAILED(crash_loop)."""
        self._reported_at = now
        self.report = replace(self.report, state=state, code=code, message=message, retry_after=retry_after)

    def quiet(self, now: float) -> float:
        """Seconds since anything was last said of it."""
        return now - self._reported_at

    def progressed(self) -> bool:
        """Whether the process that runs or just ended committed anything."""
        return self.report.transactions > self._before.transactions

    def status(self, connector: Connector, now: float, *, pid: int | None, restarts: int) -> ConnectorStatus:
        """The connector at this moment, with the watchdog's view."""
        stalled = self._stalled(now)
        shown = State.STALLED if stalled else self.report.state
        if shown != self._shown:
            self._shown, self._shown_at = shown, now
        wait = self.report.retry_after
        return ConnectorStatus(
            connector=connector,
            report=self.report,
            state=shown,
            code="stalled" if stalled else self.report.code,
            message=stalled or self.report.message,
            state_seconds=now - self._shown_at,
            restarts=restarts,
            pid=pid,
            retry_in=None if wait is None else max(0.0, self._reported_at + wait - now),
        )

    def _stalled(self, now: float) -> str:
        """Why it counts as STALLED: behind and not moving, or silent, for a minute (rule W2); "" when it does not."""
        if self.report.state not in _WATCHED:
            return ""
        if now - self._reported_at >= STALL_SECONDS:
            return f"It has said nothing for {now - self._reported_at:.0f} s: something blocks its loop."
        if now - self._moved_at >= STALL_SECONDS:
            why = f" It says: {self.report.message}" if self.report.message else ""
            return f"It is behind and has not moved for {now - self._moved_at:.0f} s.{why}"
        return ""


def _behind(report: TaskReport) -> bool:
    return bool(report.lag_bytes or report.lag_records)


def _marks(report: TaskReport) -> tuple[Mapping[str, Any], int, int, int]:
    """What changes when a task moves, a snapshot's rows included."""
    rows = sum(table.rows + table.changes for table in report.tables.values())
    return report.position, report.transactions, report.records, rows
