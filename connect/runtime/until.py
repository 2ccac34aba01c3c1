"""When ``run --until live`` has reached its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.runtime.states import ConnectorStatus

PICKUP_SECONDS: Final = 12.0  # a sink takes up a new topic within 10 s


@dataclass(slots=True)
class UntilLive:
    """Sources have finished their snapshots, and sinks hold what was in the topics at that moment.

    A sink of the same file may be LIVE before its source has sent a row: the topics were empty at its first start. So
    once the sources are complete, each sink's end is noted again, late enough for it to know every topic.
    """

    _sources_complete_at: float | None = None
    _ends: dict[str, int] = field(default_factory=dict)

    def reached(self, statuses: Sequence[ConnectorStatus], now: float) -> bool:
        """Whether everything is live; asked again and again with a monotonic clock's seconds."""
        sources = [status for status in statuses if status.connector.kind == "source"]
        sinks = [status for status in statuses if status.connector.kind == "sink"]
        if not all(status.report.complete for status in sources):
            return False
        if self._sources_complete_at is None:
            self._sources_complete_at = now
        if not all(status.report.complete for status in sinks):
            return False
        return not sources or not sinks or self._sinks_hold_it(sinks, now - self._sources_complete_at)

    def _sinks_hold_it(self, sinks: Sequence[ConnectorStatus], seconds: float) -> bool:
        if seconds < PICKUP_SECONDS:
            return False
        for sink in sinks:
            self._ends.setdefault(sink.connector.name, sink.report.records + (sink.report.lag_records or 0))
        return all(
            not sink.report.lag_records or sink.report.records >= self._ends[sink.connector.name] for sink in sinks
        )
