"""Streamed transactions in memory and in files."""

import os
import resource

import pytest

from connect.compiled import COMPILED
from connect.errors import Failed
from connectors.postgres.spool import TransactionSpool

ROOMY = 1 << 30


@pytest.fixture(params=[ROOMY, 64], ids=["in memory", "in files"])
def spool(request, tmp_path):
    spool = TransactionSpool(tmp_path / "spool", memory_bytes=request.param, max_bytes=ROOMY)
    yield spool
    spool.close()


@pytest.fixture(params=dict.fromkeys([False, COMPILED]), autouse=True, ids=["twin", "compiled"][: COMPILED + 1])
def compiled(request, monkeypatch):
    monkeypatch.setattr("connectors.postgres.spool.COMPILED", request.param)


def replayed(spool, xid):
    return [message for burst in spool.replay(xid) for message in messages_of(burst)]


def messages_of(burst):
    """(LSN, message) of payloads as the server sends them."""
    return [(int.from_bytes(payload[1:9]), payload[25:]) for payload in burst if payload[:1] == b"w"]


def test_a_committed_transaction_comes_back_in_wal_order(spool):
    messages = [(100 + i, b"I%d" % i) for i in range(50)]
    for lsn, message in messages:
        spool.append(7, 7, lsn, message)

    assert replayed(spool, 7) == messages


def test_transactions_in_progress_at_once_do_not_mix(spool):
    for i in range(20):
        spool.append(7 + i % 3, 7 + i % 3, i, b"Irow")

    assert [lsn for lsn, _ in replayed(spool, 8)] == list(range(1, 20, 3))


def test_F24_rows_of_a_rolled_back_sub_transaction_are_left_out(spool):
    spool.append(7, 7, 1, b"Ikept")
    spool.append(7, 8, 2, b"Igone")
    spool.append(7, 9, 3, b"Ikept")
    spool.abort(7, 8)
    spool.append(7, 7, 4, b"Ikept")

    assert [lsn for lsn, _ in replayed(spool, 7)] == [1, 3, 4]


def test_F24_nested_rollbacks_leave_only_what_was_released(spool):
    for lsn, subxid in enumerate([7, 8, 9, 10, 9, 8, 7]):
        spool.append(7, subxid, lsn, b"Irow")
    spool.abort(7, 10)
    spool.abort(7, 9)

    assert [lsn for lsn, _ in replayed(spool, 7)] == [0, 1, 5, 6]


def test_F27_a_shape_that_was_rolled_back_is_left_out_and_its_successor_kept(spool):
    spool.append(7, 8, 1, b"Rshape with a column that is rolled back")
    spool.append(7, 8, 2, b"Igone")
    spool.abort(7, 8)
    spool.append(7, 7, 3, b"Rshape")
    spool.append(7, 7, 4, b"Ikept")

    assert replayed(spool, 7) == [(3, b"Rshape"), (4, b"Ikept")]


def test_a_transaction_can_be_replayed_again(spool):
    spool.append(7, 7, 1, b"Irow")

    assert replayed(spool, 7) == replayed(spool, 7) == [(1, b"Irow")]


def test_F25_an_aborted_transaction_is_forgotten_whole(spool):
    spool.append(7, 7, 1, b"Irow")
    spool.append(7, 8, 2, b"Irow")
    spool.abort(7, 7)

    assert replayed(spool, 7) == []
    assert spool.bytes == 0


def test_a_message_bigger_than_a_block_comes_back_whole(spool):
    big = b"I" + os.urandom(3 << 20)
    for lsn, message in enumerate([b"Ibefore", big, b"Iafter"]):
        spool.append(7, 7, lsn, message)

    assert replayed(spool, 7) == [(0, b"Ibefore"), (1, big), (2, b"Iafter")]


def test_another_transaction_may_grow_while_one_is_replayed(spool):
    for lsn in range(5):
        spool.append(7, 7, lsn, b"Irow")
    seen = []
    for burst in spool.replay(7):
        spool.append(8, 8, 100, b"Iother")
        seen += [lsn for lsn, _ in messages_of(burst)]

    assert seen == [0, 1, 2, 3, 4]
    assert replayed(spool, 8)


