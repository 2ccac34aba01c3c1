"""What a log source adds so that the runtime's one snapshot algorithm can drive it (DESIGN §5, rules N1-N8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from connect.api.position import Position
    from connect.record import Row, RowShape
    from connect.schema.model import TableId

# A key as the database prints it, one text per column: JSON-ready, and only the database ever orders it (rule N4).
Key = tuple[str, ...]


class Mark(Protocol):
    """A point of the log taken through the snapshot's connection."""

    def reached(self, position: Position) -> bool:
        """True when a stream that stands at ``position`` has delivered every transaction committed before the mark."""
        ...


@dataclass(frozen=True)
class Chunk:
    """Rows of one table as one database snapshot saw them.

    Attributes:
        shape: The table's shape in that snapshot.
        rows: In key order.
        last_key: The last key *read*, or None when nothing was left.
        done: True when no rows lie after ``last_key``.
        sees: Whether the snapshot sees a transaction that the stream delivered, by ``ChangeEvent.transaction``.
        source: The ``source`` block values of these rows.
        ts_us: When the chunk was read, by the database's clock, microseconds since 1970 UTC.
        snapshot_note: A JSON-ready form of the database snapshot, for tables without a key (their rows of the log are
            filtered by it after a restart too).
    """

    shape: RowShape
    rows: Sequence[Row]
    last_key: Key | None
    done: bool
    sees: Callable[[Hashable], bool]
    source: tuple[Any, ...]
    ts_us: int
    snapshot_note: dict[str, Any]


class Snapshots(Protocol):
    """Reads tables beside the stream. One thread calls all methods, another one than the source's."""

    def mark(self) -> Mark:
        """A mark at the current end of the log, made so that the stream passes it soon even if nobody else writes."""
        ...

    def in_doubt(self) -> Collection[Hashable]:
        """Transactions that may have been delivered by an earlier process and are still invisible to a snapshot.

        Asked once after each open; a chunk that does not see one of them is read again.
        """
        ...

    def read_chunk(self, table: TableId, after_key: Key | None, max_rows: int, max_bytes: int) -> Chunk:
        """The next rows in the database's own key order.

        Args:
            table: A captured table with a key.
            after_key: Rows strictly after this key; None from the start.
            max_rows: At most so many rows; a chunk with fewer is the last.
            max_bytes: Stop after the row that passes so many bytes.

        Raises:
            Retriable: The link broke or the query-time budget ran out; ask again, for fewer rows.
            Failed: The table or the right to read it is gone.
        """
        ...

    def read_keys(self, table: TableId, keys: Sequence[Key], max_bytes: int | None = None) -> Chunk:
        """The rows of these keys that exist, for values which the log did not carry (DESIGN §6).

        Raises:
            Retriable: ``query_budget`` also where several rows have more than ``max_bytes``: ask for fewer keys. A
                single row is read whatever its size.
        """
        ...

    def read_keyless(self, table: TableId) -> Chunk:
        """A whole table without a key; ``rows`` is an iterator-backed sequence read within one database snapshot."""
        ...

    def sees(self, snapshot_note: dict[str, Any]) -> Callable[[Hashable], bool]:
        """``Chunk.sees`` again from its stored note."""
        ...

    def key_text(self, row: Row) -> Key:
        """A row's key in the form that ``read_keys`` takes."""
        ...

    def estimate(self, table: TableId) -> tuple[int, int]:
        """Rows and bytes that the table holds, by the server's statistics; for progress only."""
        ...

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        ...


@runtime_checkable
class NamesTransactions(Protocol):
    """What a reader of table contents may add, for the operator who wonders what a snapshot waits for."""

    def whose(self, transactions: Collection[Hashable]) -> str:
        """Whom transactions belong to: process, role and age of the oldest; "" where they are over or nobody knows."""
        ...
