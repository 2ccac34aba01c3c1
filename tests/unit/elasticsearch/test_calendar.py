"""Temporal integers as text, over the whole range (types.md A4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.elasticsearch.calendar import date_text, time_text, timestamp_text


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "1970-01-01"),
        (-719162, "0001-01-01"),
        (-719163, "0000-12-31"),
        (-2440550, "-4712-01-01"),
        (-735160, "-0043-03-15"),
        (-141432, "1582-10-10"),
        (2932896, "9999-12-31"),
        (2932897, "+10000-01-01"),
        (2145042905, "+5874897-12-31"),
        (2147483647, "infinity"),
        (-2147483648, "-infinity"),
        (-2147472692, "infinity"),
    ],
)
def test_dates_of_every_age(days, text):
    assert date_text(days) == text


@given(st.dates())
def test_dates_agree_with_the_standard_library(day):
    assert date_text((day - date(1970, 1, 1)).days) == day.isoformat()


@given(st.datetimes(min_value=datetime(1, 1, 1)))  # noqa: DTZ001 - a timestamp without a zone
def test_timestamps_agree_with_the_standard_library(moment):
    micros = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    assert timestamp_text(micros, 6) == moment.isoformat(timespec="microseconds")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (49890123, 3, "13:51:30.123"),
        (86_400_000_000, 6, "24:00:00.000000"),
        (-3_020_399_000_000, 6, "-838:59:59.000000"),
        (1, 9, "00:00:00.000000001"),
    ],
)
def test_times_keep_what_no_clock_shows(value, digits, text):
    assert time_text(value, digits) == text


def test_a_timestamp_before_1970_counts_upwards():
    assert timestamp_text(-1, 6) == "1969-12-31T23:59:59.999999"
    assert timestamp_text(9_224_318_015_999_999, 3) == "+294276-12-31T23:59:59.999"


@pytest.mark.parametrize(("value", "digits"), [(9_223_372_036_825_200_000, 6), (9_223_372_036_825_200, 3)])
def test_infinity_is_no_date(value, digits):
    assert timestamp_text(value, digits) == "infinity"
    assert timestamp_text(-value - 7_200 * 10 ** (digits - 3), digits) == "-infinity"
