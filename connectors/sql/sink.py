"""The SQL sink: batches become rows, and the offsets after them, in one transaction (rules K1 to K5)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from connect.api import Failure, SinkContext, TopicPartition, WriteResult
from connect.compiled import COMPILED
from connect.errors import Failed, RecordError
from connect.record import Op
from connectors.sql.database import BadRowsError
from connectors.sql.ledger import Ledger
from connectors.sql.loads import Load, Loads
from connectors.sql.mysql import MysqlDatabase
from connectors.sql.postgres import PostgresDatabase
from connectors.sql.records import change, truncation
from connectors.sql.rows import Rows
from connectors.sql.sqlite import SqliteDatabase
from connectors.sql.targets import Targets

if COMPILED:
    from connect.schema.avro_reader_c import SinkRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from connect.record import SinkRecord
    from connectors.sql.changes import Change
    from connectors.sql.config import SqlConfig
    from connectors.sql.database import Database


def connect(config: SqlConfig, application: str) -> SqliteDatabase | MysqlDatabase | PostgresDatabase:
    """A connection to the database that the URL names."""
    if config.url.reveal().startswith("sqlite:"):
        return SqliteDatabase(config)
    if config.url.reveal().startswith("mysql:"):
        return MysqlDatabase(config, application)
    return PostgresDatabase(config, application)


class SqlSink:
    """See ``connect.api.Sink``. One connection, made at ``open``; whoever opened last owns the target."""

    def __init__(self, config: SqlConfig, context: SinkContext) -> None:
        self._config = config
        self._context = context
        self._name = f"{context.group}.{context.connector}"
        self._db: Database | None = None
        self._loads: Loads | None = None
        self._offsets: dict[TopicPartition, int] = {}
        self._incomplete = 0
        self._epoch = 0

    def open(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Connect, take the target over, and say where to go on.

        Raises:
            Failed: ``target_missing``, ``target_changed``, ``topic_id_changed``, ``offset_format``.
            Fenced: This sink was open before, and another owner took over since.
        """
        self.close()
        self._db = db = connect(self._config, self._name)
        self._ledger = ledger = Ledger(db, self._name, self._epoch)
        self._targets = Targets(db, ledger, self._context)
        self._rows = Rows(db, ledger, self._targets.by_topic)
        self._loads = Loads(db, self._targets) if COMPILED and not isinstance(db, SqliteDatabase) else None
        with db.transaction():
            ledger.make_tables()
        with db.transaction():
            ledger.take_over()
            self._targets.check({partition.topic for partition in partitions})
            stored = ledger.positions()
            _check_topics(partitions, stored)
            ledger.begin([partition for partition in partitions if partition not in stored])
            self._incomplete = ledger.incomplete()
        self._epoch = ledger.epoch
        self._offsets = {partition: stored.get(partition, 0) for partition in partitions}
        return {partition: offset for partition, offset in stored.items() if offset} | self._offsets

    def write(
        self,
        batch: Sequence[SinkRecord],
        next_offsets: Mapping[TopicPartition, int],
        skip: AbstractSet[int],
    ) -> WriteResult:
        """See ``connect.api.Sink``: all in one transaction, or nothing where a record failed that is not skipped."""
        if self._db is None:
            message = "write before open"
            raise RuntimeError(message)
        if self._loads is not None and isinstance(batch, SinkRecords) and self._may_fold(batch, skip):
            with suppress(BadRowsError):  # looked at one by one they are found and named (rule K5)
                return self._write_folded(self._db, self._loads, batch, next_offsets)
        return self._write_each(self._db, batch, next_offsets, skip)

    def write_again(self, batch: Sequence[SinkRecord], skip: AbstractSet[int]) -> WriteResult:
        """See ``connect.api.WritesAgain``."""
        if self._db is None:
            message = "write before open"
            raise RuntimeError(message)
        changes, failures = self._prepare((index, record) for index, record in enumerate(batch) if index not in skip)
        return self._finish(self._db, batch, [], changes, failures, {})

    def _write_each(
        self,
        db: Database,
        batch: Sequence[SinkRecord],
        next_offsets: Mapping[TopicPartition, int],
        skip: AbstractSet[int],
    ) -> WriteResult:
        held = {(partition.topic, partition.partition): offset for partition, offset in self._offsets.items()}
        stale = {i for i, record in enumerate(batch) if record.offset < held[record.topic, record.partition]}
        wanted = ((index, record) for index, record in enumerate(batch) if index not in skip and index not in stale)
        changes, failures = self._prepare(wanted)
        result = self._finish(db, batch, [], changes, failures, next_offsets)
        return replace(result, stale=0 if result.failures else len(stale))

    def _finish(
        self,
        db: Database,
        batch: Sequence[SinkRecord],
        loads: Sequence[Load],
        changes: Sequence[Change],
        failures: list[Failure],
        next_offsets: Mapping[TopicPartition, int],
    ) -> WriteResult:
        if not failures:
            failures = self._commit(db, loads, changes, next_offsets)
            if failures:
                self._look_at_targets([batch[failure.index] for failure in failures])
        if failures:
            return WriteResult(sorted(failures, key=lambda failure: failure.index))
        return WriteResult(applied=len(changes) + sum(load.applied for load in loads), incomplete=self._incomplete)

    def _may_fold(self, batch: SinkRecords, skip: AbstractSet[int]) -> bool:
        """Whether a batch may be folded before its records are looked at: none is stale, no row waits for columns."""
        new = all(first >= self._offsets[place] for place, (first, _) in batch.places().items())
        return new and not skip and not self._incomplete

    def _write_folded(
        self, db: Database, loads: Loads, batch: SinkRecords, next_offsets: Mapping[TopicPartition, int]
    ) -> WriteResult:
        """Write topics whose records are plain by text that compiled code made, and the others as ``_write_each``."""
        folded, left = batch.fold()
        plain: list[Load] = []
        for topic, of_topic in folded.items():
            load = loads.make(of_topic)
            if load is None:
                left.add(topic)
            else:
                plain.append(load)
        changes, failures = self._prepare((index, batch[index]) for index in batch.indexes(left))
        return self._finish(db, batch, plain, changes, failures, next_offsets)

    def close(self) -> None:
        """Let go of the connection; an open transaction ends with it."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _prepare(self, wanted: Iterable[tuple[int, SinkRecord]]) -> tuple[list[Change], list[Failure]]:
        """Records as changes, and the tables ready for them: DDL comes before a batch and never inside it."""
        changes: list[Change] = []
        failures: list[Failure] = []
        for index, record in wanted:
            try:
                change = self._change(index, record)
            except RecordError as error:
                failures.append(Failure(index, error.message))
            else:
                if change is not None:
                    changes.append(change)
        return changes, failures

    def _change(self, index: int, record: SinkRecord) -> Change | None:
        if record.op is Op.TRUNCATE:
            return truncation(index, record) if self._targets.find(record.topic) else None
        plan = self._targets.plan(record)
        return change(index, record, plan) if plan else None  # None: a delete where there never was a row (F133)

    def _look_at_targets(self, refused: Sequence[SinkRecord]) -> None:
        """Rows were refused: if a target was altered under us it is no fault of the rows, and FAILED says so (F136)."""
        self._targets.recheck()
        for record in refused:
            self._change(0, record)

    def _commit(
        self,
        db: Database,
        loads: Sequence[Load],
        changes: Sequence[Change],
        next_offsets: Mapping[TopicPartition, int],
    ) -> list[Failure]:
        """Rows and offsets, or nothing; the failures that kept it from being done."""
        # Invariant 3: a position never goes back.
        moves = {tp: (self._offsets[tp], new) for tp, new in next_offsets.items() if new > self._offsets[tp]}
        failures: list[Failure] = []
        with suppress(_RefusedError), db.transaction():
            self._ledger.lock()
            self._rows.incomplete = self._incomplete
            if self._loads is not None:
                self._loads.apply(loads)
            failures = self._rows.apply(changes)
            if failures:
                raise _RefusedError
            topics = {change.topic for change in changes} | {load.topic for load in loads}
            touched = topics & self._targets.by_topic.keys()
            db.confirm([self._targets.by_topic[topic].table for topic in touched])
            self._ledger.advance(moves)  # Invariant 4: the position is in the transaction of its rows
            incomplete = self._ledger.incomplete()
        if not failures:
            self._incomplete = incomplete
            self._offsets.update({partition: new for partition, (_, new) in moves.items()})
        return failures


class _RefusedError(Exception):
    """Rolls a transaction back whose failures the runtime hears of."""


def _check_topics(partitions: Sequence[TopicPartition], stored: Mapping[TopicPartition, int]) -> None:
    """A topic that was deleted and made again is another topic (F98)."""
    ids = {partition.topic: partition.topic_id for partition in partitions}
    for known in stored:
        if ids.get(known.topic, known.topic_id) != known.topic_id:
            message = f"topic {known.topic} was deleted and made again since this sink read it"
            raise Failed("topic_id_changed", message, hint="Run connect rebuild SINK FILE to read the new one.")
