"""Positions of the binlog: order, JSON, what is refused (invariant 3)."""

import json
from itertools import product

import pytest

from connect.errors import Failed
from connectors.mysql.gtid import Gtid, GtidSet, GtidState, MariadbGtid
from connectors.mysql.position import LogPosition, MysqlPosition

A = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"


def at(file, pos):
    return LogPosition(f"binlog.{file:06}", pos)


GTIDS = [
    MysqlPosition(A, LogPosition("", 0), GtidSet.parse("")),
    MysqlPosition(A, at(1, 4), GtidSet.parse("")),
    MysqlPosition(A, at(1, 500), GtidSet.parse(f"{A}:1-5")),
    MysqlPosition(A, at(2, 4), GtidSet.parse(f"{A}:1-5")),
    MysqlPosition(A, at(2, 9), GtidSet.parse(f"{A}:1-5"), transaction=Gtid(A, 6), event=1, ordinal=10, ts_us=17),
    MysqlPosition(A, at(2, 9), GtidSet.parse(f"{A}:1-5"), transaction=Gtid(A, 6), event=1, row=4, ordinal=14),
    MysqlPosition("other", LogPosition("", 0), GtidSet.parse(f"{A}:1-6")),
    MysqlPosition("other", LogPosition("", 0), GtidSet.parse(f"{A}:1-6:8")),
]
STATES = [
    MysqlPosition("1", at(1, 4), GtidState.parse("")),
    MysqlPosition("1", at(1, 9), GtidState.parse("0-1-5"), prepared=(at(1, 5),)),
    MysqlPosition("1", at(1, 9), GtidState.parse("0-1-5"), transaction=MariadbGtid(0, 1, 6), event=2, ordinal=2),
    MysqlPosition("1", at(1, 20), GtidState.parse("0-1-6,1-1-1")),
]
FILES = [
    MysqlPosition(A, at(1, 4)),
    MysqlPosition(A, at(2, 4), transaction=at(2, 4), event=3, ordinal=7),
    MysqlPosition(A, at(999_999, 9_000)),
    MysqlPosition(A, at(1_000_000, 4)),
]


@pytest.mark.parametrize("positions", [GTIDS, STATES, FILES])
def test_positions_have_a_total_order(positions):
    for (i, one), (j, other) in product(enumerate(positions), repeat=2):
        assert one.is_after(other) == (i > j)


@pytest.mark.parametrize("position", [*GTIDS, *STATES, *FILES])
def test_positions_survive_json(position):
    assert MysqlPosition.from_json(json.loads(json.dumps(position.to_json()))) == position


def test_a_position_has_the_keys_of_debezium():
    assert GTIDS[4].to_json() | {"version": 1} == {
        "version": 1,
        "server": A,
        "kind": "mysql",
        "file": "binlog.000002",
        "pos": 9,
        "gtids": f"{A}:1-5",
        "prepared": [],
        "transaction": f"{A}:6",
        "event": 1,
        "row": 0,
        "ordinal": 10,
        "ts_sec": 0,
        "ts_usec": 17,
        "file_id": "",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"kind": "postgres"},
        {"gtids": "x"},
        {"file": None},
        {"pos": -1},
        {"pos": True},
        {"prepared": 1},
    ],
)
def test_F124_what_is_no_position_is_refused(change):
    with pytest.raises(Failed) as failed:
        MysqlPosition.from_json(GTIDS[4].to_json() | change)

    assert failed.value.code == "offset_format"
