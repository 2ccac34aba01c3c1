"""When a source's transactions are sent and committed: small ones together, a lone one at once."""

import pytest

from connect.runtime import commit_pace
from connect.runtime.commit_pace import CommitPace


class Clock:
    """Seconds as the test wants them."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pace(clock):
    return CommitPace(clock)


def is_due(pace, *, more=True, held=0):
    return pace.is_due(held, more=more)


def test_nothing_taken_is_nothing_to_commit(pace):
    assert not is_due(pace, more=False)
    assert pace.patience(busy=False) > pace.patience(busy=True) > 0


def test_a_lone_transaction_is_committed_once_nothing_follows(pace):
    pace.took(1, boundary=True)
    assert pace.patience(busy=False) == 0
    assert not is_due(pace)
    assert is_due(pace, more=False)


def test_transactions_ride_together_for_a_while(pace, clock):
    pace.took(1, boundary=True)
    clock.now += commit_pace._COMMIT_SECONDS / 2
    pace.took(1, boundary=True)
    assert not is_due(pace)
    clock.now += commit_pace._COMMIT_SECONDS / 2 + 0.001
    assert is_due(pace)


def test_many_rows_are_committed_at_once(pace):
    pace.took(commit_pace._COMMIT_ROWS, boundary=True)
    assert is_due(pace)


def test_what_arrives_amid_a_commit_waits_for_its_end_and_for_its_markers(pace, clock):
    pace.took(1, boundary=True)
    pace.opened()
    pace.commits()
    assert not pace.dirty
    pace.took(1, boundary=True)
    clock.now += 1
    assert not is_due(pace, more=False)
    assert pace.patience(busy=False) == commit_pace._HELD_SECONDS
    pace.ended()
    assert not is_due(pace, more=False)
    clock.now += commit_pace._MARKERS_SECONDS
    assert is_due(pace, more=False)


def test_invariant_7_too_much_that_is_held_waits_for_the_commit_under_way(pace):
    pace.opened()
    pace.commits()
    pace.took(1, boundary=True)
    assert not is_due(pace, held=commit_pace._HELD_BYTES)
    assert is_due(pace, held=commit_pace._HELD_BYTES + 1)


def test_invariant_9_amid_a_source_transaction_nothing_is_committed(pace, clock):
    pace.took(commit_pace._COMMIT_ROWS, boundary=False)
    pace.opened()
    clock.now += commit_pace._COMMIT_SECONDS + 1
    assert not is_due(pace, more=False)


def test_S4_a_source_transaction_of_too_many_rows_is_split(pace):
    pace.took(commit_pace._SPLIT_ROWS + 1, boundary=False)
    assert is_due(pace)


def test_S4_a_source_transaction_that_takes_too_long_is_split(pace, clock):
    pace.took(1, boundary=False)
    pace.opened()
    clock.now += commit_pace._SPLIT_SECONDS + 1
    assert pace.is_long
    assert is_due(pace)
    pace.commits()
    assert not pace.is_long


def test_rows_are_handed_over_while_more_is_read_but_not_while_others_are_under_way(pace):
    held = commit_pace._SENT_BYTES + 1
    assert pace.is_ripe(held)
    pace.opened()
    pace.sends()
    assert not pace.is_ripe(held)
    assert pace.is_ripe(commit_pace._HELD_BYTES + 1)
    pace.ended()
    assert pace.is_ripe(held)


def test_after_a_delivery_no_markers_are_waited_for(pace):
    pace.took(1, boundary=True)
    pace.opened()
    pace.sends()
    assert not is_due(pace, more=False)
    pace.ended()
    assert is_due(pace, more=False)
