"""What the watch makes of what it saw."""

from __future__ import annotations

import pytest

from connect.testing.slot_watch import SlotWatch, _Position, _Sample


@pytest.fixture
def saw():
    def make(positions: list[tuple[int, int]], samples: list[tuple[int, int]]) -> SlotWatch:
        watch = SlotWatch("", "", "", "")
        watch._positions += [_Position(offset, lsn, float(offset)) for offset, lsn in positions]
        watch._samples += [_Sample(lsn, end) for lsn, end in samples]
        return watch

    return make


POSITIONS = [(0, 100), (3, 200), (6, 300)]


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
def test_a_slot_above_the_committed_position_is_told(saw, samples, early) -> None:
    assert len(saw(POSITIONS, samples).early()) == early


def test_positions_that_go_back_are_counted(saw) -> None:
    assert saw(POSITIONS, []).went_back() == 0
    assert saw([*POSITIONS, (9, 250)], []).went_back() == 1


def test_when_an_lsn_was_passed_first(saw) -> None:
    watch = saw(POSITIONS, [])
    assert watch.passed_at(150) == 3.0
    assert watch.passed_at(200) == 3.0
    assert watch.passed_at(301) is None
