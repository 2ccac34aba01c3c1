"""The Postgres source: checks, then the stream of whole transactions (rules S3, S5-S7, S9-S11, S13, S15)."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from connect.api.source import Lag, SourceBatch
from connect.errors import Failed, Retriable
from connect.schema.model import Field, Kind, Type
from connectors.postgres.assembler import Assembler
from connectors.postgres.branch import check_branch
from connectors.postgres.catalog import read_types, table_by_oid
from connectors.postgres.config import inserts_publication, publication_name, slot_name
from connectors.postgres.connection import connect
from connectors.postgres.errors import translate
from connectors.postgres.platform import check_ready
from connectors.postgres.position import PostgresPosition
from connectors.postgres.publication import check_publications, ensure_publications, publication_entries
from connectors.postgres.relations import Catalog, Relations, catalog_key
from connectors.postgres.replication import Replication
from connectors.postgres.server import find_tables
from connectors.postgres.slot import check_slot, check_usable, create_slot, orphans, read_slot, wait_until_free
from connectors.postgres.snapshots import PostgresSnapshots
from connectors.postgres.spool import TransactionSpool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.api.position import Position, Resume
    from connect.api.source import SourceContext
    from connect.schema.model import TableId
    from connectors.postgres.ackgate import AckGate
    from connectors.postgres.assembler import Delivery
    from connectors.postgres.catalog import CatalogTable
    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.replication import Identity

_LOG: Final = logging.getLogger(__name__)
MAX_ROWS: Final = 10_000
MAX_BYTES: Final = 8 * 2**20
# Invariant 7: rows are kept with the whole of what they were received in, which may hold many that are not captured.
MAX_HELD: Final = 64 * 2**20
TABLES_NOTE: Final = "postgres:tables"  # the note of the captured tables' OIDs
PUBLICATIONS_NOTE: Final = "postgres:publications"  # the note of those that the position was streamed from
ENTRIES_NOTE: Final = "postgres:entries"  # the note of what publishes the captured tables, by OID
_KIND: Final = slice(25, 26)  # of an XLogData payload: the letter of its message
_MAY_STOP: Final = frozenset({b"R", b"c"})  # Relation, Stream Commit
_RETAINED_SECONDS: Final = 5.0
_TEXT: Final = Type(Kind.STRING)
_INT64: Final = Type(Kind.INT64)


class PostgresSource:
    """``connect.api.Source``. One thread calls it; the replication thread is its own and joined by ``close``."""

    position = PostgresPosition
    source_fields = (
        Field("schema", _TEXT, optional=False),
        Field("table", _TEXT, optional=False),
        Field("txId", _INT64),
        Field("lsn", _INT64),
        Field("xmin", _INT64),
        Field("origin", _TEXT),
        Field("origin_lsn", _INT64),
    )

    def __init__(self, config: PostgresConfig, context: SourceContext) -> None:
        self._config = config
        self._context = context
        self._slot = slot_name(config, context.group, context.connector)
        self._main = publication_name(config, context.group, context.connector)
        self._prefix = f"connect.{context.group}.{context.connector}"
        self.database = ""  # known once ``open`` connected
        self.rejoined: frozenset[TableId] = frozenset()
        self._notes: dict[str, dict[str, Any] | None] = {}
        self._publications: list[str] = []
        self._resources = contextlib.ExitStack()
        self._side: psycopg.Connection[Any] | None = None
        self._replication: Replication | None = None
        self._assembler: Assembler | None = None
        self._burst: Sequence[bytes] = ()
        self._at = 0  # the payload of the burst that is next
        self._told: PostgresPosition | None = None
        self._told_at = 0.0
        self._snapshots_used = False
        self._retained: tuple[float, int | None] = (0.0, None)
        self._at_head = 0.0  # when nothing was left to read or acknowledge, seconds since 1970

    # Opening: check the source, then stream (invariant 2 did the rest before).

    def open(self, resume: Resume | None) -> PostgresPosition:
        """Check branch, slot and publications, then stream from the stored position.

        Raises:
            Retriable: ``source_unreachable``, ``stopping``.
            Failed: The codes of ``connectors.postgres.failures``; the slot and the position are left as they are.
        """
        try:
            return self._open(resume)
        except psycopg.Error as error:
            raise translate(error, f"{self._context.connector}: opening the source") from None

    def _open(self, resume: Resume | None) -> PostgresPosition:
        connector = self._context.connector
        side = self._side = self._resources.enter_context(contextlib.closing(connect(self._config, connector)))
        replication = Replication(self._config, connector)
        self._resources.callback(replication.close)
        check_ready(side, connector)
        self.database = side.info.dbname
        identity = replication.identify()
        tables = find_tables(side, self._context.tables, connector)
        self._check_keys(tables)
        if resume is not None:
            stored = self._stored(resume.position)
            check_branch(identity, stored, replication.timeline_history)
            self._check_slot(stored)
        self._remember(tables, resume.notes if resume is not None else {})
        self._publications = self._ensure_publications(tables, resume)
        for orphan in orphans(side, self._context.group, self._context.peers, self._context.kept):
            _LOG.warning("%s: %s. %s", connector, orphan.what, orphan.remedy)
        position = self._continued(stored, identity) if resume is not None else self._first(identity, replication)
        self._start(replication, identity, position, tables)
        return position

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        if self._side is None:
            raise Retriable(f"{self._context.connector}: the source is not open", code="source_unreachable")
        return self._side

    def _stored(self, position: Position) -> PostgresPosition:
        return position if isinstance(position, PostgresPosition) else PostgresPosition.from_json(position.to_json())

    def _continued(self, stored: PostgresPosition, identity: Identity) -> PostgresPosition:
        return PostgresPosition(
            stored.system_id,
            identity.timeline,  # the same branch, seen from the timeline that goes on from it
            stored.lsn,
            stored.ordinal,
            stored.row_lsn,
            stored.tx_id,
            stored.ts_usec,
        )

    def _check_keys(self, tables: Mapping[TableId, CatalogTable]) -> None:
        for table, info in tables.items():
            catalog_key(info, [column.name for column in info.columns], self._context.tables[table].key)

    def _remember(self, tables: Mapping[TableId, CatalogTable], notes: Mapping[str, dict[str, Any]]) -> None:
        """Tables are known by OID: one made again under its old name lacks the log of its first rows."""
        before = notes.get(TABLES_NOTE, {})
        now = {str(table): info.oid for table, info in tables.items()}
        replaced = [name for name, oid in now.items() if before.get(name, oid) != oid]
        if replaced:
            raise Failed(
                "table_replaced",
                f"{self._context.connector}: {replaced[0]} was dropped and made again, or swapped for another table",
                hint="Its changes since were not captured: `connect remove SOURCE FILE` and start anew.",
            )
        self._notes = {} if now == before else {TABLES_NOTE: now}

    def _check_slot(self, position: PostgresPosition) -> None:
        check_slot(read_slot(self._connection, self._slot), self._slot, position, self.database)

    def _ensure_publications(self, tables: Mapping[TableId, CatalogTable], resume: Resume | None) -> list[str]:
        # Before the slot: a slot cannot pass a point of the log where its publication did not exist (F20).
        side, connector, inserts = self._connection, self._context.connector, inserts_publication(self._main)
        notes = resume.notes if resume is not None else {}
        found = publication_entries(side, [self._main, inserts], tables)
        if not self._config.publication.manage:
            names = check_publications(side, self._main, inserts, tables, connector, started=resume is not None)
        else:
            before = notes.get(PUBLICATIONS_NOTE, {}).get("names", []) if resume is not None else None
            # A name that the file gives may be another source's as well; a default one is of this source alone.
            captured = notes.get(TABLES_NOTE, {}).values() if self._config.publication.name else None
            names = ensure_publications(side, self._main, tables, connector, before, captured)
            if names != before:
                self._notes[PUBLICATIONS_NOTE] = {"names": names}
        self.rejoined = _rejoined(found, notes)
        entries = {str(table): now for table, now in publication_entries(side, names, tables).items()}
        if entries != notes.get(ENTRIES_NOTE):
            self._notes[ENTRIES_NOTE] = entries
        return names

    def _first(self, identity: Identity, replication: Replication) -> PostgresPosition:
        """A slot at the head of the log; one of our name without a stored position is from a start that broke off."""
        context = self._context
        if context.temporary:
            lsn = replication.create_temporary_slot(self._connection, self._slot, context.say, context.stopping)
            return PostgresPosition(identity.system_id, identity.timeline, lsn)
        wait_until_free(self._connection, self._slot, self._context.say, self._context.stopping)
        slot = read_slot(self._connection, self._slot)  # nobody moves it now
        if slot is not None:
            check_usable(slot, self.database)
            return PostgresPosition(identity.system_id, identity.timeline, slot.confirmed_lsn)
        with contextlib.closing(connect(self._config, self._context.connector)) as creator:
            lsn = create_slot(creator, self._connection, self._slot, self._context.say, self._context.stopping)
        return PostgresPosition(identity.system_id, identity.timeline, lsn)

    def _start(
        self,
        replication: Replication,
        identity: Identity,
        position: PostgresPosition,
        tables: Mapping[TableId, CatalogTable],
    ) -> None:
        side, config, context = self._connection, self._config, self._context
        catalog = Catalog(lambda oid: table_by_oid(side, oid), lambda: read_types(side), read_types(side))
        oids = {info.oid: table for table, info in tables.items()}
        relations = Relations(context.tables, oids, catalog, config.types)
        spool = TransactionSpool(context.spool, config.spool.memory, config.spool.max)
        self._resources.callback(spool.close)
        self._assembler = Assembler(relations, spool, position, self._prefix)
        self._take_slot(replication, position, identity.wal_end)
        replication.run()
        self._replication = replication
        self._told, self._told_at = position, time.monotonic()

    def _take_slot(self, replication: Replication, position: PostgresPosition, wal_end: int) -> None:
        """START_REPLICATION once nobody reads the slot, and see that whoever read it before left us what is ours."""
        context, streaming = self._context, self._config.streaming == "on"
        while True:
            if not context.temporary:  # such a slot is this connection's already
                wait_until_free(self._connection, self._slot, context.say, context.stopping)
            self._check_slot(position)
            try:
                replication.start(self._slot, self._publications, position.lsn, wal_end, streaming=streaming)
                break
            except Retriable as error:
                if error.code != "slot_busy":
                    raise
        # Invariant 1: from a slot confirmed further, the server silently starts there; ours now, it stays as it is.
        self._check_slot(position)

    # Streaming.

    def read(self, timeout: float) -> SourceBatch | None:
        """Whole transactions up to a bound in rows and bytes; a bigger transaction in parts (rule S4).

        Raises:
            Retriable: The link broke.
            Failed: The log cannot be continued (rule S13).
        """
        try:
            return self._read(timeout)
        except psycopg.Error as error:
            raise translate(error, f"{self._context.connector}: reading the stream") from None

    def _read(self, timeout: float) -> SourceBatch | None:
        replication, assembler = self._running()
        deadline = time.monotonic() + timeout
        while True:
            if self._assemble(assembler):
                return self._batch(assembler.take())
            if _is_full(assembler):
                return self._batch(assembler.take(split=not assembler.whole))
            due = self._progress_due(assembler)
            wait = 0.0 if assembler.whole or due else max(0.0, deadline - time.monotonic())
            burst = replication.take(wait)
            if burst is not None:
                self._burst, self._at = burst, 0
            elif assembler.whole or due:
                return self._batch(assembler.take())
            elif wait == 0.0 or time.monotonic() >= deadline:
                return None

    def _running(self) -> tuple[Replication, Assembler]:
        if self._replication is None or self._assembler is None:
            raise Retriable(f"{self._context.connector}: the source is not open", code="source_unreachable")
        return self._replication, self._assembler

    def _assemble(self, assembler: Assembler) -> bool:
        """Feed what was received until the batch is full or nothing is left; True where it ends before that.

        Whole transactions are handed out before a table's shape is learnt, and before a streamed transaction, which may
        hold one: where the new shape stops the connector, what precedes it is published.
        """
        while not _is_full(assembler):
            if assembler.replaying:
                assembler.replay(MAX_ROWS, MAX_BYTES, MAX_HELD)
                continue
            self._at = assembler.feed_plain(self._burst, self._at, MAX_ROWS, MAX_BYTES)
            if self._at >= len(self._burst):
                self._burst, self._at = (), 0
                return False
            if _is_full(assembler):
                return False
            payload = self._burst[self._at]
            if assembler.whole and payload[_KIND] in _MAY_STOP:
                return True
            try:
                assembler.feed(payload)
            except Failed:
                if not assembler.whole:
                    raise
                return True  # it is met again once what precedes it is handed out
            self._at += 1
        return False

    def _progress_due(self, assembler: Assembler) -> bool:
        """Whether progress without rows is told: at once after a mark of ours, else at the heartbeat's period (F15).

        Notes of the start are told at once too: a kill before the first change must not lose them. So is the end of a
        transaction whose last rows went out before it came: until then nobody may read any of them (invariant 9).
        """
        if self._notes:
            return True
        if self._told is None or not assembler.position.is_after(self._told):
            return False
        if self._told.ordinal and not assembler.position.ordinal:
            return True
        if assembler.marked or (self._snapshots_used and self._connection.info.server_version < 140_000):
            return True
        return time.monotonic() - self._told_at >= self._config.heartbeat / 1000

    def _batch(self, delivery: Delivery) -> SourceBatch:
        self._told, self._told_at = delivery.position, time.monotonic()
        notes, self._notes = self._notes, {}
        return SourceBatch(delivery.events, delivery.position, delivery.boundary, notes, delivery.cuts)

    def acknowledge(self, position: Position) -> None:
        """``position`` is durable in Kafka: its boundary may be confirmed to the server (rule S5)."""
        replication, _ = self._running()
        if isinstance(position, PostgresPosition):
            replication.acknowledge(position.lsn)  # inside a transaction too this is the boundary before it

    @property
    def skipped(self) -> int:
        """Rows dropped because they were delivered before this start (rule S11)."""
        return self._assembler.skipped if self._assembler is not None else 0

    def lag(self) -> Lag:
        """Bytes between the acknowledged position and the log's end as last heard; WAL held, at most 5 s old.

        Seconds are the age of the last commit that was read or, if that is less, the time since nothing was left to
        read or to acknowledge: after a quiet night the first commit is not a night behind.
        """
        if self._replication is None:
            return Lag()
        gate = self._replication.gate
        behind = max(0, gate.seen_lsn - gate.acknowledged_lsn)
        return Lag(bytes=behind, seconds=self._seconds_behind(gate), retained_bytes=self._retained_bytes())

    def _seconds_behind(self, gate: AckGate) -> float | None:
        if self._assembler is None or self._told is None:
            return None
        now, position = time.time(), self._assembler.position
        if position.lsn >= gate.seen_lsn and gate.acknowledged_lsn >= self._told.lsn:
            self._at_head = now
        since = max(self._at_head, (position.ts_usec or 0) / 1_000_000)
        return max(0.0, now - since) if since else None

    def _retained_bytes(self) -> int | None:
        asked_at, held = self._retained
        if time.monotonic() - asked_at < _RETAINED_SECONDS:
            return held
        query = (
            "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::int8"
            " FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"
        )
        try:
            found = self._connection.execute(query, (self._slot,)).fetchone()
        except psycopg.Error as error:
            raise translate(error, f"{self._context.connector}: asking for the WAL held") from None
        self._retained = (time.monotonic(), found[0] if found else None)
        return self._retained[1]

    def snapshots(self) -> PostgresSnapshots:
        """A reader of table contents over a connection of its own."""
        self._snapshots_used = True
        return PostgresSnapshots(
            self._config,
            self._context.connector,
            self._prefix,
            self._context.tables,
            self._publications,
            self._context.say,
            self._context.stopping,
        )

    def close(self) -> None:
        """End the stream and the connections. Idempotent."""
        self._replication = None
        self._resources.close()


def _rejoined(found: Mapping[TableId, list[int]], notes: Mapping[str, dict[str, Any]]) -> frozenset[TableId]:
    """Tables captured before that nothing published for a while: their changes meanwhile are not in the log.

    ``found`` is what publishes them before this start mends it. One that moves between our two publications has, until
    then, what published it before.
    """
    captured, before = notes.get(TABLES_NOTE, {}), notes.get(ENTRIES_NOTE, {})
    return frozenset(
        table
        for table, entries in found.items()
        if str(table) in captured and not set(entries) & set(before.get(str(table), entries))
    )


def _is_full(assembler: Assembler) -> bool:
    return assembler.rows >= MAX_ROWS or assembler.size >= MAX_BYTES or assembler.held >= MAX_HELD
