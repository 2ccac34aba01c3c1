"""What earlier runs left noted in Kafka, read for ``plan`` without touching it; the worker may run meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connect.errors import ConnectError
from connect.kafka.positions import PositionStore
from connect.kafka.sink_notes import OPTIONS, RATE, REBUILT, look_at_notes
from connect.runtime.bookkeeping import is_bookkeeping
from connect.runtime.snapshot_rate import noted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connect.config.models import Config
    from connect.kafka.topics import Topics

SOURCE_RATE: Final = 50_000.0  # rows a second, assumed where no run has measured any
SINK_RATE: Final = 20_000.0  # records a second, likewise


@dataclass(frozen=True)
class SourceStanding:
    """A source's notes; none where it was never started, or where ``unknown`` says why they could not be read."""

    started: bool = False
    notes: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Rows a second of its snapshots, measured."""
        return noted(self.notes)


@dataclass(frozen=True)
class SinkStanding:
    """A sink's notes.

    Attributes:
        options: Its own at its last start; None where it was never started.
        targets: Topic → options, of the last run; None for one whose options nobody noted.
        known: Topics that some run has begun.
        rate: Records a second, measured.
    """

    options: Mapping[str, Any] | None = None
    targets: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    rate: float | None = None


class Standings:
    """Reads them, connector by connector."""

    def __init__(self, config: Config, topics: Topics) -> None:
        """``topics``: an admin connection to the file's cluster."""
        self._config = config
        self._topics = topics
        self._kafka = config.kafka.settings()

    def source(self, name: str) -> SourceStanding:
        """Of a source. Raises ``ConnectError`` where it cannot be read."""
        position, notes = PositionStore(self._kafka, self._topics, self._config.name, name).look()
        return SourceStanding(position is not None, notes if position is not None else {})

    def sink(self, name: str) -> SinkStanding:
        """Of a sink. Raises ``ConnectError`` where it cannot be read."""
        notes = look_at_notes(self._kafka, self._topics, f"{self._config.name}.{name}")
        last, rate = notes.pop(OPTIONS, None), notes.pop(RATE, {})
        targets = last["targets"] if last else dict.fromkeys(notes)
        options = last["options"] if last else None
        if last and last.get(REBUILT):
            return SinkStanding(options, rate=rate.get("records_per_second"))
        return SinkStanding(options, targets, frozenset(notes), rate.get("records_per_second"))

    def gone(self, existing: set[str]) -> Iterator[tuple[str, str]]:
        """Connectors that ran once and that the file has no more: (source or sink, name)."""
        for ending, kind, there in (
            (".positions", "source", self._config.sources),
            (".bootstrap", "sink", self._config.sinks),
        ):
            for topic in sorted(existing):
                name = topic.removeprefix(f"{self._config.name}.").removesuffix(ending)
                own = topic == f"{self._config.name}.{name}{ending}" and name not in there
                if own and self._is_standing(topic, kind, name):
                    yield kind, name

    def _is_standing(self, topic: str, kind: str, name: str) -> bool:
        try:
            if not is_bookkeeping(self._kafka, topic):
                return False
            return kind == "sink" or self.source(name).started
        except ConnectError:
            return False  # whoever may not read it did not make it
