"""The contract of a transform: pure, by table or topic, in two steps so that a row pays only for what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.record import ChangeEvent, RowShape, SinkRecord

    Change = ChangeEvent | SinkRecord
    ChangeFunction = Callable[[Change], Change | None]


class Transform(Protocol):
    """Masks, renames, drops, filters or rewrites what passes.

    ``shape`` runs once for each shape of a table and may return another one (a derived shape: columns dropped, renamed,
    masked), under which rows are then seen without any cost a row. ``change`` is None or runs for each change.
    """

    def shape(self, shape: RowShape) -> RowShape:
        """The shape that rows of this shape leave with; the same object where nothing changes.

        Raises:
            Failed: A column that the transform names does not exist.
        """
        ...

    @property
    def change(self) -> ChangeFunction | None:
        """From a change to the one to publish, or to None: dropped. None instead of a function: rows pass as they are.

        A filter on a state topic turns a row that stops matching into a delete (DESIGN §6).
        """
        ...
