import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.errors import Failed
from connectors.postgres.ackgate import AckGate
from connectors.postgres.position import PostgresPosition, format_lsn, parse_lsn

LSN = st.integers(0, (1 << 64) - 1)


@given(LSN)
def test_an_lsn_prints_and_reads_back(lsn):
    assert parse_lsn(format_lsn(lsn)) == lsn


def test_an_lsn_prints_as_the_server_prints_it():
    assert format_lsn(0x16B374D848) == "16/B374D848"


@given(LSN, st.integers(0, 10**6), LSN, st.none() | st.integers(0, 2**32 - 1))
def test_S01_a_position_survives_its_json(lsn, ordinal, row_lsn, tx_id):
    position = PostgresPosition("7710596332073479212", 3, lsn, ordinal, row_lsn if ordinal else 0, tx_id, 17)
    assert PostgresPosition.from_json(position.to_json()) == position


def test_json_has_debeziums_keys():
    position = PostgresPosition("1", 1, 100, 2, 140, 7, 99)
    assert position.to_json() == {
        "version": 1,
        "system_id": "1",
        "timeline": 1,
        "lsn_commit": 100,
        "lsn_proc": 100,
        "lsn": 140,
        "ordinal": 2,
        "txId": 7,
        "ts_usec": 99,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"system_id": 5},
        {"system_id": "abc"},
        {"lsn_commit": "1/2"},
        {"lsn_commit": -1},
        {"lsn_commit": True},
        {"timeline": 0},
        {"ordinal": None},
        {"txId": "x"},
    ],
)
def test_F124_what_is_not_understood_fails_with_offset_format(change):
    data = PostgresPosition("1", 1, 100).to_json() | change
    with pytest.raises(Failed) as failed:
        PostgresPosition.from_json(data)
    assert failed.value.code == "offset_format"


def test_F124_a_missing_key_fails_with_offset_format():
    with pytest.raises(Failed, match="KeyError"):
        PostgresPosition.from_json({})


def test_S01_order_is_by_commit_end_then_ordinal():
    ordered = [PostgresPosition("1", 1, 10), PostgresPosition("1", 1, 10, 1, 5), PostgresPosition("1", 2, 11)]
    for i, one in enumerate(ordered):
        assert [one.is_after(other) for other in ordered] == [i > j for j in range(3)]


# So few LSNs that equal ones are common.
PLACE = st.builds(
    lambda lsn, ordinal: PostgresPosition("1", 1, lsn, ordinal, lsn + ordinal if ordinal else 0),
    st.integers(0, 3),
    st.integers(0, 3),
)


@given(PLACE, PLACE, PLACE)
def test_invariant_3_positions_are_in_a_strict_total_order(a, b, c):
    assert [a.is_after(b), b.is_after(a), a == b].count(True) == 1
    assert not (a.is_after(b) and b.is_after(c)) or a.is_after(c)


@given(st.lists(PLACE))
def test_invariant_3_what_is_confirmed_never_goes_back(places):
    gate = AckGate(0, 2)  # of these LSNs the server named no more yet
    confirmed = []
    for place in places:
        gate.acknowledge(place.lsn)
        confirmed.append(gate.flush_lsn())
    assert confirmed == sorted(confirmed)


@pytest.mark.parametrize("stored", [{}, {"version": None}, {"file": "mysql-bin.000003", "pos": 154}, {"version": 1}])
def test_invariant_3_a_stored_position_of_another_kind_is_refused(stored):
    with pytest.raises(Failed) as failed:
        PostgresPosition.from_json(stored)
    assert failed.value.code == "offset_format"