def test_bytes_held_go_back_to_nothing(spool):
    spool.append(7, 7, 1, b"Irow")
    spool.append(8, 8, 1, b"Irow")
    assert spool.bytes == 2 * (16 + 4)

    spool.discard(7)
    spool.discard(7)
    assert spool.bytes == 16 + 4

    spool.close()
    assert spool.bytes == 0


def test_an_unknown_transaction_is_empty_and_can_be_forgotten(spool):
    spool.abort(7, 8)
    spool.abort(7, 7)

    assert replayed(spool, 7) == []


def test_memory_stays_below_its_bound_and_the_biggest_transaction_moves(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=10_000, max_bytes=ROOMY)
    spool.append(1, 1, 0, b"Ismall")
    for lsn in range(1000):
        spool.append(2, 2, lsn, bytes(100))

    assert spool._in_memory <= 10_000
    assert spool._transactions[1].file is None
    assert spool._transactions[2].file is not None
    spool.close()


def test_what_follows_a_transaction_into_its_file_does_not_fill_the_memory_again(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=4 << 20, max_bytes=ROOMY)
    for lsn in range(90):
        spool.append(7, 7, lsn, bytes(100_000))

    assert spool._transactions[7].file_bytes > 4 << 20
    assert spool._in_memory < 1 << 20
    assert [lsn for lsn, _ in replayed(spool, 7)] == list(range(90))
    spool.close()


def test_a_replay_is_read_a_mebibyte_at_a_time(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=1 << 20, max_bytes=ROOMY)
    for lsn in range(90):
        spool.append(7, 7, lsn, bytes(100_000))

    assert max(sum(map(len, burst)) for burst in spool.replay(7)) <= 1 << 20
    spool.close()


def test_a_file_is_private_and_leaves_no_name_behind(tmp_path):
    spool = TransactionSpool(tmp_path / "spool", memory_bytes=0, max_bytes=ROOMY)
    spool.append(7, 7, 1, b"Irow")

    assert os.fstat(spool._transactions[7].file.fileno()).st_mode & 0o777 == 0o600
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "spool").iterdir()) == []
    spool.close()


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "transaction-abc").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")

    TransactionSpool(tmp_path, memory_bytes=0, max_bytes=ROOMY)

    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_full_spool_stops_the_connector_and_names_the_setting(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=0, max_bytes=100)
    spool.append(7, 7, 1, bytes(60))

    with pytest.raises(Failed, match="100 bytes") as failure:
        spool.append(7, 7, 2, bytes(60))

    assert failure.value.code == "spool_full"
    assert "spool: {max" in failure.value.hint
    spool.close()


def test_a_full_disk_stops_the_connector_and_what_was_kept_is_still_there(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=1 << 20, max_bytes=ROOMY)
    for lsn in range(17):
        spool.append(7, 7, lsn, bytes(60_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Failed) as failure:
            spool.append(7, 7, 17, bytes(60_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert failure.value.code == "disk_full"
    assert [lsn for lsn, _ in replayed(spool, 7)] == list(range(18))
    spool.close()


def test_a_folder_that_is_gone_stops_the_connector(tmp_path):
    spool = TransactionSpool(tmp_path / "spool", memory_bytes=0, max_bytes=ROOMY)
    (tmp_path / "spool").rmdir()

    with pytest.raises(Failed) as failure:
        spool.append(7, 7, 1, b"Irow")

    assert failure.value.code == "spool_unusable"
    spool.close()


def test_a_file_that_lost_its_end_stops_the_replay(tmp_path):
    spool = TransactionSpool(tmp_path, memory_bytes=0, max_bytes=ROOMY)
    spool.append(7, 7, 1, bytes(3 << 20))
    spool._transactions[7].file.truncate(2 << 20)

    with pytest.raises(Failed) as failure:
        replayed(spool, 7)

    assert failure.value.code == "spool_unusable"
    spool.close()
