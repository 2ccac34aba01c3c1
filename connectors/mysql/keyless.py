"""The rows of a table without a key, read while they are iterated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from connect.record import Row

if TYPE_CHECKING:
    from contextlib import ExitStack

    from connect.record import RowShape


class KeylessRows(Sequence[Row]):
    """A sequence that can be iterated once. It holds its database snapshot until it is read to its end or closed."""

    def __init__(self, shape: RowShape, packets: Iterator[bytes], resources: ExitStack) -> None:
        self._shape = shape
        self._packets = packets
        self._resources = resources

    def __iter__(self) -> Iterator[Row]:
        try:
            for packet in self._packets:
                yield Row(self._shape, packet)
        finally:
            self.close()

    def __len__(self) -> int:
        raise TypeError("rows that are read while they are iterated are not counted before")

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        raise TypeError("rows that are read while they are iterated cannot be asked for by index")

    def close(self) -> None:
        """End the transaction and the connection. Idempotent."""
        self._resources.close()
