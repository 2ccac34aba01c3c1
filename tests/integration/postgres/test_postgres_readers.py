"""Chunks read by several connections are the chunks that one reads (DESIGN §5, rules N4 and N5)."""

import threading

import pytest

from connect.api import TableOptions
from connect.errors import Retriable
from connect.schema.model import TableId
from connectors.postgres import copying, readers, snapshots
from connectors.postgres.readers import Readers

pytestmark = pytest.mark.stack

T = TableId("public", "t")
PLENTY = 1 << 30
TABLES = {
    "int": [
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "INSERT INTO t SELECT g * 3, 'x' || g FROM generate_series(1, 100) g",
    ],
    "text": [
        "CREATE TABLE t (v int, k text COLLATE {} PRIMARY KEY)",
        "INSERT INTO t SELECT g, (ARRAY['a','B','ä','Z',E'\\n','_','1'])[1 + g % 7] || g FROM generate_series(1, 99) g",
    ],
    "composite": [
        "CREATE TABLE t (a text, b int, c bool, PRIMARY KEY (b, a, c))",
        "INSERT INTO t SELECT (g % 13)::text, g % 2, g % 3 = 0 FROM generate_series(1, 78) g ON CONFLICT DO NOTHING",
    ],
    "partitions": [
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY HASH (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO t SELECT generate_series(1, 100)",
    ],
    "one row": ["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (7)"],
    "empty": ["CREATE TABLE t (id int PRIMARY KEY)"],
}
HUNDRED = TABLES["int"][0], "INSERT INTO t SELECT g, 'x' || g FROM generate_series(1, 100) g"


@pytest.fixture
def worth(monkeypatch):
    """Chunks of any size are shared."""
    monkeypatch.setattr(readers, "BYTES_WORTH", 1)


@pytest.fixture
def open_snapshots(world, worth):
    opened = []

    def make(count, **more):
        keys = more.pop("snapshot", {}) | {"readers": count}
        reader = world.open("public.t", snapshot=keys, **more)
        opened.append(reader.source.snapshots())
        reader.source.close()  # one slot, and nobody needs the stream
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(params=dict.fromkeys([False, snapshots.NATIVE]), ids=lambda native: "compiled" if native else "python")
def native(request, monkeypatch):
    for module in (copying, snapshots):
        monkeypatch.setattr(module, "NATIVE", request.param)


def chunks(reader, max_rows, max_bytes=PLENTY):
    found = [reader.read_chunk(T, None, max_rows, max_bytes)]
    while not found[-1].done:
        found.append(reader.read_chunk(T, found[-1].last_key, max_rows, max_bytes))
    return [([row.to_dict() for row in chunk.rows], chunk.last_key, chunk.done) for chunk in found]


def others_of(reader):
    return [other.info.backend_pid for other in reader._readers._others]


def before_others_join(monkeypatch, do):
    """``do()`` once the first connection has its database snapshot and the bounds, and no other has joined it."""
    connections = Readers._connections

    def hooked(self, count):
        do()
        return connections(self, count)

    monkeypatch.setattr(Readers, "_connections", hooked)


@pytest.mark.parametrize("table", TABLES)
def test_chunks_of_three_readers_are_those_of_one(world, open_snapshots, native, table):
    ((collation,),) = world.sql(  # some builds have no ICU, some machines no locales
        "SELECT quote_ident(collname) FROM pg_collation WHERE collencoding IN (-1, 6)"
        " ORDER BY collname = 'en-x-icu' DESC, collname = 'en_US.utf8' DESC, collname = 'C' LIMIT 1"
    )
    world.sql(*(statement.format(collation) for statement in TABLES[table]))
    three, one = open_snapshots(3), open_snapshots(1)
    for size in (2, 3, 7, 40, 101):
        assert chunks(three, size) == chunks(one, size)


def test_each_range_has_a_connection_until_the_table_is_done(world, open_snapshots):
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    assert not reader.read_chunk(T, None, 30, PLENTY).done
    assert others_of(reader) == []  # how wide rows are is not known yet
    assert reader.read_chunk(T, ("30",), 30, PLENTY).last_key == ("60",)
    kept = others_of(reader)
    assert len(kept) == 2
    assert reader.read_chunk(T, ("60",), 30, PLENTY).last_key == ("90",)
    assert others_of(reader) == kept
    assert reader.read_chunk(T, ("90",), 30, PLENTY).done
    left = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(ARRAY[{}])".format(", ".join(map(str, kept)))
    world.wait_for(lambda: world.sql(left) == [(0,)])


def test_what_is_read_at_once_by_one_has_no_other_connection(world, open_snapshots, monkeypatch):
    monkeypatch.undo()
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    for after in (None, ("30",)):
        reader.read_chunk(T, after, 30, PLENTY)
    assert others_of(reader) == []


@pytest.mark.usefixtures("native")
def test_the_chunk_ends_where_a_range_has_its_bytes(world, open_snapshots):
    """Rows up to 40 are small, the others not: the second of the three ranges is cut, and the third is dropped."""
    world.sql(TABLES["int"][0])
    world.sql(
        "INSERT INTO t SELECT g, repeat('x', CASE WHEN g <= 40 THEN 7 ELSE 400 END) FROM generate_series(1, 120) g"
    )
    reader = open_snapshots(3)
    reader.read_chunk(T, None, 10, PLENTY)
    chunk = reader.read_chunk(T, ("10",), 90, 3000)
    assert [row["id"] for row in chunk.rows] == list(range(11, 44))
    assert (chunk.last_key, chunk.done) == (("43",), False)
    every = [row["id"] for rows, _, _ in chunks(reader, 90, 3000) for row in rows]
    assert every == list(range(1, 121))


def test_a_condition_that_is_another_one_in_each_transaction_loses_no_row(world, open_snapshots):
    """As ``expires < now()`` is: the ranges of the others have rows that the lead did not count."""
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    reader.read_chunk(T, None, 10, PLENTY)
    reader._tables[T] = TableOptions(where=f"id % 2 = 0 OR pg_backend_pid() <> {reader._own.info.backend_pid}")
    chunk = reader.read_chunk(T, ("10",), 30, PLENTY)
    assert [row["id"] for row in chunk.rows] == [*range(12, 31, 2), *range(31, 42)]
    assert (chunk.last_key, chunk.done) == (("41",), False)


def test_wide_rows_are_shared_out_below_the_limit_of_bytes(world, open_snapshots):
    world.sql(TABLES["int"][0], "INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 500) g")
    reader = open_snapshots(2)
    reader.read_chunk(T, None, 10, PLENTY)
    chunk = reader.read_chunk(T, ("10",), 1000, 100_000)
    assert 70 < len(chunk.rows) <= 75  # three quarters, so that no range is cut
    assert (chunk.last_key, chunk.done) == ((str(10 + len(chunk.rows)),), False)


def test_a_commit_after_the_first_readers_start_is_seen_by_none(world, open_snapshots, monkeypatch):
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    reader.read_chunk(T, None, 10, PLENTY)
    before_others_join(
        monkeypatch,
        lambda: world.sql(
            "UPDATE t SET v = 'late'",
            "DELETE FROM t WHERE id IN (15, 50, 95)",
            "UPDATE t SET id = 1000 WHERE id = 60",
            "INSERT INTO t VALUES (1001, 'late')",
        ),
    )
    chunk = reader.read_chunk(T, ("10",), 100, PLENTY)
    assert len(others_of(reader)) == 0  # it was the last
    assert [(row["id"], row["v"]) for row in chunk.rows] == [(n, f"x{n}") for n in range(11, 101)]


def test_N5_a_change_of_the_table_that_waits_is_not_waited_for(world, open_snapshots, monkeypatch):
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    reader.read_chunk(T, None, 10, PLENTY)
    session = world.session(autocommit=True)
    altering = threading.Thread(target=session.execute, args=("ALTER TABLE t ADD COLUMN w int DEFAULT 5",))
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted"

    def alter():
        altering.start()
        world.wait_for(lambda: world.sql(waits) == [(1,)])

    before_others_join(monkeypatch, alter)
    chunk = reader.read_chunk(T, ("10",), 60, PLENTY)
    altering.join()
    session.close()
    monkeypatch.undo()
    assert [row.to_dict() for row in chunk.rows] == [{"id": n, "v": f"x{n}"} for n in range(11, 71)]
    assert reader.read_chunk(T, chunk.last_key, 60, PLENTY).rows[0].to_dict() == {"id": 71, "v": "x71", "w": 5}


def test_a_reader_that_breaks_is_made_anew(world, open_snapshots):
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    for after in (None, ("10",)):
        reader.read_chunk(T, after, 10, PLENTY)
    world.sql(f"SELECT pg_terminate_backend({others_of(reader)[1]})")
    with pytest.raises(Retriable) as broken:
        reader.read_chunk(T, ("20",), 30, PLENTY)
    assert broken.value.code == "source_unreachable"
    assert [row["id"] for row in reader.read_chunk(T, ("20",), 30, PLENTY).rows] == list(range(21, 51))


SLOW_END = TableOptions(where="id <= 70 OR pg_sleep(30) IS NOT NULL")  # in the third range of 11 to 100


def test_a_reader_that_breaks_while_it_reads_breaks_the_chunk(world, open_snapshots):
    world.sql(*HUNDRED)
    reader = open_snapshots(3, options={"public.t": SLOW_END}, snapshot={"max_query": "100s"})
    reader.read_chunk(T, None, 10, PLENTY)
    sleeps = "pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

    def kill():
        world.wait_for(lambda: world.sql(f"SELECT count(*) FROM {sleeps}") == [(1,)])
        world.sql(f"SELECT pg_terminate_backend(pid) FROM {sleeps}")

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(Retriable) as broken:
        reader.read_chunk(T, ("10",), 90, PLENTY)
    killing.join()
    assert broken.value.code == "source_unreachable"
    assert [row["id"] for row in reader.read_chunk(T, ("10",), 60, PLENTY).rows] == list(range(11, 71))


def test_a_range_over_the_budget_asks_for_fewer_rows(world, open_snapshots):
    world.sql(*HUNDRED)
    reader = open_snapshots(3, options={"public.t": SLOW_END}, snapshot={"max_query": "200ms"})
    reader.read_chunk(T, None, 10, PLENTY)
    with pytest.raises(Retriable) as over:
        reader.read_chunk(T, ("10",), 90, PLENTY)
    assert over.value.code == "query_budget"
    kept = others_of(reader)
    assert [row["id"] for row in reader.read_chunk(T, ("10",), 60, PLENTY).rows] == list(range(11, 71))
    assert others_of(reader) == kept  # fit for another try


def test_a_database_snapshot_that_is_gone_is_retried(world, open_snapshots, monkeypatch):
    world.sql(*HUNDRED)
    reader = open_snapshots(3)
    reader.read_chunk(T, None, 10, PLENTY)
    lead = reader._own.info.backend_pid
    gone = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {lead}"

    def kill():
        world.sql(f"SELECT pg_terminate_backend({lead})")
        world.wait_for(lambda: world.sql(gone) == [(0,)])

    before_others_join(monkeypatch, kill)
    with pytest.raises(Retriable, match="cannot join the first") as broken:
        reader.read_chunk(T, ("10",), 30, PLENTY)
    assert broken.value.code == "source_unreachable"
    monkeypatch.undo()
    assert [row["id"] for row in reader.read_chunk(T, ("10",), 30, PLENTY).rows] == list(range(11, 41))


def test_a_chunk_of_several_readers_sees_what_the_stream_says(world, worth):
    world.sql(*HUNDRED)
    stream = world.open("public.t", snapshot={"readers": 3})
    reader = stream.source.snapshots()
    reader.read_chunk(T, None, 10, PLENTY)
    with world.session() as late:
        late.execute("INSERT INTO t VALUES (1001, 'late')")
        world.sql("INSERT INTO t VALUES (1000, 'seen')")
        chunk = reader.read_chunk(T, ("10",), 1000, PLENTY)
        late.commit()
    seen, unseen = stream.read(2)
    assert chunk.rows[-1]["id"] == 1000
    assert (chunk.sees(seen.transaction), chunk.sees(unseen.transaction)) == (True, False)
    assert stream.to_mark(reader.mark()) is not None
    reader.close()
