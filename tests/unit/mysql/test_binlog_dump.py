"""How a server is asked for its log: MySQL's and MariaDB's ways, and the queue that its answer goes through."""

import threading

import pytest

from connect.errors import Retriable
from connectors.mysql.binlog.dump import dump_command, position_settings, session_settings
from connectors.mysql.binlog.stream import Bursts
from connectors.mysql.gtid import GtidSet, GtidState, MariadbGtid
from connectors.mysql.position import LogPosition, MysqlPosition

A = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"
HERE = LogPosition("binlog.000007", 500)


def test_mysql_is_asked_for_all_that_is_not_in_the_set():
    gtids = GtidSet.parse(f"{A}:1-5")
    command, argument = dump_command(MysqlPosition(A, HERE, gtids), 77)

    assert command == 0x1E
    assert argument[:2] == b"\4\0"
    assert argument[2:6] == (77).to_bytes(4, "little")
    assert argument.endswith(gtids.encode())


def test_mariadb_is_told_the_state_by_a_variable():
    position = MysqlPosition("1", HERE, GtidState.parse("0-1-5,1-1-9"))

    assert dump_command(position, 77) == (0x12, (4).to_bytes(4, "little") + b"\0\0" + (77).to_bytes(4, "little"))
    assert "'0-1-5,1-1-9'" in position_settings(position)[0]


def test_mariadb_is_asked_for_the_texts_of_statements():
    position = MysqlPosition("1", HERE, GtidState.parse("0-1-5"))

    assert dump_command(position, 77, annotated=True)[1][4:6] == b"\2\0"


def test_without_gtids_the_file_is_named():
    command, argument = dump_command(MysqlPosition(A, HERE), 77)

    assert (command, argument) == (
        0x12,
        (500).to_bytes(4, "little") + b"\0\0" + (77).to_bytes(4, "little") + b"binlog.000007",
    )
    assert position_settings(MysqlPosition(A, HERE)) == []


def test_S8_where_an_xa_transaction_is_open_the_log_is_asked_for_from_its_begin():
    before = LogPosition("binlog.000006", 120)
    position = MysqlPosition("1", HERE, GtidState.parse("0-1-5"), prepared=(before,), transaction=MariadbGtid(0, 1, 6))

    assert dump_command(position, 1)[1].endswith(b"binlog.000006")
    assert position_settings(position) == []


def test_F66_a_reader_of_the_same_name_has_the_same_uuid():
    [one], [again], [other] = (session_settings("mysql", name, 1000) for name in ("g/c", "g/c", "g/d"))

    assert one == again != other
    assert "master_heartbeat_period = 1000000000" in one


def test_what_was_received_is_handed_out_before_the_error():
    bursts = Bursts(100)
    bursts.put([b"a"], 1)
    bursts.fail(Retriable("cut"))

    assert bursts.take(0.0) == [b"a"]
    with pytest.raises(Retriable):
        bursts.take(0.0)


def test_S15_a_full_queue_waits_for_its_taker_and_ends_with_it():
    bursts = Bursts(10)
    bursts.put([b"x" * 10], 10)
    went_on = []
    thread = threading.Thread(target=lambda: went_on.append(bursts.put([b"y"], 1)))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()

    assert bursts.take(1.0) == [b"x" * 10]
    thread.join()
    assert went_on == [True]
    bursts.put([b"z" * 20], 20)
    thread = threading.Thread(target=lambda: went_on.append(bursts.put([b"!"], 1)))
    thread.start()
    bursts.close()
    thread.join()
    assert went_on == [True, False]


def test_nothing_is_none_after_the_timeout():
    assert Bursts(10).take(0.01) is None
