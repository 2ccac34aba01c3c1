"""Restarts, failovers, gaps and broken links: go on exactly after the stored position, or fail by name."""

import os
import signal
import time
from contextlib import suppress

import pytest

from connect.api import Resume
from connect.errors import Failed, Retriable
from connectors.mysql.binlog import stream
from connectors.mysql.gtid import GtidState
from connectors.mysql.position import MysqlPosition

pytestmark = pytest.mark.stack

RESET = {"mysql": "RESET BINARY LOGS AND GTIDS", "mariadb": "RESET MASTER"}
KINDS = ["mysql", "mariadb", "mysql without gtids"]


def ids(events):
    return [(e.after or e.before)["id"] for e in events]


def refused(shop, resume, **options):
    """The code that a start from there fails with, at once or when it reads."""
    with pytest.raises(Failed) as failed:
        shop.open(resume, **options).drain()
    assert failed.value.hint
    assert "shop" in failed.value.message
    return failed.value.code


@pytest.fixture
def own_shop(request, new_shop):
    """On a server of its own, by ``kind``: see KINDS."""
    kind, _, without = request.param.partition(" ")
    settings = {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"} if without else {}
    shop = new_shop(kind, "own", settings=settings)
    shop.kind = kind
    return shop


def each_kind(*kinds):
    return pytest.mark.parametrize("own_shop", kinds or KINDS, indirect=True)


def test_a_loop_of_restarts_loses_and_repeats_nothing(shop):
    reader, got = shop.open(), []
    for number in range(10):
        shop.insert(number * 10, number * 10 + 4)
        shop.insert(number * 10 + 5, number * 10 + 9)
        got += ids(reader.read(10))
        reader = shop.open(reader.close())
    assert got == list(range(100))
    assert reader.source.skipped == 0


def test_notes_of_the_first_start_come_before_any_change(shop):
    reader = shop.open()
    reader.step()
    assert any(name.startswith("definition:") for name in reader.notes)
    assert not reader.events
    assert reader.batches[0].boundary


def test_F58_a_statement_of_many_rows_is_resumed_at_each_part(shop, monkeypatch):
    monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 500)
    reader, got = shop.open(), []
    shop.insert(1, 5_000)
    shop.insert(5_001, 5_001)
    while len(got) < 5_001:
        while not (events := reader.step()):
            pass
        got += ids(events)
        reader = shop.open(reader.close())
    assert got == list(range(1, 5_002))


def test_S4_a_transaction_that_ends_where_a_part_of_it_ended_is_whole_at_once(shop, monkeypatch):
    monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 500)
    reader = shop.open(heartbeat="60s")
    shop.insert(1, 1_000)  # parts to the row: its commit brings none
    reader.read(1_000)
    silent = 0
    while not reader.batches[-1].boundary:
        silent += not reader.step()
        assert silent < 15  # of a third of a second


def test_S4_rows_of_other_tables_in_a_split_transaction_do_not_shift_it(shop, monkeypatch):
    monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 500)
    shop.sql("CREATE TABLE o (id INT PRIMARY KEY)")
    reader = shop.open()
    values = [", ".join(f"({number})" for number in range(start, start + 800)) for start in (0, 800)]
    shop.sql("BEGIN", *(f"INSERT INTO {table} (id) VALUES {some}" for some in values for table in ("o", "t")), "COMMIT")
    reader.until(lambda: bool(reader.events))
    got = ids(reader.events)

    reader = shop.open(reader.close(), tables=("t", "o"))
    reader.until(lambda: len([e for e in reader.events if e.table.name == "t"]) == 1_600 - len(got))
    assert got + ids(e for e in reader.events if e.table.name == "t") == list(range(1_600))


def test_a_link_that_is_cut_is_retriable_and_nothing_is_lost(shop):
    reader = shop.open()
    shop.insert(1, 1)
    reader.read(1)
    [dump] = [row[0] for row in shop.sql("SHOW PROCESSLIST") if "Binlog Dump" in str(row[4])][-1:]
    shop.sql(f"KILL {dump}")
    with pytest.raises(Retriable):
        reader.drain()

    shop.insert(2, 2)
    assert ids(shop.open(reader.close()).read(1)) == [2]


@each_kind()
def test_a_server_that_restarts_is_retriable_and_nothing_is_lost(own_shop):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    own_shop.server.stop()
    with pytest.raises(Retriable):
        reader.drain()
    with pytest.raises(Retriable):
        own_shop.open(reader.resume)

    own_shop.server.start()
    own_shop.insert(2, 2)
    assert ids(own_shop.open(reader.close()).read(1)) == [2]


