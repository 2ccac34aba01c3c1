import pytest

from connect.errors import Failed
from connectors.postgres.branch import branch_point, check_branch
from connectors.postgres.position import PostgresPosition
from connectors.postgres.replication import Identity

HISTORY = "1\t0/5000\tno recovery target specified\n\n2\t0/9004728\tno recovery target specified\n"


def position(timeline, lsn, **more):
    return PostgresPosition("77", timeline, lsn, **more)


def code_of(identity, stored):
    with pytest.raises(Failed) as failed:
        check_branch(identity, stored, lambda _: HISTORY)
    return failed.value.code


def test_branch_points_are_read_from_the_history_file():
    assert branch_point(HISTORY, 2) == 0x9004728
    assert branch_point(HISTORY, 3) is None


def test_S09_the_same_timeline_goes_on():
    check_branch(Identity("77", 1, 0x9000), position(1, 0x9000), lambda _: HISTORY)


def test_S09_a_promoted_server_goes_on_below_the_branch_point():
    check_branch(Identity("77", 3, 0x9999999), position(2, 0x9004728), lambda _: HISTORY)
    check_branch(Identity("77", 3, 0x9999999), position(1, 0x5000), lambda _: HISTORY)


def test_F33_a_position_after_the_branch_point_is_on_the_wrong_branch():
    assert code_of(Identity("77", 3, 0x9999999), position(2, 0x9004729)) == "wrong_branch"
    assert code_of(Identity("77", 3, 0x9999999), position(1, 0x5001)) == "wrong_branch"


def test_F33_a_row_delivered_after_the_branch_point_counts_too():
    assert code_of(Identity("77", 2, 0x9999999), position(1, 0x4000, ordinal=3, row_lsn=0x5001)) == "wrong_branch"


def test_F34_a_server_whose_wal_ends_before_the_position_was_restored():
    assert code_of(Identity("77", 1, 0x8000), position(1, 0x9000)) == "wrong_branch"


def test_F34_a_timeline_from_the_future_is_the_wrong_branch():
    assert code_of(Identity("77", 1, 0x99999), position(2, 0x100)) == "wrong_branch"


def test_F34_a_timeline_that_is_no_ancestor_is_the_wrong_branch():
    assert code_of(Identity("77", 9, 0x99999), position(4, 0x100)) == "wrong_branch"


def test_F35_another_cluster_is_refused():
    assert code_of(Identity("78", 1, 0x9000), position(1, 0x100)) == "other_system"
