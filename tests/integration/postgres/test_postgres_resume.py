"""Restarts, gaps, branches and broken links: go on exactly after the stored position, or fail by name."""

import threading
import time

import psycopg
import pytest

from connect.api import Resume
from connect.errors import Failed, Retriable
from connectors.postgres.position import PostgresPosition
from connectors.postgres.replication import Replication

pytestmark = pytest.mark.stack


def numbers(first, last):
    return f"INSERT INTO t SELECT generate_series({first}, {last})"


def ids(events):
    return [e.after["id"] for e in events]


def code_of(world, resume, *tables):
    with pytest.raises(Failed) as failed:
        world.open(*(tables or ["public.t"]), resume=resume)
    assert failed.value.hint
    return failed.value.code


@pytest.fixture
def reader(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    return world.open("public.t")


def test_F1_nothing_is_confirmed_before_it_is_acknowledged(world, reader):
    before = world.confirmed()
    world.sql(numbers(1, 100))
    reader.read(100, acknowledge=False)
    for _ in range(10):
        reader.step(0.2, acknowledge=False)  # keepalives pass
    resume = Resume(reader.start, {})
    reader.close()
    assert world.confirmed() == before
    assert ids(world.open("public.t", resume=resume).read(100)) == list(range(1, 101))


def test_notes_of_the_first_start_come_before_any_change(reader):
    reader.step()
    assert "postgres:tables" in reader.notes
    assert not reader.events  # the position may be later by what the log had since that was no change


def test_S05_what_is_acknowledged_is_confirmed_while_running(world, reader):
    world.sql(numbers(1, 10))
    reader.read(10)
    acknowledged = reader.position.lsn
    world.wait_for(lambda: world.confirmed() >= acknowledged)


def test_F2_acknowledging_inside_a_transaction_confirms_nothing_of_it(world, reader):
    [(before,)] = world.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8")
    world.sql(numbers(1, 10_500))
    while not reader.events:
        reader.step()
    assert reader.position.ordinal == 10_000
    resume = reader.close()
    assert world.confirmed() <= before
    assert ids(world.open("public.t", resume=resume).read(500)) == list(range(10_001, 10_501))


def test_F6_neither_of_two_transactions_is_skipped_or_repeated_between_them(world, reader):
    world.sql(numbers(1, 1))
    reader.read(1)
    world.sql(numbers(2, 2), numbers(3, 3))
    reader = world.open("public.t", resume=reader.close())
    assert ids(reader.read(2)) == [2, 3]
    assert reader.source.skipped == 0


def test_F8_a_loop_of_restarts_loses_and_repeats_nothing(world, reader):
    got = []
    for i in range(12):
        world.sql(numbers(i * 10 + 1, i * 10 + 10))
        got += ids(reader.read(10, acknowledge=i % 3 == 0))
        reader = world.open("public.t", resume=reader.close())
    assert got == list(range(1, 121))


def test_S11_rows_that_were_delivered_but_not_confirmed_do_not_come_again(world, reader):
    world.sql(numbers(1, 50))
    reader.read(50, acknowledge=False)
    reader = world.open("public.t", resume=reader.close())
    world.sql(numbers(51, 51))
    assert ids(reader.read(1)) == [51]


def test_F9_a_server_crash_that_forgets_confirmed_positions_repeats_nothing(own_world):
    world = own_world()
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CHECKPOINT")
    reader = world.open("public.t")
    for i in range(5):
        world.sql(numbers(i, i))
        reader.read(1)
    world.kill()
    with pytest.raises(Retriable):
        reader.drain()
    resume = reader.close()
    world.restart()
    reader = world.open("public.t", resume=resume)
    world.sql(numbers(5, 5))
    assert ids(reader.read(1)) == [5]


def test_F11_a_slot_that_was_made_again_is_a_gap(world, reader):
    resume = reader.close()
    world.wait_for(
        lambda: not world.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{world.slot}' AND active")
    )
    world.sql(f"SELECT pg_drop_replication_slot('{world.slot}')", numbers(1, 1))
    assert code_of(world, resume) == "slot_missing"
    world.sql(f"SELECT pg_create_logical_replication_slot('{world.slot}', 'pgoutput')")
    assert code_of(world, resume) == "gap"
    assert code_of(world, resume) == "gap"  # nothing was changed by the first look


def reads_on(world, other):
    """A hook for ``stopping``, asked while the slot is waited for: the other reader confirms more, then goes."""

    def hook():
        if not other.events:
            world.sql(numbers(1, 3))
            other.read(3)
            world.wait_for(lambda: world.confirmed() >= other.position.lsn)
            other.source.close()
        return False

    return hook


def test_S10_a_reader_that_confirms_more_while_we_wait_for_the_slot_makes_a_gap(world, reader):
    resume = Resume(reader.start, {})
    with pytest.raises(Failed) as failed:
        world.open("public.t", resume=resume, stopping=reads_on(world, reader))
    assert failed.value.code == "gap"
    assert len(reader.events) == 3  # it went on while we waited, after our first look at the slot


def test_S10_a_slot_that_moves_right_before_we_take_it_is_a_gap(world, reader, monkeypatch):
    world.sql(numbers(1, 3))
    reader.read(3, acknowledge=False)
    resume = Resume(reader.start, {})
    reader.close()
    start = Replication.start

    def late(replication, slot, *arguments, **options):
        world.sql(f"SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")
        start(replication, slot, *arguments, **options)

    monkeypatch.setattr(Replication, "start", late)
    assert code_of(world, resume) == "gap"
    monkeypatch.undo()
    assert code_of(world, resume) == "gap"  # nothing was confirmed meanwhile that hides it


def test_S10_a_first_start_begins_where_the_slot_stands_once_it_is_free(world, reader):
    adopter = world.open("public.t", stopping=reads_on(world, reader))
    assert len(reader.events) == 3
    assert adopter.start.lsn == world.confirmed()
    world.sql(numbers(4, 4))
    assert ids(adopter.read(1)) == [4]


def test_F12_a_slot_whose_wal_was_removed_is_lost(own_world):
    world = own_world(max_slot_wal_keep_size="1MB", min_wal_size="32MB", max_wal_size="32MB")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE fat (v text)")
    resume = world.open("public.t").close()
    for _ in range(4):
        world.sql("INSERT INTO fat SELECT repeat('x', 2000) FROM generate_series(1, 12000)", "SELECT pg_switch_wal()")
        world.sql("CHECKPOINT")
    assert code_of(world, resume) == "slot_lost"
    with pytest.raises(Failed) as failed:
        world.open("public.t")  # nor is it adopted on a first start
    assert failed.value.code == "slot_lost"


def test_F12_a_slot_that_is_lost_while_it_is_read_fails_at_the_next_start(own_world):
    world = own_world(max_slot_wal_keep_size="1MB", min_wal_size="32MB", max_wal_size="32MB", wal_sender_timeout="2s")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE fat (v text)")
    reader = world.open("public.t")
    for _ in range(4):
        world.sql("INSERT INTO fat SELECT repeat('x', 2000) FROM generate_series(1, 12000)", "SELECT pg_switch_wal()")
        world.sql("CHECKPOINT")
    with pytest.raises((Failed, Retriable)):
        reader.drain(acknowledge=False)
    assert code_of(world, reader.close()) == "slot_lost"


def test_F13_a_slot_that_was_idle_too_long_is_lost_with_its_reason(own_world):
    world = own_world(idle_replication_slot_timeout="1s")
    if world.version < 18:
        pytest.fail("the newest version at hand is older than 18")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    resume = world.open("public.t").close()
    time.sleep(2)
    world.sql("CHECKPOINT")
    with pytest.raises(Failed, match="idle_timeout") as failed:
        world.open("public.t", resume=resume)
    assert failed.value.code == "slot_lost"


def test_F15_an_idle_database_holds_no_wal_of_a_busy_one(world, reader):
    start = reader.position.lsn
    with psycopg.connect(world.server.url("postgres"), autocommit=True) as other:
        other.execute("CREATE TABLE IF NOT EXISTS busy (v text)")
        other.execute("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
        (written,) = other.execute("SELECT (pg_current_wal_lsn() - '0/0')::int8").fetchone()
    deadline = time.monotonic() + 30
    while reader.position.lsn < written:
        assert time.monotonic() < deadline
        assert reader.step() == []
    assert written > start
    world.wait_for(lambda: world.confirmed() >= written)


def test_F16_feedback_goes_on_while_the_consumer_is_stuck(own_world):
    world = own_world(wal_sender_timeout="2s")
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    reader = world.open("public.t")
    rows = 30_000  # 60 MB, more than the queue and the sockets hold
    world.sql(f"INSERT INTO t SELECT g, repeat('x', 2000) FROM generate_series(1, {rows}) g")
    time.sleep(6)  # three times the server's patience, nobody reads
    assert ids(reader.read(rows)) == list(range(1, rows + 1))


def test_S15_a_stuck_consumer_bounds_what_is_held(own_world):
    world = own_world()
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    reader = world.open("public.t", streaming="off")
    world.sql("INSERT INTO t SELECT g, repeat('x', 2000) FROM generate_series(1, 30000) g")
    time.sleep(2)
    held = reader.source._replication._bursts._bytes
    assert 0 < held < 20 * 2**20


def test_F18_a_server_that_falls_silent_is_noticed(own_world):
    world = own_world(wal_sender_timeout="2s")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    reader.step()
    world.server.pause()
    try:
        with pytest.raises(Retriable, match="no word from the server"):
            reader.drain()
    finally:
        world.server.resume()


def test_F19_a_slot_that_another_client_reads_is_busy(own_world):
    world = own_world(wal_sender_timeout="2s")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    first = world.open("public.t")
    resume = Resume(first.position, {})
    holder = threading.Thread(target=lambda: [first.step(0.1) for _ in range(80)])
    holder.start()
    assert code_of(world, resume) == "slot_busy"
    holder.join()
    world.sql(numbers(1, 1))
    assert ids(first.read(1)) == [1]  # the holder was left alone


def test_F20_a_publication_that_was_made_again_behind_the_slots_back_fails(world, reader):
    resume = reader.close()
    publication = world.slot
    world.sql(f"DROP PUBLICATION {publication}", numbers(1, 1))
    world.sql(f"CREATE PUBLICATION {publication} FOR TABLE t", numbers(2, 2))
    reader = world.open("public.t", resume=resume)
    with pytest.raises(Failed) as failed:
        reader.read(2)
    assert failed.value.code == "publication_missing"
    assert reader.events == []


def test_F33_a_standby_that_missed_delivered_rows_is_the_wrong_branch(own_world, stack):
    world = own_world(wal_keep_size="64MB")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    standby = stack.add(world.server.new_standby(f"{world.server.name}_standby"))
    reader = world.open("public.t")
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    standby.execute("SELECT pg_reload_conf()")
    world.wait_for(lambda: not standby.execute("SELECT 1 FROM pg_stat_wal_receiver"))
    world.sql(numbers(1, 100))
    reader.read(100)
    world.kill()
    standby.promote()
    world.server, world.url = standby, standby.url(world.database)
    try:
        assert code_of(world, reader.close()) == "wrong_branch"
    finally:
        standby.stop()


def test_F35_another_cluster_is_refused(world, reader):
    position = reader.close().position
    other = PostgresPosition("1", position.timeline, position.lsn)
    assert code_of(world, Resume(other, {})) == "other_system"


def test_F34_a_restored_server_that_lacks_the_position_is_refused(world, reader):
    position = reader.close().position
    ahead = PostgresPosition(position.system_id, position.timeline, position.lsn + (1 << 40))
    assert code_of(world, Resume(ahead, {})) == "wrong_branch"


def test_a_kill_leaves_a_walsender_that_is_waited_for(world, reader):
    world.sql(numbers(1, 5))
    reader.read(5)
    resume = Resume(reader.position, {})
    releaser = threading.Timer(1.0, reader.source.close)
    releaser.start()
    started = time.monotonic()
    reader = world.open("public.t", resume=resume)
    assert any("still read by server process" in sentence for sentence in reader.said)
    assert time.monotonic() - started >= 0.5
    releaser.join()
    world.sql(numbers(6, 6))
    assert ids(reader.read(1)) == [6]


def test_S4_a_transaction_that_ends_where_a_part_of_it_ended_is_whole_at_once(world, reader):
    reader = world.open("public.t", resume=reader.close(), heartbeat="60s")
    world.sql(numbers(1, 20_000))  # two parts to the row: its commit brings none
    reader.read(20_000)
    parts = [batch for batch in reader.batches if batch.events]
    assert [batch.resume_after.ordinal for batch in parts] == [10_000, 20_000]
    silent = 0
    while not reader.batches[-1].boundary:
        silent += not reader.step()
        assert silent < 10  # of half a second: before, it was a heartbeat's ten seconds
