"""Tables without a key: read whole under one database snapshot, then the log without what that snapshot saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed, Retriable
from connect.kafka.producer import TRANSACTION_TIMEOUT_MS
from connect.record import ChangeEvent, Op
from connect.runtime.guest import snapshot_note

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from connect.api.position import Position
    from connect.api.snapshots import Mark, Snapshots
    from connect.kafka.producer import TransactionalProducer
    from connect.runtime.table_writer import TableWriter
    from connect.schema.model import TableId

_TIME_LIMIT: Final = TRANSACTION_TIMEOUT_MS / 1000 * 0.8


def read_keyless(
    writer: TableWriter,
    snapshots: Snapshots,
    producer: TransactionalProducer,
    sent: Callable[[int], None],
    stopping: Callable[[], bool],
) -> dict[str, Any]:
    """Send a whole table inside the open transaction; returns the note of its database snapshot.

    Raises:
        Retriable: ``stopping``: told to stop; nothing of the table is visible.
        Failed: ``keyless_too_big``: it does not fit the time of one Kafka transaction.
    """
    chunk = snapshots.read_keyless(writer.table)
    started, now_us, rows = time.monotonic(), time.time_ns() // 1000, 0
    for row in chunk.rows:
        event = ChangeEvent(Op.READ, row.shape, None, row, chunk.source, chunk.ts_us)
        rows += writer.read_row(row, event, producer.send, now_us, frozenset()) is not None
        if rows % 1000 == 0:
            if stopping():
                raise Retriable(f"table {writer.table}: stopped while it was read", code="stopping")
            producer.poll()
            sent(rows)
            if time.monotonic() - started > _TIME_LIMIT:
                raise _too_big(writer.table, rows)
    sent(rows)
    return {"run": 1, "after": None, "rows": rows, "done": True, "snapshot": chunk.snapshot_note}


def _too_big(table: TableId, rows: int) -> Failed:
    message = f"table {table} has no key and does not fit one Kafka transaction: {rows} rows in {_TIME_LIMIT:.0f} s"
    hint = f"ALTER TABLE {table} ADD PRIMARY KEY (...), or snapshot: {{mode: never}} for it."
    return Failed("keyless_too_big", message, hint=hint)


@dataclass
class _Seen:
    sees: Callable[[Hashable], bool]
    mark: Mark
    note: dict[str, Any]


class KeylessFilter:
    """Drops rows of the log that a keyless table's snapshot held already, until the log has passed that snapshot."""

    def __init__(self, snapshots: Snapshots, notes: Mapping[str, dict[str, Any]], tables: Iterable[TableId]) -> None:
        """Takes up the filters that an earlier process left in ``notes``."""
        self._snapshots = snapshots
        self._seen: dict[TableId, _Seen] = {}
        for table in tables:
            note = notes.get(snapshot_note(table))
            if note is not None and "snapshot" in note:
                self.add(table, note)

    def add(self, table: TableId, note: dict[str, Any]) -> None:
        """A table was read; call before the stream goes on. The mark lies after everything that its snapshot saw."""
        self._seen[table] = _Seen(self._snapshots.sees(note["snapshot"]), self._snapshots.mark(), note)

    def drops(self, table: TableId, transaction: Hashable) -> bool:
        """Whether a row of the log was in the table's snapshot."""
        seen = self._seen.get(table)
        return seen is not None and seen.sees(transaction)

    def looks_at(self, table: TableId) -> bool:
        """Whether rows of the log may be dropped for this table."""
        return table in self._seen

    def retire(self, position: Position) -> dict[str, dict[str, Any]]:
        """Notes of filters that the log has passed: transaction ids wrap around, so none may stay for ever."""
        notes = {}
        for table, seen in list(self._seen.items()):
            if seen.mark.reached(position):
                del self._seen[table]
                notes[snapshot_note(table)] = {k: v for k, v in seen.note.items() if k != "snapshot"}
        return notes
