"""What the watches make of what they saw."""

from __future__ import annotations

import pytest

from connect.testing.position_watch import Committed, PositionWatch
from connect.testing.slot_watch import Sample, SlotWatch

POSITIONS = [Committed(0, 100, 0.0), Committed(3, 200, 3.0), Committed(6, 300, 6.0)]


def watch(positions: list[Committed]) -> PositionWatch:
    made = PositionWatch("", "", lambda position: position)
    made.positions += positions
    return made


@pytest.mark.parametrize(
    ("samples", "early"),
    [
        ([(100, 2), (200, 5), (300, 8)], 0),
        ([(100, 8)], 0),  # the slot may lag
        ([(200, 3)], 1),  # the position 200 was not in the log yet
        ([(250, 5), (250, 8)], 1),
        ([(301, 8)], 1),
        ([(999, 0)], 0),  # before the first position
    ],
)
def test_a_slot_above_the_committed_position_is_told(samples, early) -> None:
    slot = SlotWatch("", "", "", "")
    slot.samples += [Sample(*sample) for sample in samples]
    assert len(slot.early(POSITIONS)) == early


def test_positions_that_go_back_are_counted() -> None:
    assert watch(POSITIONS).went_back() == 0
    assert watch([*POSITIONS, Committed(9, 250, 9.0)]).went_back() == 1


def test_when_a_place_was_passed_first() -> None:
    positions = watch(POSITIONS)
    assert positions.passed_at(150) == 3.0
    assert positions.passed_at(200) == 3.0
    assert positions.passed_at(301) is None
