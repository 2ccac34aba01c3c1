"""The loop of a source: read, transform, encode, produce, commit, acknowledge.

Order of start (invariant 2, rule S3): fence, read the position to its end, check the source, stream. Every commit holds
whole source transactions with the position after them (invariants 1 and 9, rules S2 and S4); only then does the source
hear of that position.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from connect.api.position import Resume
from connect.errors import ConnectError, Failed, Fenced, Retriable
from connect.failpoints import failpoint
from connect.kafka.positions import VERSION, VERSION_NOTE, PositionStore
from connect.kafka.producer import TRANSACTION_TIMEOUT_MS, TransactionalProducer
from connect.kafka.topics import Topics
from connect.record import ChangeEvent, Op
from connect.runtime.commits import Commits
from connect.runtime.guest import (
    ChunkReader,
    Guest,
    Ready,
    TableProgress,
    snapshot_note,
)
from connect.runtime.keyless import KeylessFilter, read_keyless
from connect.runtime.shape_history import ShapeHistory
from connect.runtime.snapshot_rate import NOTE as RATE
from connect.runtime.snapshot_rate import SnapshotRate
from connect.runtime.source_job import OPTIONS
from connect.runtime.source_report import SourceReport
from connect.runtime.source_topics import SourceTopics
from connect.runtime.state_keys import StateKeys
from connect.runtime.status_file import make_private
from connect.runtime.stream_writer import StreamWriter
from connect.runtime.table_identity import (
    known_columns,
    still_masked,
)
from connect.runtime.table_watch import TableWatch
from connect.runtime.table_writer import TableWriter
from connect.runtime.truncate import key_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from connect.api.position import Position
    from connect.api.snapshots import Chunk, Snapshots
    from connect.api.source import Source, SourceBatch
    from connect.api.tables import TableInfo, TableOptions
    from connect.runtime.source_job import SourceJob
    from connect.runtime.table_writer import Pipeline
    from connect.schema.formats import Encoder
    from connect.schema.model import TableId

_LOG: Final = logging.getLogger("connect.source")
_BEHIND_ROWS: Final = 2_000  # a batch with so many rows has more behind it: the log goes before the snapshot
_CHUNK_SECONDS: Final = 1.0  # but a snapshot sends a chunk this often, however far behind the stream is
_OWNER: Final = "owner"  # the note with the name of the process that fenced last
_OWNER_SECONDS: Final = 10.0


class SourceTask:
    """One run of a source, from fence to stop. Any error ends it; the retry table decides whether another follows."""

    _commits: Commits
    _table_topics: SourceTopics

    def __init__(self, job: SourceJob) -> None:
        self._job = job
        self._report = SourceReport(job.report)
        self._topics = Topics(job.kafka, job.stopping)
        self._store = PositionStore(job.kafka, self._topics, job.group, job.name, job.stopping)
        self._producer: TransactionalProducer | None = None
        self._source: Source | None = None
        self._guest: Guest | None = None
        self._writers: dict[TableId, TableWriter] = {}
        self._owner = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()}
        self._stream: StreamWriter | None = None
        self._sweeping = False
        self._chunk_at = 0.0  # when the last chunk was sent
        self._pace = SnapshotRate()
        self._changes = 0  # of the stream, since then
        self._keyless: KeylessFilter | None = None
        self._snapshots: Snapshots | None = None
        self._watch: TableWatch | None = None

    # --- start -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            Retriable, Failed, Fenced: See ``connect.errors``.
        """
        try:
            self._start()
            self._loop()
        except Fenced as error:
            raise self._cause(error) from None

    def _loop(self) -> None:
        commits = self._commits
        while not self._job.stopping():
            batch = self._next()
            commits.step(more=batch is not None)
            if commits.pace.boundary and self._snapshot_due(batch):
                self._snapshot_turn()
            self._tell(force=False)
            self._take_up_tables()
        if commits.pace.boundary:
            commits.commit()

    def _next(self) -> SourceBatch | None:
        """Read a batch and send it."""
        assert self._source is not None  # noqa: S101 - _start built it
        patience = self._commits.pace.patience(busy=self._guest is not None and self._guest.busy)
        with self._commits.publishing_what_precedes():
            batch = self._source.read(patience)
            failpoint("source.after_read")
            if batch is None:
                return None
            truncated = self._encode(batch)
        if truncated:
            self._send_truncated(batch, truncated)
        self._commits.took(batch)
        self._changes += len(batch.events)
        return batch

    def _snapshot_due(self, batch: SourceBatch | None) -> bool:
        """After a kill, or a burst of changes, the stream comes back to the head of the log first."""
        behind = batch is not None and len(batch.events) >= _BEHIND_ROWS
        return not behind or time.monotonic() - self._chunk_at > _CHUNK_SECONDS

    def _cause(self, error: Fenced) -> Exception:
        """Fenced by another owner, or by the broker, which gives up on a transaction that was open for too long?

        Every owner writes its name before anything else. Where ours is the last one, nobody took over (F-3). But it
        writes it after it fenced: a transaction that was not open for long can only be another owner's work.
        """
        if self._producer is None or not self._producer.overdue:
            return error
        try:
            _, notes = self._store.read(_OWNER_SECONDS)
        except ConnectError:
            return error
        if notes.get(_OWNER, {}).get("id") != self._owner["id"]:
            return error
        message = f"{error.message}: nobody took over, the broker had given the transaction up"
        hint = "It goes on from the stored position. If it lasts: is the machine, or the broker, out of breath?"
        return Retriable(message, code="transaction_timeout", hint=hint)

    def _start(self) -> None:
        job = self._job
        # It connects meanwhile: fencing asked for before a broker is known is asked again 500 ms later, by librdkafka.
        producer = self._producer = self._new_producer(TRANSACTION_TIMEOUT_MS)
        found = job.discover()
        self._store.ensure()
        producer.fence()  # Invariant 2: fence, then read the position to its end, then check the source, then stream.
        failpoint("source.after_fence")
        stored, notes = self._store.read()
        commits = self._commits = Commits(producer, self._store, notes, self._acknowledge)
        tables = {t: (info, still_masked(info, choice, notes)) for t, (info, choice) in found.captured.items()}
        columns = {t: known_columns(info, choice, notes) for t, (info, choice) in found.captured.items()}
        options = {table: choice for table, (_, choice) in tables.items()}
        context = job.context(options, self._say)
        make_private(context.spool)
        source = self._source = job.build(context)
        self._claim(producer, tables, stored)
        resume = None if stored is None else Resume(source.position.from_json(stored), notes)
        pipeline = job.pipeline(options, columns)
        topics = self._table_topics = SourceTopics(job, self._topics, notes, self._remember)
        topics.name(tables, pipeline)
        if resume is None:
            topics.check_name(context.peers)
        topics.check_identities(tables)
        if notes.get(OPTIONS) != job.applied:
            commits.pending[OPTIONS] = dict(job.applied)
        topics.ensure(options)
        producer.partitions.update({name: topic.partitions for name, topic in topics.known.items()})
        commits.position = source.open(resume)
        failpoint("source.after_open")
        self._state_keys = StateKeys(job.kafka, self._topics, topics.known, job.reader, self._rest)
        self._make_writers(source, tables, pipeline)
        self._tell_uncaptured(found.uncaptured)
        self._begin_guest(source, tables)
        if resume is None:
            commits.pace.touch()  # the first position is stored before any row
            commits.commit()
        self._tell(force=True)
        if job.widens:
            self._watch = TableWatch(job.name, job.discover, tables.keys())

    def _tell_uncaptured(self, tables: Mapping[TableId, str]) -> None:
        for table, remedy in tables.items():
            _LOG.warning("%s: %s is NOT CAPTURED, the log does not carry it: %s", self._job.name, table, remedy)
            self._report.add_uncaptured(table, f"NOT CAPTURED: {remedy}")

    def _take_up_tables(self) -> None:
        """Tables appeared that the file's patterns name: a new start captures them, and goes on where this one ends."""
        if self._watch is None or not self._watch.appeared or not self._commits.pace.boundary:
            return
        self._commits.commit()
        named = ", ".join(map(str, self._watch.appeared[:5]))
        raise Retriable(f"{self._job.name}: new tables: {named}", code="tables_appeared", hint="They are captured now.")

    def _claim(
        self, producer: TransactionalProducer, tables: Mapping[TableId, Any], stored: dict[str, Any] | None
    ) -> None:
        """Write who owns the connector now, and end the notes of tables that are captured no more.

        Such a table, named again later, is read anew: what happened to it meanwhile is in no log of ours. So its notes
        end before the source hears that it is left out.
        """
        captured = {str(table) for table in tables}
        gone = [name for name, note in self._commits.notes.items() if _table_of(name, note) not in {None, *captured}]
        notes: dict[str, dict[str, Any] | None] = {_OWNER: self._owner, **dict.fromkeys(gone)}
        notes[VERSION_NOTE] = {"version": VERSION}
        if stored is None:
            self._commits.pending.update(notes)
            return
        producer.begin()
        self._store.send(producer, stored, notes)
        producer.commit()
        for name in gone:
            del self._commits.notes[name]

    def _new_producer(self, timeout_ms: int) -> TransactionalProducer:
        job = self._job
        return TransactionalProducer(job.kafka, f"{job.group}-{job.name}-0", timeout_ms, job.stopping)

    def _make_writers(
        self, source: Source, tables: Mapping[TableId, tuple[TableInfo, TableOptions]], pipeline: Pipeline
    ) -> None:
        job = self._job
        wire = self._wire = job.wire(self._commits.notes)
        common = job.block(source)
        for table, (info, choice) in tables.items():
            block = common if common.database else replace(common, database=table.schema)
            may_break = partial(job.may_break, tuple(self._table_topics.names[table].values()))
            history = ShapeHistory(table, choice, self._commits.notes, self._remember, may_break)
            self._writers[table] = TableWriter(
                table,
                choice,
                self._table_topics.names[table],
                wire=wire,
                block=block,
                pipeline=pipeline,
                evolve=history.shape,
                bound=self._bound,
            )
            note = "" if info.can_change else "its UPDATEs and DELETEs are NOT CAPTURED: it has no replica identity"
            self._report.add(table, note)

    def _remember(self, name: str, note: dict[str, Any] | None) -> None:
        self._commits.pending[name] = note

    def _bound(self, topic: str, encoder: Encoder) -> None:
        """A new encoder: its key schema must be the topic's (rule S14), its schema ids ride with the position."""
        name, wanted = f"topic:{topic}", encoder.key_schema_id
        note = self._commits.pending.get(name) or self._commits.notes.get(name) or {}
        if wanted is not None and note.get("key_schema_id") not in (None, wanted):
            message = f"the key schema of topic {topic} has id {wanted}, and its keys were written under "
            message += str(note["key_schema_id"])
            hint = "The same key would go to another partition. Restore the registry, or start under another name."
            raise Failed("key_schema_id", message, hint=hint)
        if wanted is not None and note.get("key_schema_id") is None:
            self._commits.pending[name] = {**note, "key_schema_id": wanted}
        self._commits.pending.update(self._wire.notes())

    # --- snapshots ---------------------------------------------------------------------------------------------

    def _begin_guest(self, source: Source, tables: Mapping[TableId, tuple[TableInfo, TableOptions]]) -> None:
        snapshots = self._snapshots = source.snapshots()
        keyless = [table for table, (info, choice) in tables.items() if not (choice.key or info.schema.key)]
        self._keyless = KeylessFilter(snapshots, self._commits.notes, keyless)
        rejoined: AbstractSet[TableId] = getattr(source, "rejoined", frozenset())
        progress = {}
        for table, (_, choice) in tables.items():
            report = self._report.tables[table]
            if table in keyless or choice.snapshot == "never":
                if table in rejoined and (choice.snapshot == "never" or snapshot_note(table) in self._commits.notes):
                    raise _missed(table, self._job.name)
                continue
            progress[table] = self._progress(table, choice.where, again=table in rejoined)
            self._report.resume(table, progress[table].rows)
            if not progress[table].done:
                report.phase, report.total = "snapshot", snapshots.estimate(table)[0]
        for table in keyless:
            choice = tables[table][1]
            if choice.snapshot != "never" and snapshot_note(table) not in self._commits.notes:
                self._read_keyless(table, snapshots)
        doubt = snapshots.in_doubt()
        self._guest = Guest(
            ChunkReader(snapshots, self._job.name),
            progress,
            self._job.max_rows_per_second,
            self._job.window,
            say=self._say,
        )
        self._guest.doubt(doubt)
        named = {str(table): table for table in tables}
        for name, note in self._commits.notes.items():
            if name.startswith("lacking:") and (owner := named.get(note["table"])) is not None:
                self._guest.lacks(owner, bytes.fromhex(note["record_key"]), tuple(note["key"]))
        self._stream = StreamWriter(
            self._writers,
            self._report.tables,
            self._guest,
            self._keyless,
            self._state_keys,
            snapshots,
            self._remember,
        )

    def _progress(self, table: TableId, where: str | None, *, again: bool) -> TableProgress:
        """How far a table's snapshot is; ``again``: the log lacks changes of it, so the next run begins (rule N8).

        So it does where an operator asked for it (``maintenance.read_again``), who may know of rows that went unlogged;
        behind a ``where`` nobody can tell which. A new run is noted no later than the source notes that it captures the
        table, so that a kill before its turn changes nothing.
        """
        note = self._commits.notes.get(snapshot_note(table))
        if note is not None and not again and not note.get("again"):
            return TableProgress.from_note(note)
        run = 1 if note is None else TableProgress.from_note(note).run + 1
        asked = note is not None and not again
        if note is not None:
            why = "an operator asked for it" if asked else "the log lacks changes of it"
            _LOG.warning("%s: %s is read again: %s", self._job.name, table, why)
        since = None if asked and where else self._state_keys.ends(self._writers[table])
        if since and where:
            raise _hidden(table, self._job.name)
        progress = TableProgress(run=run, since=since)
        self._commits.pending[snapshot_note(table)] = progress.to_note()
        return progress

    def _read_keyless(self, table: TableId, snapshots: Snapshots) -> None:
        """A table without a key goes into one Kafka transaction, so that a cut leaves nothing visible (DESIGN §5)."""
        report = self._report.tables[table]
        report.phase, report.total = "snapshot", snapshots.estimate(table)[0]
        self._tell(force=True)
        writer = self._writers[table]

        def sent(rows: int) -> None:
            report.rows = rows
            self._tell(force=False)

        note = read_keyless(writer, snapshots, self._commits.transaction(), sent, self._job.stopping)
        self._commits.pending[snapshot_note(table)] = note
        self._commits.pace.touch()
        failpoint("snapshot.before_keyless_commit")
        self._commits.commit()
        if self._keyless is not None:
            self._keyless.add(table, note)
        report.phase = "streaming"

    def _snapshot_turn(self) -> None:
        guest = self._guest
        assert guest is not None  # noqa: S101 - _start built it
        if self._keyless is not None:
            self._commits.pending.update(self._keyless.retire(self._commits.position))
        ready = guest.ready(self._commits.position)
        guest.ask()  # the next chunk is read while this one is encoded and sent
        if ready is not None:
            failpoint("snapshot.after_chunk")
            started = time.monotonic()
            self._send_chunk(ready)
            before, self._chunk_at = self._chunk_at or started, time.monotonic()
            if not ready.keys:
                self._pace.add(len(ready.chunk.rows), self._chunk_at - before)
            guest.took(self._chunk_at - started, quiet=not self._changes)
            self._changes = 0

    def _send_chunk(self, ready: Ready) -> None:
        writer, chunk = self._writers[ready.table], ready.chunk
        assert self._guest is not None  # noqa: S101 - it gave us the chunk
        now_us = time.time_ns() // 1000
        drop = frozenset().union(*ready.drop)  # one look a row, however many transactions were invisible
        with self._commits.publishing_what_precedes():
            sent = writer.read_rows(chunk, self._commits.outbox, now_us, drop)
        self._commits.pending.update(self._guest.sent(ready, sent))
        progress = self._guest.tables[ready.table]
        if progress.done and (rate := self._pace.note()):
            self._commits.pending[RATE] = rate
        since = progress.since if chunk.done and not ready.keys else None
        if since:  # it is not done before what it did not meet is deleted
            self._commits.pending[snapshot_note(ready.table)] = replace(progress, done=False).to_note()
        self._report.counts.records += sent
        self._commits.pace.touch()
        failpoint("snapshot.before_commit")
        self._commits.start()
        if progress.done or ready.keys:
            self._commits.settle(wait=True)
        if since:
            self._sweep(writer, chunk, since)
            self._commits.pending[snapshot_note(ready.table)] = progress.to_note()
            self._commits.pace.touch()
            self._commits.commit()
        if not ready.keys:
            report = self._report.tables[ready.table]
            report.rows, report.phase = progress.rows, "streaming" if progress.done else "snapshot"

    def _sweep(self, writer: TableWriter, chunk: Chunk, since: list[int]) -> None:
        """A run that began on a filled topic is done: keys that it did not meet are gone from the table (rule N8)."""
        failpoint("snapshot.before_sweep")
        ends = self._state_keys.ends(writer)
        gone = self._state_keys.live(writer, ends, since) if ends else ()
        shape = writer.bind(chunk.shape).shape
        event = ChangeEvent(Op.DELETE, shape, None, None, chunk.source, chunk.ts_us)
        rows = key_rows(shape, gone, partial(self._state_keys.values, writer))
        self._sweeping = True
        self._report.counts.records += writer.delete(
            event, rows, self._commits.transaction().send, time.time_ns() // 1000
        )
        self._sweeping = False

    def _rest(self) -> None:
        """Amid deletes of keys that are read back: commit before the broker gives the transaction up (rule S4).

        After a kill those that are left are read back again, so until the last of them the position stays before them.
        """
        if self._job.stopping():
            raise Retriable(f"{self._job.name}: stopped while keys were deleted from a topic", code="stopping")
        self._tell(force=False)
        cut = self._commits.position if self._sweeping else self._stream.cut if self._stream else None
        if cut is not None and self._commits.pace.is_long:
            self._commits.position = cut
            self._commits.pace.touch()
            self._commits.commit()
            self._commits.transaction()

    # --- stream ------------------------------------------------------------------------------------------------

    def _encode(self, batch: SourceBatch) -> set[TableId]:
        """Encode a batch; instead, the tables that it truncates."""
        stream = self._stream
        assert stream is not None  # noqa: S101 - _start built it
        truncated = stream.truncated(batch)
        if batch.events and not truncated:
            self._report.counts.records += stream.send(batch, truncated, self._commits.outbox)
        return truncated

    def _send_truncated(self, batch: SourceBatch, truncated: set[TableId]) -> None:
        """Send a batch whose deletes are read back: not held, since they may be many."""
        assert self._stream is not None  # noqa: S101 - _start built it
        self._commits.commit()  # the topic is read back at this point: all that came before must be readable
        self._report.counts.records += self._stream.send(batch, truncated, self._commits.transaction())

    def _acknowledge(self, position: Position) -> None:
        assert self._source is not None  # noqa: S101 - _start built it
        self._source.acknowledge(position)
        self._report.counts.transactions += 1

    # --- telling -----------------------------------------------------------------------------------------------

    def _say(self, message: str) -> None:
        if self._report.say(message):
            self._tell(force=True)

    def _tell(self, *, force: bool) -> None:
        report = self._report
        if not force and not report.is_due():
            return
        if self._guest is not None and self._source is not None:
            report.stands(self._source, self._commits.durable or self._commits.position)
        report.tell()

    def close(self) -> None:
        """Let go of everything, in the order in which others wait for it. Idempotent."""
        watch, self._watch = self._watch, None
        guest, self._guest = self._guest, None
        source, self._source = self._source, None
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
        if guest is not None:
            guest.reader.close()
        if source is not None:
            source.close()
        if watch is not None:
            watch.close()


def _missed(table: TableId, source: str) -> Failed:
    """Read again, it would repeat rows; gone on with, it would be incomplete without a word (invariant 6)."""
    return Failed(
        "changes_missed",
        f"{source}: the log lacks changes of {table}, which was out of the publication for a while",
        hint=f"Leave {table} out of the file, start, and name it again: it begins anew. A table without a key is then "
        "read whole, so its topic has those rows twice.",
    )


def _hidden(table: TableId, source: str) -> Failed:
    """A key that the run does not meet may be gone from the table, or be there and hidden: nobody can tell."""
    return Failed(
        "where_hides",
        f"{source}: {table} has to be read anew, and its snapshot.where hides rows: which keys are gone cannot be told",
        hint=f"Take where: out of {table} for this reading, or route it to a topic of its own.",
    )


def _table_of(name: str, note: Mapping[str, Any]) -> str | None:
    """The table that a note of a snapshot, of its identity or of a lacking value is about; None for other notes."""
    kind, _, rest = name.partition(":")
    if kind in {"snapshot", "table"}:
        return rest
    return str(note["table"]) if kind == "lacking" else None
