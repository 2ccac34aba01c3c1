"""What a task tells its supervisor, and through it ``status``, ``/status`` and ``/metrics``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a task is (rule W3). RUNNING without progress is not a state."""

    STARTING = "STARTING"
    SNAPSHOTTING = "SNAPSHOTTING"  # sources
    STREAMING = "STREAMING"  # sources
    BOOTSTRAPPING = "BOOTSTRAPPING"  # sinks, before they hold everything up to the end noted at first start
    LIVE = "LIVE"  # sinks
    RETRYING = "RETRYING"
    STALLED = "STALLED"
    STANDBY = "STANDBY"  # another worker of the group owns it; this one goes on when that ends
    PAUSED = "PAUSED"  # by an operator's word
    FAILED = "FAILED"
    FENCED = "FENCED"
    STOPPED = "STOPPED"


@dataclass(slots=True)
class TableReport:
    """One table of a source or one topic of a sink.

    Attributes:
        phase: ``waiting``, ``snapshot``, ``streaming``; for sinks ``bootstrapping``, ``live``.
        rows: Snapshot rows sent; for sinks offsets passed between their first start and the end noted then.
        total: Estimated rows of the snapshot, or all of those offsets; None where unknown.
        changes: Changes streamed, or records behind that end applied, since the task started.
        per_second: Rows or records a second, over the last seconds.
        eta_seconds: Until this phase ends; None where unknown.
        note: One sentence for people, for example that UPDATEs are NOT CAPTURED.
    """

    phase: str = "waiting"
    rows: int = 0
    total: int | None = None
    changes: int = 0
    per_second: float = 0.0
    eta_seconds: float | None = None
    note: str = ""


@dataclass(slots=True)
class TaskReport:
    """A task's whole state; sent whole, about once a second and at each change of ``state``.

    Attributes:
        state: See ``State``.
        code: Of the error behind RETRYING, STALLED, FAILED or FENCED; "" otherwise.
        message: That error's message and hint, or what is being waited for.
        position: The last committed position as JSON: of the log for a source, offsets by partition for a sink.
        tables: By table for a source, by topic for a sink.
        lag_bytes: Log between the position and the log's end.
        lag_seconds: Age of the last change that was committed, when behind.
        lag_records: For sinks: records between the next offsets and the topics' ends.
        retained_bytes: Log that the source's server keeps for this connector.
        records: Records committed since the task started.
        transactions: Kafka or target transactions committed since the task started.
        skipped: Rows dropped on resume because they were delivered before (rule S11).
        dead_letters: Records given to the dead-letter topic since the task started.
        complete: A source whose snapshots are all done; a sink that is LIVE.
        retry_after: While RETRYING: seconds between this report and the next try.
    """

    state: State = State.STARTING
    code: str = ""
    message: str = ""
    position: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, TableReport] = field(default_factory=dict)
    lag_bytes: int | None = None
    lag_seconds: float | None = None
    lag_records: int | None = None
    retained_bytes: int | None = None
    records: int = 0
    transactions: int = 0
    skipped: int = 0
    dead_letters: int = 0
    complete: bool = False
    retry_after: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object of every field."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TaskReport:
        """The report of ``to_json``."""
        tables = {name: TableReport(**table) for name, table in data["tables"].items()}
        return cls(**{**data, "state": State(data["state"]), "tables": tables})
