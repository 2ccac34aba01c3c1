"""The contract of a source plugin: tail a log, hand out batches, hear what became durable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from connect.api.position import Position, Resume
    from connect.api.snapshots import Snapshots
    from connect.api.tables import TableOptions
    from connect.record import ChangeEvent
    from connect.schema.model import Field, TableId


class SourceBatch(NamedTuple):
    """What one ``read`` gives.

    A transaction that brings a table's new shape begins a batch, so that what precedes it is published where the shape
    stops the connector.

    Attributes:
        events: In log order; may be empty: progress without rows.
        resume_after: The position after the last event. A restart from it repeats none of the batch and loses nothing.
        boundary: True when the batch ends between source transactions; False inside a split one (rule S4).
        notes: Written in the same Kafka transaction as the rows and the position; None deletes a note.
        cuts: Index of each TRUNCATE → the position before it: in a state topic it is a delete of every key, which may
            be more than one Kafka transaction takes (rule S4). None where the source does not say; then it has to fit.
    """

    events: Sequence[ChangeEvent]
    resume_after: Position
    boundary: bool
    notes: Mapping[str, dict[str, Any] | None]
    cuts: Mapping[int, Position] | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a source is behind its log; what ``status`` prints. None where unknown."""

    bytes: int | None = None
    seconds: float | None = None
    retained_bytes: int | None = None  # log that the server keeps for us (WAL held by the slot)


@dataclass(frozen=True)
class SourceContext:
    """What the runtime gives a source when it builds it.

    Attributes:
        connector: The source's name in the file, for messages and server-side names.
        group: The worker group's name (the file's ``name``).
        tables: The tables to capture, resolved, with their options.
        spool: A folder of this task's own, mode 0700, emptied at start, for transactions too big to hold.
        say: Tells the operator in one sentence what is going on or waited for; "" when it is over.
        stopping: True once the task should end; long waits look at it at least every 100 ms.
        temporary: It is only looked at: what the server keeps for this reader must end with the connection.
        peers: Names of all sources of the group, this one's too; empty where they are not known.
        kept: What those sources keep on their servers, under names of ``Plugin.names``.
    """

    connector: str
    group: str
    tables: Mapping[TableId, TableOptions]
    spool: Path
    say: Callable[[str], None] = field(default=lambda _: None)
    stopping: Callable[[], bool] = field(default=lambda: False)
    temporary: bool = False
    peers: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


@runtime_checkable
class Source(Protocol):
    """A log reader. One thread calls all methods; the order is open, (read | acknowledge)*, close.

    A source that is not open, or not any more, cannot be read: ``Retriable`` at once.

    It may have, once it is open: ``skipped``, the rows that it dropped since they were delivered before (rule S11); and
    ``rejoined``, the tables captured before of which the log lacks changes. Their next snapshot run begins.
    """

    position: type[Position]  # the class that reads this source's stored positions
    database: str  # that ``open`` connected to, the envelope's ``source.db``; "": each table's own namespace is one
    source_fields: Sequence[Field]  # the plugin's own fields of the envelope's ``source`` block, after the common ones

    def open(self, resume: Resume | None) -> Position:
        """Check the server, then start reading after ``resume``; None is the first start.

        The order is fence, read the position, check the source, stream (invariant 2); the runtime did the first two.

        Returns:
            The position that the stream starts from. On a first start the runtime stores it before any row.

        Raises:
            Retriable: The server is not there right now.
            Failed: The position cannot be continued: slot lost, gap, wrong branch, missing right.
        """
        ...

    def read(self, timeout: float) -> SourceBatch | None:
        """The next events, bounded in rows, bytes and time; None when ``timeout`` seconds passed with no progress.

        Raises:
            Retriable: The link broke. The runtime closes, waits, builds anew and opens at the stored position.
            Failed: The log cannot be continued (rule S13): the next start meets the same event again.
        """
        ...

    def acknowledge(self, position: Position) -> None:
        """``position`` is durable in Kafka (invariant 1): the server may forget the log before it."""
        ...

    def lag(self) -> Lag:
        """What is known now, without a round trip."""
        ...

    def snapshots(self) -> Snapshots:
        """A reader of table contents over a connection of its own, for the runtime's snapshot algorithm."""
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent; called from ``finally``."""
        ...
