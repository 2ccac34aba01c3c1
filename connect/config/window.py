"""Hours of the day in which snapshots may read: ``22:00-05:00``, or ``22:00-05:00 Europe/Berlin``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import PlainValidator

_FORM = "write for example 22:00-05:00, or 22:00-05:00 Europe/Berlin"


@dataclass(frozen=True)
class Window:
    """From ``start`` to before ``end``, over midnight where that is earlier.

    Attributes:
        start: It opens.
        end: It closes.
        zone: Whose clock counts; None for this machine's.
        text: As in the file.
    """

    start: time
    end: time
    zone: tzinfo | None
    text: str

    def is_open(self, now: datetime | None = None) -> bool:
        """Whether it is open at ``now``, an aware moment; left out, at this one."""
        clock = (now or datetime.now(UTC)).astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def _window(value: Any) -> Window:
    found = re.fullmatch(r"\s*(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)(?:\s+(\S+))?\s*", str(value))
    if found is None:
        message = f"{value!r} are no hours of the day: {_FORM}"
        raise ValueError(message)
    start, end = (_clock(text) for text in found.groups()[:2])
    if start == end:
        message = f"{value!r} never opens: leave the window out, or {_FORM}"
        raise ValueError(message)
    return Window(start, end, _zone(found[3]), str(value).strip())


def _clock(text: str) -> time:
    hour, _, minute = text.partition(":")
    try:
        return time(int(hour), int(minute))
    except ValueError:
        message = f"{text!r} is no time of the day: {_FORM}"
        raise ValueError(message) from None


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    if name == "UTC":  # also where the machine has no list of zones
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        message = f"{name!r} is no time zone that this machine knows: {_FORM}"
        raise ValueError(message) from None


Hours = Annotated[Window, PlainValidator(_window)]
