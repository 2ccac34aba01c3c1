"""When a source's rows are sent and committed: the rules, which look at a clock and touch nothing.

Small transactions ride together, and a lone one is not held back: what arrives while one Kafka transaction commits goes
with the next, so that is as big as it has to be.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from connect.kafka.producer import TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMIT_ROWS: Final = 50_000  # so many changes, or so many seconds of them, are one Kafka transaction while more arrive
_COMMIT_SECONDS: Final = 0.05
_SPLIT_ROWS: Final = 500_000  # rule S4: above these a source transaction is split over Kafka transactions
_SPLIT_SECONDS: Final = TRANSACTION_TIMEOUT_MS / 3_000
_HELD_BYTES: Final = 32 * 2**20  # invariant 7: of records that wait while others are delivered, or the last commit ends
_HELD_SECONDS: Final = 0.001  # how often it is looked whether it has
_SENT_BYTES: Final = 2**18  # so much goes to Kafka while more is read; less goes with its position, in one request
_BUSY_SECONDS: Final = 0.01  # how long a read waits while something is to be done soon
_IDLE_SECONDS: Final = 0.25
# After a commit the coordinator still writes its markers. A transaction that begins meanwhile is refused; librdkafka
# asks again 20 ms later (CONCURRENT_TRANSACTIONS).
_MARKERS_SECONDS: Final = 0.003


class CommitPace:
    """Told what is taken, sent and committed; asked what comes next.

    Attributes:
        dirty: Something was taken that no commit carries yet: rows, notes, or only a position.
        boundary: What was taken ends on a boundary of source transactions.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds that never go back."""
        self._clock = clock
        self.dirty, self.boundary = False, True
        self._dirty_since = 0.0
        self._rows = 0  # since the last commit began
        self._opened_at: float | None = None  # of the open transaction
        self._working = False  # a delivery or a commit is under way
        self._free_at = 0.0  # when the coordinator should have written the last one's markers

    def took(self, rows: int, *, boundary: bool) -> None:
        """So many rows, or only progress, wait for the next commit."""
        self.boundary = boundary
        self._rows += rows
        self.touch()

    def touch(self) -> None:
        """Something else does: a note, or rows that nobody counts."""
        if not self.dirty:
            self.dirty, self._dirty_since = True, self._clock()

    def opened(self) -> None:
        """A Kafka transaction has begun."""
        self._opened_at = self._clock()

    def sends(self) -> None:
        """Records of the open transaction are being delivered."""
        self._working = True

    def commits(self) -> None:
        """The open transaction is being committed, with all that was taken."""
        self._working, self.dirty, self._rows, self._opened_at = True, False, 0, None

    def ended(self) -> None:
        """What was under way has ended; a commit has if no transaction is open."""
        self._working = False
        if self._opened_at is None:
            self._free_at = self._clock() + _MARKERS_SECONDS

    @property
    def _free(self) -> bool:
        """Whether a transaction is open, or one may begin: the last has ended, and its partitions are let go of."""
        if self._working:
            return False
        return self._opened_at is not None or self._clock() >= self._free_at

    def patience(self, *, busy: bool) -> float:
        """Seconds to wait for a batch: what was taken is held back only for what has arrived already.

        Args:
            busy: Something else is to be done soon.
        """
        if self.dirty and self.boundary:
            return 0.0 if self._free else _HELD_SECONDS
        return _BUSY_SECONDS if busy or self._working else _IDLE_SECONDS

    def is_due(self, held: int, *, more: bool) -> bool:
        """Whether to commit now.

        Args:
            held: Bytes of records that were not handed over yet.
            more: The last read gave something, so there may be more already.
        """
        if not self.dirty:
            return False
        # Invariant 9: whole source transactions; one that is too big for Kafka's is split by ordinal (rule S4).
        if not self.boundary:
            return self._rows > _SPLIT_ROWS or self.is_long
        if not self._free:
            return held > _HELD_BYTES
        return not more or self._rows >= _COMMIT_ROWS or self._clock() - self._dirty_since >= _COMMIT_SECONDS

    def is_ripe(self, held: int) -> bool:
        """Whether to hand over what is held, so many bytes, without a commit; if something is under way, after that."""
        return held > (_SENT_BYTES if self._free else _HELD_BYTES)

    @property
    def is_long(self) -> bool:
        """Whether the open transaction has to end before the broker gives it up (rule S4)."""
        return self._opened_at is not None and self._clock() - self._opened_at > _SPLIT_SECONDS
