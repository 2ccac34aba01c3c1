"""Transactions that real servers stream while they run, through parser and spool (F24, F25, F27)."""

from __future__ import annotations

import select
import struct
import time
from itertools import chain, count

import psycopg
import pytest
from psycopg import pq

from connect.local.postgres import BUNDLED_VERSION, postgres_versions
from connectors.postgres import pgoutput
from connectors.postgres.spool import TransactionSpool

pytestmark = pytest.mark.stack

PAD = "repeat('x', 200)"  # a thousand rows of it are more than the server holds back
ENDS = (pgoutput.Commit, pgoutput.StreamCommit)
slots = count(1)


class Reader:
    """A walsender's messages; rows of committed transactions collect in ``rows``."""

    def __init__(self, url, slot, spool) -> None:
        options = {"options": "-c logical_decoding_work_mem=64kB", "replication": "database"}
        self.connection = psycopg.connect(url, autocommit=True, **options)
        parallel = self.connection.info.server_version >= 160_000
        mode = "proto_version '4', streaming 'parallel'" if parallel else "proto_version '2', streaming 'on'"
        start = f"START_REPLICATION SLOT {slot} LOGICAL 0/0 ({mode}, publication_names 'c_spool')"
        assert self.connection.pgconn.exec_(start.encode()).status == pq.ExecStatus.COPY_BOTH
        self.spool, self.xid = spool, None
        self.relations, self.columns, self.rows, self.aborts = {}, set(), [], []

    def until(self, *kinds):
        """Read until a message of these kinds."""
        while not isinstance(self._handle(*self._next()), kinds):
            pass

    def _next(self):
        deadline = time.monotonic() + 30
        pgconn = self.connection.pgconn
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0 and data[:1] == b"w":
                return struct.unpack_from(">Q", data, 1)[0], bytes(data[25:])
            if size == 0:
                assert time.monotonic() < deadline, "no message came"
                select.select([pgconn.socket], [], [], 1)
                pgconn.consume_input()

    def _handle(self, lsn, data):
        message = pgoutput.parse(data, streaming=self.xid is not None)
        match message:
            case pgoutput.StreamStart():
                self.xid = message.xid
            case pgoutput.StreamStop():
                self.xid = None
            case pgoutput.StreamAbort():
                self.aborts.append(message)
                self.spool.abort(message.xid, message.subxid)
            case pgoutput.StreamCommit():
                for payload in chain.from_iterable(self.spool.replay(message.xid)):
                    self._row(pgoutput.parse(payload[25:], streaming=True))
                self.spool.discard(message.xid)
            case _ if self.xid is not None:
                self.spool.append(self.xid, message.xid, lsn, data)
            case _:
                self._row(message)
        return message

    def _row(self, message):
        if isinstance(message, pgoutput.Relation):
            self.relations[message.oid] = [column.name for column in message.columns]
            self.columns.update(self.relations[message.oid])
        if isinstance(message, pgoutput.Insert):
            names, cells = self.relations[message.oid], pgoutput.split_tuple(message.new)
            self.rows.append({name: cell for name, cell in zip(names, cells, strict=True) if name != "pad"})

    @property
    def ids(self):
        return [int(row["id"]) for row in self.rows]


@pytest.fixture(scope="module", params=[version for version in postgres_versions() if version >= 14])
def url(stack, request):
    version = request.param
    server = stack.postgres if version == BUNDLED_VERSION else stack.new_postgres(f"spool-{version}", version=version)
    return server.create_database("c_spool")


@pytest.fixture
def writer(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, pad text)")
        connection.execute("DROP PUBLICATION IF EXISTS c_spool; CREATE PUBLICATION c_spool FOR ALL TABLES")
        yield connection


@pytest.fixture(params=[1 << 30, 10_000], ids=["in memory", "in files"])
def spool(request, tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=request.param, max_bytes=1 << 30)
    yield spool
    spool.close()


