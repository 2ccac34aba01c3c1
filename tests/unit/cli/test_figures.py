"""Numbers as people read them."""

from __future__ import annotations

import pytest

from connect.cli.figures import count, progress, size, span


def test_counts_have_separators() -> None:
    assert count(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (999, "999 B"), (4100, "4.1 kB"), (16_800_000, "16.8 MB"), (5 * 10**15, "5000.0 TB")],
)
def test_sizes_have_a_unit(value: int, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.25, "0.2 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (18_720, "5 h 12 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_spans_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize("total", [None, 0, 24_999])
def test_an_estimate_that_cannot_be_right_is_left_out(total: int | None) -> None:
    assert progress(25_000, total) == "25,000"


def test_progress_has_its_total() -> None:
    assert progress(25_000, 100_000) == "25,000 of 100,000"
