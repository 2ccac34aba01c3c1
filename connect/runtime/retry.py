"""The one retry table (rule W4): what happens next after an error, or after the death of a child process."""

from __future__ import annotations

import errno
import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connect.errors import ConnectError, Fenced, Retriable
from connect.runtime.report import State

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS: Final = 0.2  # back at the head of the log within 5 s of a kill is a promise
CAP_SECONDS: Final = 30.0
ASKED_CAP_SECONDS: Final = 300.0  # however long the other side asks us to wait
DISK_SECONDS: Final = 5.0  # an operator has to free space: no point in asking five times a second
CALM_SECONDS: Final = 1.0  # progress for less than this does not start the back-off anew: at most one connect a second

CRASHES: Final = 8
CRASH_WINDOW_SECONDS: Final = 600.0

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again ``after_seconds`` from now; ``code`` and ``message`` say why it is waiting."""

    after_seconds: float
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Stay down in ``state`` (FAILED or FENCED) until an operator acts."""

    state: State
    code: str
    message: str


def backoff(attempt: int, jitter: Callable[[], float] = random.random) -> float:
    """Seconds before retry ``attempt`` (0 is the first): doubling from 0.2 s to 30 s, less up to half (F126)."""
    return min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 16)) * (1 - jitter() / 2)


def decide(error: BaseException, attempt: int, jitter: Callable[[], float] = random.random) -> Retry | Stop:
    """What a task does after ``error``: the table of rule W4, one case a row.

    Args:
        error: What ended the task; plugins translate the errors of their servers before they get here.
        attempt: How many retries came before without progress between; 0 for the first.
        jitter: Gives a number from 0 to 1.
    """
    match error:
        case Fenced():  # rule F-3: a retry would fence the new owner, and so on for ever
            return Stop(State.FENCED, error.code, str(error))
        case Retriable():
            asked = min(error.after or 0.0, ASKED_CAP_SECONDS)
            return Retry(max(asked, backoff(attempt, jitter)), error.code, str(error))
        case ConnectError():  # Failed, ConfigError, RecordError without a dead-letter topic
            return Stop(State.FAILED, error.code, str(error))
        case OSError() if error.errno in _DISK_FULL:
            return Retry(max(DISK_SECONDS, backoff(attempt, jitter)), "disk_full", _disk_full(error))
        case _:  # invariant 6: what is not understood stops the connector
            return Stop(State.FAILED, "internal_error", _internal(error))


def calm(ran_seconds: float, *, progressed: bool) -> bool:
    """Whether a run that just broke was good enough for the next back-off to begin at 0.2 s again."""
    return ran_seconds >= (CALM_SECONDS if progressed else CAP_SECONDS)


def _disk_full(error: OSError) -> str:
    where = f" at {error.filename}" if error.filename else ""
    return f"No space is left on the device{where}.\n  Free some: the connector goes on by itself."


def _internal(error: BaseException) -> str:
    # The error's own text stays out: a foreign exception may quote a row's values (F175).
    return (
        f"An unexpected {type(error).__name__} at {_where(error)}.\n"
        "  This is a fault of Connect or of a plugin: run again with --debug for its stack, and report it."
    )


def _where(error: BaseException) -> str:
    """``file:line`` of the innermost frame, and of the innermost one of this project when that is another."""
    innermost = ours = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        innermost = f"{'/'.join(Path(code.co_filename).parts[-3:])}:{trace.tb_lineno}"
        if trace.tb_frame.f_globals.get("__name__", "").startswith(("connect.", "connectors.")):
            ours = innermost
        trace = trace.tb_next
    called = f", called from {ours}" if ours not in {"", innermost} else ""
    return f"{innermost or 'an unknown place'}{called}"


@dataclass(slots=True)
class Crashes:
    """The deaths of one connector's processes since it last made progress (F121)."""

    jitter: Callable[[], float] = random.random
    _deaths: deque[float] = field(default_factory=deque)

    def died(self, now: float, how: str, *, by_signal: bool, progressed: bool) -> Retry | Stop:
        """What the supervisor does after a child ended without saying why.

        Args:
            now: A monotonic clock's seconds (rule W5).
            how: The end of a sentence that begins with "Its process".
            by_signal: A first death by a signal is nothing that the connector did: it starts again at once.
            progressed: Whether that child committed anything.
        """
        if progressed:
            self._deaths.clear()
        while self._deaths and self._deaths[0] < now - CRASH_WINDOW_SECONDS:
            self._deaths.popleft()
        self._deaths.append(now)
        if len(self._deaths) >= CRASHES:
            text = f"Its process {how}, and so did the {CRASHES - 1} before it, without any progress."
            return Stop(State.FAILED, "crash_loop", text)
        after = 0.0 if by_signal and len(self._deaths) == 1 else backoff(len(self._deaths) - 1, self.jitter)
        return Retry(after, "crashed", f"Its process {how}.")
