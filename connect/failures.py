"""Every code that a task can stop or wait with, and what ``connect explain CODE`` says of it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Explanation(NamedTuple):
    """What happened, whether anything is lost, and what to do: whole sentences for an operator at night."""

    what: str
    lost: str
    do: str


FAILURES: Final[dict[str, Explanation]] = {}