@each_kind("mysql")
def test_F67_a_frozen_server_is_noticed(own_shop, monkeypatch):
    monkeypatch.setattr(stream, "_SHORTEST_PATIENCE", 1.0)
    reader = own_shop.open()
    pid = int((own_shop.server.data / "mysqld.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Retriable, match="heartbeat"):
            reader.drain()
    finally:
        os.kill(pid, signal.SIGCONT)
    own_shop.insert(1, 1)
    assert ids(own_shop.open(reader.close()).read(1)) == [1]


def test_F68_a_slow_reader_holds_a_bounded_part_of_the_log(shop, monkeypatch):
    monkeypatch.setattr(stream, "QUEUE_BYTES", 100_000)
    reader = shop.open()
    shop.sql("INSERT INTO t (id) VALUES (0)")
    reader.until(lambda: bool(reader.events))

    for number in range(1, 41):
        shop.sql(f"INSERT INTO t VALUES ({number}, REPEAT('x', 50000))")
    deadline = time.monotonic() + 5
    bursts = reader.source._stream._bursts
    while bursts._bytes < 100_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 100_000 <= bursts._bytes < 1_000_000
    reader.until(lambda: len(reader.events) == 41)
    assert ids(reader.events) == list(range(41))


@each_kind()
def test_F61_a_log_that_was_purged_is_refused(own_shop):
    own_shop.insert(1, 1)
    reader = own_shop.open()
    reader.until(lambda: reader.position.log.file != "")
    resume = reader.close()
    own_shop.insert(2, 2)
    own_shop.sql("FLUSH BINARY LOGS", "INSERT INTO t (id) VALUES (3)", "FLUSH BINARY LOGS")
    last = own_shop.server.binlogs[-1].name
    own_shop.sql(f"PURGE BINARY LOGS TO '{last}'")

    assert refused(own_shop, resume) == "log_purged"


@each_kind()
def test_F62_a_log_that_was_reset_is_refused(own_shop):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    own_shop.sql(RESET[own_shop.kind])

    assert refused(own_shop, reader.close()) == "log_reset"


@each_kind()
def test_F62_a_log_that_was_reset_and_has_grown_past_the_position_is_refused(own_shop):
    own_shop.sql(RESET[own_shop.kind])
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    time.sleep(1.1)  # a file is known by the second in which it was made
    own_shop.sql(RESET[own_shop.kind])
    for number in range(2, 40):
        own_shop.insert(number, number)
    resume = reader.close()
    last = own_shop.server.binlogs[-1]
    assert last.name == resume.position.log.file
    assert last.stat().st_size > resume.position.log.pos

    assert refused(own_shop, resume) == "log_reset"


@each_kind("mysql")
def test_F62_a_log_that_was_reset_and_given_its_history_back_goes_on(own_shop):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    resume = reader.close()
    time.sleep(1.1)
    own_shop.sql(RESET[own_shop.kind], f"SET GLOBAL gtid_purged = '{resume.position.gtids}'")
    for number in range(2, 40):
        own_shop.insert(number, number)

    assert ids(own_shop.open(resume).read(38)) == list(range(2, 40))


def test_a_position_from_before_files_were_told_apart_goes_on(shop):
    reader = shop.open()
    shop.insert(1, 1)
    reader.read(1)
    resume = reader.close()
    assert resume.position.file_id
    shop.insert(2, 2)
    stored = {key: value for key, value in resume.position.to_json().items() if key != "file_id"}

    again = shop.open(Resume(MysqlPosition.from_json(stored), resume.notes))

    assert ids(again.read(1)) == [2]
    assert again.position.file_id == resume.position.file_id


@each_kind("mysql")
def test_gtids_that_are_switched_off_are_refused(own_shop):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    resume = reader.close()
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"):
        own_shop.sql(f"SET GLOBAL gtid_mode = {mode}")

    assert refused(own_shop, resume) == "gtids_off"


@pytest.fixture(params=["mysql", "mariadb"])
def pair(request, new_shop, stack):
    """A source with its shop, and a server that follows it."""
    shop = new_shop(request.param, "old")
    shop.insert(1, 2)
    replica = getattr(stack, f"new_{request.param}")(f"{shop.server.name}_new")
    replica.follow(shop.server)
    yield shop, replica
    with suppress(Exception):
        replica.stop()


def test_F63_a_failover_by_gtid_goes_on(pair):
    shop, replica = pair
    reader = shop.open()
    shop.insert(3, 4)
    reader.read(2)
    shop.insert(5, 5)
    replica.catch_up(shop.server)
    shop.server.stop()
    replica.promote()
    shop.sql("INSERT INTO t (id) VALUES (6)", on=replica)

    reader = shop.open(reader.close(), on=replica)
    assert ids(reader.read(2)) == [5, 6]
    assert reader.position.log.file
    reader = shop.open(reader.close(), on=replica)
    shop.sql("INSERT INTO t (id) VALUES (7)", on=replica)
    assert ids(reader.read(1)) == [7]


def test_F63_a_failover_inside_a_split_transaction_goes_on(pair, monkeypatch):
    monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 500)
    shop, replica = pair
    reader = shop.open()
    shop.insert(10, 2_009)
    reader.until(lambda: bool(reader.events))
    got = ids(reader.events)
    assert reader.position.transaction is not None
    replica.catch_up(shop.server)
    shop.server.stop()
    replica.promote()

    reader = shop.open(reader.close(), on=replica)
    assert got + ids(reader.read(2_000 - len(got))) == list(range(10, 2_010))


def test_S8_a_failover_amid_an_open_xa_transaction_goes_on_or_is_refused_by_name(pair):
    """MySQL's sets have a gap for it; MariaDB's cannot, and its place in the new server's log is not known."""
    shop, replica = pair
    reader = shop.open()
    shop.sql("XA START 'a'", "INSERT INTO t (id) VALUES (3)", "XA END 'a'", "XA PREPARE 'a'")
    shop.insert(4, 4)
    assert ids(reader.read(1)) == [4]
    replica.catch_up(shop.server)
    shop.server.stop()
    replica.promote()
    resume = reader.close()
    if isinstance(resume.position.gtids, GtidState):
        with pytest.raises(Failed, match="1 XA transactions were open") as failed:
            shop.open(resume, on=replica)
        assert (failed.value.code, "connect remove SOURCE FILE" in failed.value.hint) == ("xa_open", True)
        return
    reader = shop.open(resume, on=replica)
    shop.sql("XA COMMIT 'a'", on=replica)
    assert ids(reader.read(1)) == [3]


def test_F64_a_server_that_lacks_what_was_delivered_is_refused(pair):
    shop, replica = pair
    replica.catch_up(shop.server)
    replica.promote()
    reader = shop.open()
    shop.insert(3, 4)
    reader.read(2)

    assert refused(shop, reader.close(), on=replica) == "wrong_branch"


@each_kind("mysql without gtids")
def test_F63_a_position_of_files_is_refused_by_another_server(own_shop, stack):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    stack.mysql.execute(f"CREATE DATABASE {own_shop.database}")
    stack.mysql.execute("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", database=own_shop.database)
    try:
        assert refused(own_shop, reader.close(), on=stack.mysql) == "other_server"
    finally:
        stack.mysql.execute(f"DROP DATABASE {own_shop.database}")


def test_a_position_of_the_other_kind_is_refused(mysql_shop, mariadb_shop):
    resume = mysql_shop.open().close()

    assert refused(mariadb_shop, resume) == "other_kind"


@each_kind("mysql without gtids")
def test_gtids_that_are_switched_on_leave_a_position_of_files_as_it_is(own_shop):
    reader = own_shop.open()
    own_shop.insert(1, 1)
    reader.read(1)
    resume = reader.close()
    own_shop.server.stop()
    own_shop.server.configure({"enforce_gtid_consistency": "ON", "gtid_mode": "ON"}).start()
    own_shop.insert(2, 2)

    reader = own_shop.open(resume)
    chunk = reader.source.snapshots().read_chunk(own_shop.table, None, 10, 2**20)
    [event] = reader.read(1)
    assert ids([event]) == [2]
    assert reader.position.gtids is None
    assert chunk.sees(event.transaction)


def test_a_first_start_behind_an_event_bigger_than_a_packet_begins_there(new_shop):
    shop = new_shop("mariadb", "big_event")
    shop.sql("CREATE TABLE b (id INT PRIMARY KEY, v LONGBLOB)", "INSERT INTO b VALUES (1, REPEAT('x', 9000000))")
    shop.sql("UPDATE b SET v = CONCAT(v, 'y')")
    reader = shop.open()
    shop.insert(1, 1)

    assert ids(reader.read(1)) == [1]
    assert reader.start.gtids
