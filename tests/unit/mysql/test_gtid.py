"""GTID sets of MySQL and states of MariaDB as texts, sets and bytes (F60)."""

import pytest

from connectors.mysql.gtid import Gtid, GtidSet, GtidState, MariadbGtid, parse_gtid, parse_gtids

A = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"
B = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        (f"{A}:1", f"{A}:1"),
        (f"{A}:1-5:7", f"{A}:1-5:7"),
        (f"{A}:7:1-3:4-5", f"{A}:1-5:7"),
        (f" {B}:1 ,\n {A.upper()}:2-3", f"{A}:2-3,{B}:1"),
        (f"{A}:1-5:tag:1-3:9:other:2", f"{A}:1-5:other:2:tag:1-3:9"),
        (f"{A}:tag:1,{A}:5", f"{A}:5:tag:1"),
        (f"{A}:5-4", ""),
    ],
)
def test_F60_a_set_has_one_text(text, canonical):
    assert str(GtidSet.parse(text)) == canonical


@pytest.mark.parametrize("text", [A, f"{A}:0", f"{A}:x-1", f"{A}:1:TAG-1", "1-2-3", f"{A}:9223372036854775808"])
def test_what_is_no_set_is_refused(text):
    with pytest.raises(ValueError, match=r"is no|neither"):
        GtidSet.parse(text)


def test_F60_a_gap_is_filled_by_the_transactions_that_were_missing():
    gtids = GtidSet.parse(f"{A}:1-3:6-7")

    assert str(gtids.plus([Gtid(A, 5), Gtid(B, 1), Gtid(A, 4)])) == f"{A}:1-7,{B}:1"
    assert str(gtids) == f"{A}:1-3:6-7"


def test_F60_what_one_set_lacks_of_another():
    server, stored = GtidSet.parse(f"{A}:1-10:tag:1-2,{B}:4"), GtidSet.parse(f"{A}:3-4:8-20:tag:2")

    assert str(server.minus(stored)) == f"{A}:1-2:5-7:tag:1,{B}:4"
    assert not server.contains(stored)
    assert server.union(stored).contains(stored)
    assert Gtid(A, 8) in server
    assert Gtid(A, 11) not in server
    assert Gtid(f"{A}:tag", 2) in server


def test_a_set_is_encoded_as_the_dump_command_takes_it():
    gtids = GtidSet.parse(f"{A}:1-178")

    assert gtids.encode().hex() == (
        "0100000000000000" + A.replace("-", "") + "0100000000000000" + "0100000000000000" + "b300000000000000"
    )


def test_F60_a_set_with_tags_is_encoded_as_the_server_writes_it_into_its_log():
    recorded = (
        "0102000000000001" + A.replace("-", "") + "00" + "0100000000000000" + "0100000000000000" + "b200000000000000"
    ) + (A.replace("-", "") + "06616263" + "0100000000000000" + "0100000000000000" + "0800000000000000")

    assert GtidSet.parse(f"{A}:1-177:abc:1-7").encode().hex() == recorded


def test_a_state_has_the_last_transaction_of_each_domain():
    state = GtidState.parse("1-1-7,0-1-99,0-2-100")

    assert str(state) == "0-2-100,1-1-7"
    assert str(state.plus([MariadbGtid(0, 1, 101), MariadbGtid(2, 1, 1)])) == "0-1-101,1-1-7,2-1-1"
    assert state.contains(GtidState.parse("0-1-100"))
    assert not state.contains(GtidState.parse("2-1-1"))
    assert MariadbGtid(1, 5, 7) in state
    assert MariadbGtid(1, 1, 8) not in state


def test_ids_of_both_kinds_have_their_text():
    for text in (f"{A}:5", f"{A}:tag:5", "0-1-5"):
        assert str(parse_gtid(text)) == text
    for text in (f"{A}:1-2", A, "", "0-1"):
        with pytest.raises(ValueError):
            parse_gtid(text)


def test_what_is_no_state_is_refused():
    with pytest.raises(ValueError, match="MariaDB"):
        parse_gtids("0-1-1,abc")
