"""A plan: what a run would make, and do otherwise than the last one. Plain data, as ``plan --json`` prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connect.config.fields import Changes
from connect.runtime.standing import SINK_RATE, SOURCE_RATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.runtime.difference import Change


@dataclass(frozen=True)
class PlannedTopic:
    """A topic of a table. ``exists`` False: the run makes it; None: unknown. ``keep_ms`` None: it is compacted."""

    name: str
    view: str
    partitions: int
    keep_ms: int | None
    exists: bool | None


@dataclass(frozen=True)
class PlannedOption:
    """A table's option in the end: its value, and ``file:line`` of what decided it; "" where it is the default."""

    value: Any
    origin: str


@dataclass(frozen=True)
class PlannedTable:
    """A captured table.

    Attributes:
        table: Its name on the server.
        key: The topic key's columns; empty for none.
        columns: Name → type, as they leave; a ``?`` behind the type may be null.
        topics: Where it goes.
        snapshot: Whether its rows are read first.
        rows: Estimate by the server's statistics; -1 where it has none yet.
        bytes: Of its data without indexes.
        new_columns: What a later column does.
        notes: What an operator should know.
        schemas: Subject → Avro schema, where the file names a registry: what is registered, or has to be beforehand.
        options: Each of its options.
    """

    table: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    topics: tuple[PlannedTopic, ...]
    snapshot: bool
    rows: int
    bytes: int
    new_columns: str
    notes: tuple[str, ...]
    schemas: Mapping[str, str]
    options: Mapping[str, PlannedOption]


@dataclass(frozen=True)
class PlannedSource:
    """A source.

    Attributes:
        name: In the file.
        plugin: Its plugin's name.
        tables: What it captures.
        left_out: Tables of the server that the file does not name.
        uncaptured: Tables that it names and the log does not carry → the SQL that lets it.
        changes: What the next run does otherwise than the last one.
        rate: Rows a second of its snapshots: measured, else assumed.
        measured: Whether an earlier run measured it.
    """

    name: str
    plugin: str
    tables: tuple[PlannedTable, ...]
    left_out: tuple[str, ...]
    uncaptured: Mapping[str, str]
    changes: tuple[Change, ...] = ()
    rate: float = SOURCE_RATE
    measured: bool = False


@dataclass(frozen=True)
class PlannedSink:
    """A sink.

    Attributes:
        name: In the file.
        plugin: Its plugin's name.
        targets: Topic → its target's options, with the placeholders filled in.
        notes: What an operator should know of it.
        changes: What the next run does otherwise than the last one.
        records: In its topics, or fewer: what a rebuild reads.
        rate: Records a second: measured, else assumed.
        measured: Whether an earlier run measured it.
    """

    name: str
    plugin: str
    targets: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    records: int = 0
    rate: float = SINK_RATE
    measured: bool = False


@dataclass
class Plan:
    """The whole of it.

    Attributes:
        name: The worker group.
        format: Of the records.
        sources: In the file's order.
        sinks: In the file's order.
        internal: Topics of the worker's own.
        changes: Of the worker as a whole: connectors that the file has no more.
        leftovers: What those left on the sources' servers, each with what takes it away.
        partitions: Of all topics above; of them, those that the run makes.
        new_partitions: Likewise.
        unknown: What could not be found out, and why; then the rest of the plan may lack something.
    """

    name: str
    format: str
    sources: list[PlannedSource] = field(default_factory=list)
    sinks: list[PlannedSink] = field(default_factory=list)
    internal: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    partitions: int = 0
    new_partitions: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the run would stop a connector for what has changed."""
        return any(
            change.code or change.acts == Changes.IDENTITY for change in self.all_changes() if change.sign == "~"
        )

    def all_changes(self) -> list[Change]:
        """Of the worker, its sources and its sinks."""
        parts: list[PlannedSource | PlannedSink] = [*self.sources, *self.sinks]
        return [*self.changes, *(change for part in parts for change in part.changes)]
