"""GTID sets by their laws, and against the server's own functions (F60)."""

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.mysql.gtid import Gtid, GtidSet, GtidState, MariadbGtid, parse_gtid

UUIDS = ("0cc7ab90-e5bd-11f1-8c46-02fc00000001", "3e11fa47-71ca-11e1-9e33-c80aa9429562")
SOURCES = (*UUIDS, f"{UUIDS[0]}:tag", f"{UUIDS[0]}:_other1")
gtids = st.builds(Gtid, st.sampled_from(SOURCES), st.integers(1, 30))
members = st.frozensets(gtids, max_size=40)
sets = members.map(GtidSet({}).plus)
mariadb = st.builds(MariadbGtid, st.integers(0, 3), st.integers(1, 3), st.integers(1, 50))


def listed(gtid_set):
    return {Gtid(source, number) for source in SOURCES for number in range(1, 31) if Gtid(source, number) in gtid_set}


@given(members)
def test_a_set_holds_what_was_put_in_and_survives_its_text(some):
    made = GtidSet({}).plus(some)

    assert listed(made) == some
    assert GtidSet.parse(str(made)) == made
    assert str(GtidSet.parse(str(made))) == str(made)
    assert bool(made) == bool(some)


@given(members, members)
def test_sets_are_added_and_subtracted_as_sets_are(one, other):
    a, b = GtidSet({}).plus(one), GtidSet({}).plus(other)

    assert listed(a.minus(b)) == one - other
    assert listed(a.union(b)) == listed(a.plus(other)) == one | other
    assert a.contains(b) == (one >= other)
    assert a.union(b) == b.union(a)


@given(sets, sets)
def test_what_contains_each_other_is_equal(a, b):
    assert (a.contains(b) and b.contains(a)) == (a == b)


@given(gtids)
def test_one_transaction_survives_its_text(gtid):
    assert parse_gtid(str(gtid)) == gtid


@given(st.lists(mariadb, max_size=20))
def test_a_state_goes_on_with_each_transaction(log):
    rising = sorted(log, key=lambda gtid: gtid.number)
    state = GtidState({})
    for gtid in rising:
        after = state.plus([gtid])
        assert after.contains(state)
        assert gtid in after
        state = after
    assert GtidState.parse(str(state)) == state == GtidState({}).plus(rising)


@pytest.fixture
def cursor(stack):
    with closing(stack.mysql.connect()) as session:
        yield session.cursor()


@pytest.mark.stack
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=sets, other=sets)
def test_F60_the_server_subtracts_and_compares_alike(one, other, cursor):
    cursor.execute("SELECT GTID_SUBTRACT(%s, %s), GTID_SUBSET(%s, %s)", (str(one), str(other), str(one), str(other)))
    rest, subset = cursor.fetchone()

    assert rest.replace("\n", "") == str(one.minus(other))
    assert bool(subset) == other.contains(one)