@pytest.fixture
def reader(url, writer, spool):
    slot = f"c_spool_{next(slots)}"
    writer.execute(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    reader = Reader(url, slot, spool)
    yield reader
    reader.connection.close()
    writer.execute(
        f"SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"
    )
    writer.execute(f"SELECT pg_drop_replication_slot('{slot}')")


def insert(first, last, columns="id, pad", values=f"i, {PAD}"):
    return f"INSERT INTO t ({columns}) SELECT {values} FROM generate_series({first}, {last}) i"


def test_F24_streamed_rows_of_a_rolled_back_savepoint_are_dropped(writer, reader):
    writer.execute(f"BEGIN; {insert(1, 1000)}; SAVEPOINT s; {insert(1001, 2000)}")
    while reader.spool.bytes < 1900 * 200:
        reader.until(pgoutput.StreamStop)
    writer.execute(f"ROLLBACK TO s; {insert(3001, 3005)}; COMMIT")
    reader.until(*ENDS)

    assert reader.ids == [*range(1, 1001), *range(3001, 3006)]
    assert [abort.xid != abort.subxid for abort in reader.aborts] == [True]
    assert reader.spool.bytes == 0


def test_F24_savepoints_nested_three_deep(writer, reader):
    writer.execute(f"BEGIN; {insert(1, 500)}; SAVEPOINT a; {insert(501, 1000)}; SAVEPOINT b; {insert(1001, 1500)}")
    reader.until(pgoutput.StreamStop)
    writer.execute(f"SAVEPOINT c; {insert(1501, 2500)}; RELEASE c; {insert(2501, 3500)}")
    while reader.spool.bytes < 3000 * 200:
        reader.until(pgoutput.StreamStop)
    writer.execute(f"ROLLBACK TO b; {insert(3501, 4000)}; RELEASE a; {insert(4001, 4500)}; COMMIT")
    reader.until(*ENDS)

    assert reader.ids == [*range(1, 1001), *range(3501, 4501)]
    assert len(reader.aborts) == 2  # the savepoint and the one released into it


def test_F25_a_rolled_back_transaction_leaves_nothing(writer, reader):
    writer.execute(f"BEGIN; {insert(1, 1000)}")
    reader.until(pgoutput.StreamStop)
    writer.execute(f"ROLLBACK; {insert(5000, 5000)}")
    reader.until(*ENDS)

    assert reader.ids == [5000]
    assert [abort.xid == abort.subxid for abort in reader.aborts] == [True]
    assert reader.spool.bytes == 0


def test_an_abort_has_a_position_with_protocol_4_only(writer, reader):
    writer.execute(f"BEGIN; {insert(1, 1000)}")
    reader.until(pgoutput.StreamStop)
    writer.execute("ROLLBACK")
    reader.until(pgoutput.StreamAbort)

    (abort,) = reader.aborts
    assert (abort.lsn is not None, abort.ts_us is not None) == (writer.info.server_version >= 160_000,) * 2


def test_a_table_first_touched_by_a_rolled_back_savepoint_has_its_shape(writer, reader):
    writer.execute(f"BEGIN; SAVEPOINT s; {insert(1, 1000)}")
    reader.until(pgoutput.StreamStop)
    writer.execute(f"ROLLBACK TO s; {insert(2001, 3000)}; COMMIT")
    reader.until(*ENDS)

    assert reader.ids == [*range(2001, 3001)]


def test_F27_a_rolled_back_schema_change_leaves_the_old_shape(writer, reader):
    wide = insert(1001, 2000, "id, pad, more", f"i, {PAD}, 7")
    writer.execute(f"BEGIN; {insert(1, 1000)}; SAVEPOINT s; ALTER TABLE t ADD more int; {wide}")
    while reader.spool.bytes < 1900 * 200:
        reader.until(pgoutput.StreamStop)
    writer.execute(f"ROLLBACK TO s; {insert(2001, 3000)}; COMMIT")
    reader.until(*ENDS)

    assert reader.ids == [*range(1, 1001), *range(2001, 3001)]
    assert reader.columns == {"id", "pad"}


def test_F27_a_schema_change_inside_a_streamed_transaction_holds_from_its_row_on(writer, reader):
    wide = insert(1001, 2000, "id, pad, more", f"i, {PAD}, 7")
    writer.execute(f"BEGIN; {insert(1, 1000)}; ALTER TABLE t ADD more int; {wide}; COMMIT")
    reader.until(*ENDS)

    assert [tuple(row) for row in reader.rows] == [("id",)] * 1000 + [("id", "more")] * 1000
    assert reader.rows[-1]["more"] == b"7"


def test_two_streamed_transactions_at_once_come_in_commit_order(url, writer, reader):
    with psycopg.connect(url, autocommit=True) as other:
        writer.execute(f"BEGIN; {insert(1, 1000)}")
        other.execute(f"BEGIN; {insert(2001, 3000)}; COMMIT")
        writer.execute("COMMIT")
    reader.until(*ENDS)
    reader.until(*ENDS)

    assert reader.ids == [*range(2001, 3001), *range(1, 1001)]
