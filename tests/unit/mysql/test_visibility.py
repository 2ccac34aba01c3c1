import pytest

from connect.errors import Failed
from connectors.mysql.gtid import Gtid, GtidSet
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.visibility import ExecutedSet, LogMark, LogPrefix, from_note

UUID = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"
EXECUTED = ExecutedSet(GtidSet.parse(f"{UUID}:1-5:7:abc:1-3"))
PREFIX = LogPrefix("1", LogPosition("binlog.000009", 500))


def test_what_is_executed_is_seen_and_what_is_not_yet_counts_as_unseen():
    assert EXECUTED.sees(Gtid(UUID, 5))
    assert EXECUTED.sees(Gtid(f"{UUID}:abc", 3))
    assert not EXECUTED.sees(Gtid(UUID, 6))
    assert not EXECUTED.sees(Gtid(f"{UUID}:abc", 4))


def test_what_begins_before_the_end_of_the_prefix_is_seen():
    assert PREFIX.sees(LogPosition("binlog.000009", 499))
    assert not PREFIX.sees(LogPosition("binlog.000009", 500))
    assert PREFIX.sees(LogPosition("binlog.000008", 9_000))


def test_files_order_by_number_also_past_six_digits():
    assert not PREFIX.sees(LogPosition("binlog.1000000", 4))


def test_what_is_no_transaction_of_the_stream_is_not_seen():
    assert not EXECUTED.sees(None)
    assert not EXECUTED.sees(LogPosition("binlog.000001", 4))
    assert not PREFIX.sees(Gtid(UUID, 1))


@pytest.mark.parametrize("snapshot", [EXECUTED, PREFIX])
def test_a_snapshot_comes_back_from_its_note(snapshot):
    assert from_note(snapshot.to_note(), "1") == snapshot


def test_a_note_of_another_servers_log_is_refused():
    with pytest.raises(Failed) as failed:
        from_note(PREFIX.to_note(), "2")
    assert failed.value.code == "snapshot_other_server"


def test_a_mark_is_reached_where_the_stream_has_delivered_all_before_it():
    mark = LogMark("1", LogPosition("binlog.000009", 500))

    def at(file, pos, server="1"):
        return mark.reached(MysqlPosition(server, LogPosition(file, pos)))

    assert at("binlog.000009", 500)
    assert at("binlog.000010", 4)
    assert not at("binlog.000009", 499)
    assert not at("", 0)
    assert not at("binlog.000010", 4, server="2")
