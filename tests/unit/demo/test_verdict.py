"""The verdict finds what it is for: each fault that a connector could have, made on purpose."""

from __future__ import annotations

from collections import Counter

import pytest

from connect.demo.verdict import READ, Change, check, check_events, differing, fold

KEY = ("7",)


def changes(*words: str) -> list[Change]:
    """``c1`` is a create of the row 1, ``d`` a delete, ``r1`` a snapshot's row."""
    return [Change(word[0], (word[1:],) if word[1:] else None) for word in words]


MADE = {KEY: changes("r0", "u1", "u2", "d", "c3", "u4")}


def verdict(*found: str, **options):
    return check(MADE, {KEY: changes(*found)}, **options)


@pytest.mark.parametrize("at", range(6))
def test_a_snapshots_row_may_stand_anywhere_as_it_was_there(at) -> None:
    stream, states = ["u1", "u2", "d", "c3", "u4"], ["0", "1", "2", None, "3", "4"]
    if states[at] is not None:
        stream.insert(at, f"r{states[at]}")
    assert verdict(*stream).clean


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("lost", ["u1", "u2", "d", "c3"]),
        ("lost", ["u2", "d", "c3", "u4"]),
        ("repeated", ["u1", "u1", "u2", "d", "c3", "u4"]),
        ("repeated", ["u1", "u2", "d", "c3", "u4", "u1", "u2"]),
        ("disordered", ["u2", "u1", "d", "c3", "u4"]),
        ("stale", ["u1", "u2", "r1", "d", "c3", "u4"]),
        ("stale", ["u1", "u2", "d", "r2", "c3", "u4"]),
        ("stale", ["r4", "u1", "u2", "d", "c3", "u4"]),
        ("reread", ["r0", "u1", "r1", "u2", "d", "c3", "u4"]),
    ],
)
def test_a_fault_is_found_and_told(fault, found) -> None:
    result = verdict(*found)
    assert getattr(result, fault) > 0
    assert not result.clean


def test_a_change_with_another_row_is_lost_and_foreign() -> None:
    result = verdict("u1", "u2", "d", "c3", "u5")
    assert (result.lost, result.repeated) == (1, 1)
    assert "u" in result.examples[0]


def test_a_key_that_was_never_written_is_foreign() -> None:
    assert check({}, {KEY: changes("c1")}).repeated == 1


def test_a_second_snapshot_run_may_restate_a_key() -> None:
    assert verdict("r0", "u1", "r1", "u2", "d", "c3", "u4", snapshots=2).clean


def test_a_late_capture_has_the_last_changes() -> None:
    assert verdict("r2", "d", "c3", "u4", late=True).clean
    assert not verdict("r1", "d", "c3", "u4", late=True).clean
    assert not verdict("r2", "d", "c3", late=True).clean
    assert not verdict("r2", "d", "u4", late=True).clean


def test_events_are_told_apart_by_their_contents() -> None:
    made = Counter({("a",): 2, ("b",): 1})
    assert check_events(made, Counter(made)).clean
    result = check_events(made, Counter({("a",): 3}))
    assert (result.lost, result.repeated) == (1, 1)


def test_folding_leaves_the_last_row_of_each_living_key() -> None:
    assert fold({KEY: changes("r0", "u1"), ("8",): changes("c1", "d")}) == {KEY: ("1",)}


def test_rows_that_differ_are_counted_once() -> None:
    assert differing([("1", "a"), ("2", "b")], [("1", "a"), ("2", "x")]) == 1
    assert differing([], [("1", "a")]) == 1


def test_reads_are_no_changes() -> None:
    result = verdict("r0", "u1", "u2", "d", "c3", "u4")
    assert (result.made, result.found, result.reads) == (5, 5, 1)
    assert READ not in {change.op for change in MADE[KEY][1:]}
