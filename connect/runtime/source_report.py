"""What a source tells of itself: its state, each table's rows and rate, how far behind it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from connect.runtime.report import State, TableReport, TaskReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.api.position import Position
    from connect.api.source import Source
    from connect.schema.model import TableId

_SECONDS: Final = 0.5
_SECONDS_A_TABLE: Final = 0.002  # more between two reports: many tables are many lines to write and to read
_MOST_SECONDS: Final = 5.0  # whoever says nothing for long counts as stalled


@dataclass
class _Rate:
    """Rows a second since the last look."""

    at: float = field(default_factory=time.monotonic)
    rows: int = 0

    def since(self, rows: int, now: float) -> float:
        rate = (rows - self.rows) / max(now - self.at, 1e-9)
        self.at, self.rows = now, rows
        return rate


class SourceReport:
    """Gathers what is told, and tells it about twice a second; less often where there are hundreds of tables.

    Attributes:
        counts: Of the whole task.
        tables: Of each captured table; whoever moves rows counts them there.
    """

    def __init__(self, report: Callable[[TaskReport], None]) -> None:
        """``report`` is told the whole state."""
        self.counts = TaskReport()
        self.tables: dict[TableId, TableReport] = {}
        self._report = report
        self._rates: dict[TableId, _Rate] = {}
        self._at = 0.0

    def add(self, table: TableId, note: str) -> None:
        """A table that is captured."""
        self.tables[table] = self.counts.tables[str(table)] = TableReport(phase="streaming", note=note)
        self._rates[table] = _Rate()

    def add_uncaptured(self, table: TableId, note: str) -> None:
        """A table that is not."""
        self.counts.tables[str(table)] = TableReport(phase="uncaptured", note=note)

    def resume(self, table: TableId, rows: int) -> None:
        """So many rows of its snapshot went out before this start."""
        self.tables[table].rows = self._rates[table].rows = rows

    def say(self, message: str) -> bool:
        """What the task waits for; whether that is news."""
        news = message != self.counts.message
        self.counts.message = message
        return news

    def stands(self, source: Source, position: Position) -> None:
        """How far the source is."""
        counts, lag = self.counts, source.lag()
        counts.complete = not any(table.phase == "snapshot" for table in self.tables.values())
        counts.state = State.STREAMING if counts.complete else State.SNAPSHOTTING
        counts.lag_bytes, counts.lag_seconds, counts.retained_bytes = lag.bytes, lag.seconds, lag.retained_bytes
        counts.position = position.to_json()
        counts.skipped = getattr(source, "skipped", 0)

    def is_due(self) -> bool:
        """Whether it was told some time ago."""
        pause = min(_SECONDS + len(self.counts.tables) * _SECONDS_A_TABLE, _MOST_SECONDS)
        return time.monotonic() - self._at >= pause

    def tell(self) -> None:
        """Tell it now."""
        self._at = now = time.monotonic()
        for table, rate in self._rates.items():
            row = self.tables[table]
            row.per_second = rate.since(row.rows + row.changes, now)
            if row.phase == "snapshot" and row.total and row.per_second > 0:
                row.eta_seconds = max(row.total - row.rows, 0) / row.per_second
            else:
                row.eta_seconds = None
        self._report(self.counts)
