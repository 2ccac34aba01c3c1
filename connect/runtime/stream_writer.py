"""From a batch of the stream to records: by table where changes still are the log's bytes, else one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from connect.compiled import COMPILED
from connect.record import ChangeEvent, Op
from connect.runtime.guest import lacking_note
from connect.runtime.truncate import Truncation

if COMPILED:
    from connect.changes_c import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connect.api.position import Position
    from connect.api.snapshots import Snapshots
    from connect.api.source import SourceBatch
    from connect.changes_c import Group
    from connect.runtime.guest import Guest
    from connect.runtime.keyless import KeylessFilter
    from connect.runtime.report import TableReport
    from connect.runtime.state_keys import StateKeys
    from connect.runtime.table_writer import Producer, TableWriter, Touched
    from connect.schema.model import TableId, TableSchema


@dataclass
class StreamWriter:
    """Sends what the stream delivers, and tells the guest of it.

    Attributes:
        writers: What writes each table.
        reports: Where each table's changes are counted.
        guest: Hears which keys were touched, and which state record lacks a value.
        keyless: Drops rows that a keyless table's snapshot held.
        state_keys: Reads back what a TRUNCATE deletes.
        snapshots: Knows the form of a key in which its row is read again.
        remember: Takes notes that ride with the next position; None deletes one.
        cut: Before the deletes that are being sent, which may be split there; else None.
    """

    writers: Mapping[TableId, TableWriter]
    reports: Mapping[TableId, TableReport]
    guest: Guest
    keyless: KeylessFilter
    state_keys: StateKeys
    snapshots: Snapshots
    remember: Callable[[str, dict[str, Any] | None], None]
    cut: Position | None = field(default=None, init=False)

    def truncated(self, batch: SourceBatch) -> set[TableId]:
        """The tables that the batch truncates."""
        return {event.table for event in _objects(batch.events) if event.op is Op.TRUNCATE} & self.writers.keys()

    def send(self, batch: SourceBatch, truncated: set[TableId], producer: Producer) -> int:
        """Send all of a batch; ``truncated`` are its tables of that name. How many changes and deletes that is.

        Raises:
            Failed: What the writers raise.
        """
        now_us = time.time_ns() // 1000
        if not truncated and COMPILED and isinstance(batch.events, Changes):
            for group in batch.events.groups:
                self._send_group(batch.events, group, producer, now_us)
            return len(batch.events)
        truncation = self._truncation(truncated) if truncated else None
        deletes = 0
        for index, event in enumerate(batch.events):
            if event.op is Op.TRUNCATE and truncation is not None:
                self.cut = batch.cuts.get(index) if batch.cuts else None
                deletes += self._truncate(event, truncation, producer, now_us)
                self.cut = None
            else:
                self._send_event(event, truncation, producer, now_us)
        return len(batch.events) + deletes

    def _truncation(self, tables: set[TableId]) -> Truncation:
        read_back: dict[TableId, Callable[[], Iterable[bytes]]] = {}
        for table in tables:
            writer = self.writers[table]
            ends = self.state_keys.ends(writer)
            read_back[table] = partial(self.state_keys.live, writer, ends) if ends else tuple
        return Truncation(read_back)

    def _truncate(self, event: ChangeEvent, truncation: Truncation, producer: Producer, now_us: int) -> int:
        table, writer = event.table, self.writers[event.table]
        if self.keyless.drops(table, event.transaction):
            return 0
        self.reports[table].changes += 1
        for key in self.guest.saw_truncate(table, event.transaction):
            self.remember(lacking_note(table, key), None)
        return truncation.send(writer, event, partial(self.state_keys.values, writer), producer.send, now_us)

    def _send_group(self, changes: Changes, group: Group, producer: Producer, now_us: int) -> None:
        """Changes of one table, in log order: as many as can be at a time, those between them by their events."""
        table, at = group.shape.schema.table, group.first
        one_by_one = group.event is not None or self.keyless.looks_at(table)
        bulk = None if one_by_one else self.writers[table].bulk(group.shape)
        while at >= 0:
            if bulk is not None:
                began = at
                at, touched = bulk.write(changes, at, producer, now_us, keys=self.guest.wants_keys)
                self._saw(table, touched, group.shape.schema)
                self.reports[table].changes += changes.between(began, at)
            if at >= 0:
                self._send_event(changes[at], None, producer, now_us)
                at = changes.after(at)

    def _saw(self, table: TableId, touched: Touched, schema: TableSchema) -> None:
        guest = self.guest
        if touched.keys is None:
            guest.saw_some(table, touched.transactions, schema)
            return
        for transaction, keys in zip(touched.transactions, touched.keys, strict=True):
            guest.saw(table, transaction, keys, schema)
            if guest.lacking:
                self._has_all(table, keys)

    def _has_all(self, table: TableId, keys: Sequence[bytes]) -> None:
        for key in keys:
            if self.guest.has_all(table, key):
                self.remember(lacking_note(table, key), None)

    def _send_event(self, event: ChangeEvent, truncation: Truncation | None, producer: Producer, now_us: int) -> None:
        table = event.table
        if self.keyless.drops(table, event.transaction):
            return
        self.reports[table].changes += 1
        written = self.writers[table].write(event, producer.send, now_us)
        self.guest.saw(table, event.transaction, written.keys, event.shape.schema)
        if truncation is not None:
            truncation.saw(table, written)
        if not written.lacking:
            self._has_all(table, written.keys)
            return
        assert event.after is not None  # noqa: S101 - only a new row can lack a value
        key, key_text = written.keys[-1], self.snapshots.key_text(event.after)
        self.guest.lacks(table, key, key_text)
        note = {"table": str(table), "record_key": key.hex(), "key": list(key_text)}
        self.remember(lacking_note(table, key), note)


def _objects(events: Sequence[ChangeEvent]) -> Iterable[ChangeEvent]:
    """The events that are objects already: a TRUNCATE always is one."""
    if COMPILED and isinstance(events, Changes):
        return [group.event for group in events.groups if group.event is not None]
    return events
