"""Which transactions a database snapshot sees: ``pg_snapshot`` against the 32-bit xids of the stream (DESIGN §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Hashable

_EPOCH = 1 << 32


class DatabaseSnapshot(NamedTuple):
    """A ``pg_snapshot``: sees transactions below ``xmin``, and those below ``xmax`` that are not in ``running``."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """``10:20:10,14,15`` as the server prints it; 64-bit xids."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, transaction: Hashable) -> bool:
        """Whether a committed top-level transaction of the stream is visible in this snapshot.

        The stream's 32-bit xid is taken as the 64-bit one nearest to ``xmax``: the server itself keeps all living xids
        within 2^31 of each other.
        """
        if not isinstance(transaction, int):
            return False
        xid = full_xid(transaction, self.xmax)
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


def full_xid(xid: int, near: int) -> int:
    """The 64-bit xid with these low 32 bits that is nearest to ``near``."""
    distance = (xid - near) % _EPOCH
    return near + (distance - _EPOCH if distance >= _EPOCH // 2 else distance)
