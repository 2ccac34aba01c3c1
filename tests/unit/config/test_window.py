"""Hours in which snapshots read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from connect.config.window import Hours

HOURS = TypeAdapter(Hours)


def at(clock, offset=0):
    return datetime.fromisoformat(f"2026-03-01T{clock}:00").replace(tzinfo=timezone(timedelta(hours=offset)))


@pytest.mark.parametrize(
    ("text", "clock", "is_open"),
    [
        ("09:00-17:00 UTC", "08:59", False),
        ("09:00-17:00 UTC", "09:00", True),
        ("09:00-17:00 UTC", "16:59", True),
        ("09:00-17:00 UTC", "17:00", False),
        ("22:00-05:00 UTC", "21:59", False),
        ("22:00-05:00 UTC", "23:30", True),
        ("22:00-05:00 UTC", "04:59", True),
        ("22:00-5:00 UTC", "05:00", False),
    ],
)
def test_it_is_open_from_its_start_to_before_its_end(text, clock, is_open):
    assert HOURS.validate_python(text).is_open(at(clock)) is is_open


def test_its_zone_is_the_one_whose_clock_counts():
    window = HOURS.validate_python("22:00-23:00 Europe/Berlin")
    assert window.is_open(datetime(2026, 7, 1, 20, 30, tzinfo=UTC))
    assert not window.is_open(datetime(2026, 1, 1, 20, 30, tzinfo=UTC))


def test_without_a_zone_it_is_this_machines_clock():
    here = datetime.now(UTC).astimezone()
    window = HOURS.validate_python(f"{here:%H:%M}-{here + timedelta(hours=1):%H:%M}")
    assert window.is_open(here)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("night", "no hours of the day"),
        ("22-5", "no hours of the day"),
        ("22:00-25:00", "'25:00' is no time of the day"),
        ("22:60-23:00", "'22:60' is no time of the day"),
        ("22:00-22:00", "never opens"),
        ("22:00-23:00 Mars/Olympus", "no time zone that this machine knows"),
        ("22:00-23:00 ../etc", "no time zone that this machine knows"),
    ],
)
def test_what_is_no_window_is_refused_with_an_example(text, why):
    with pytest.raises(ValidationError, match=why) as raised:
        HOURS.validate_python(text)
    assert "22:00-05:00" in str(raised.value)
