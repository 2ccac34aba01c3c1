"""Days and times as texts, over the whole range of the databases (types.md A4)."""

from __future__ import annotations

import pytest

from connectors.sql.temporal import date_text, iso_text, time_text, timestamp_text, timestamp_text_ms, timestamp_text_ns


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "1970-01-01"),
        (-719162, "0001-01-01"),
        (-719163, "0001-12-31 BC"),
        (-735160, "0044-03-15 BC"),
        (-2440550, "4713-01-01 BC"),
        (2932896, "9999-12-31"),
        (2932897, "10000-01-01"),
        (2145042905, "5874897-12-31"),
        (2147483647, "infinity"),
        (-2147483648, "-infinity"),
        (-2147472692, "infinity"),
        (-2147472691, "-infinity"),
        (-622191234, "infinity"),
        (-625821272, "-infinity"),
    ],
)
def test_dates(days: int, text: str) -> None:
    assert date_text(days) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "00:00:00"),
        (49890123000, "13:51:30.123000"),
        (86399999999, "23:59:59.999999"),
        (86400000000, "24:00:00"),
        (-1, "-00:00:00.000001"),
        (-3020399000000, "-838:59:59"),
    ],
)
def test_times(us: int, text: str) -> None:
    assert time_text(us) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59.999999"),
        (-210831897600000001, "4713-12-31 23:59:59.999999 BC"),
        (601060312290123456, "21016-11-04 13:51:30.123456"),
        (9223372036825200000, "infinity"),
        (2**63 - 1, "infinity"),
        (-9223372036832400000, "-infinity"),
    ],
)
def test_timestamps(us: int, text: str) -> None:
    assert timestamp_text(us) == text


def test_milliseconds_beyond_microseconds_are_no_infinity() -> None:
    assert timestamp_text_ms(9224318015999000) == "294276-12-31 23:59:59"
    assert timestamp_text_ms(9223372036825200) == "infinity"
    assert timestamp_text_ms(-9223372036832400) == "-infinity"


def test_nanoseconds_have_their_ends_as_infinities() -> None:
    assert timestamp_text_ns(1529507596945104000) == "2018-06-20 15:13:16.945104"
    assert timestamp_text_ns(2**63 - 1) == "infinity"
    assert timestamp_text_ns(-(2**63)) == "-infinity"


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("2018-06-20T15:13:16.945104Z", "2018-06-20T15:13:16.945104Z"),
        ("infinity", "infinity"),
        ("-4712-01-01T00:00:00Z", "4713-01-01T00:00:00Z BC"),
        ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z BC"),
        ("+21016-11-04T13:51:30Z", "21016-11-04T13:51:30Z"),
    ],
)
def test_iso_texts_with_years_that_databases_do_not_read(iso: str, text: str) -> None:
    assert iso_text(iso) == text
