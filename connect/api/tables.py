"""Captured tables: what a server has, and what the operator's file wants of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.schema.model import TableId, TableSchema


class View(StrEnum):
    """What a topic holds: the latest row of each key, or every change (DESIGN §6)."""

    STATE = "state"
    EVENTS = "events"


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The final options of one table: defaults, then patterns, then its exact name (DESIGN §7).

    Attributes:
        views: Which topics it gets.
        value: ``envelope`` (Debezium's) or ``row`` (the flat row plus ``__pos``).
        partitions: Partitions of its topics.
        key: Topic-key columns instead of the primary key.
        columns: Only these columns, in table order; None for all.
        mask: Column → kind of mask.
        new_columns: What an added column does.
        changed_types: What a column does whose type changes so that no reader reads both.
        events_keep_ms: Retention of the event view in milliseconds; -1 is for ever.
        snapshot: Whether existing rows are read; ``never`` starts with the log.
        where: A SQL condition on the rows that a snapshot reads.
        origin: ``file:line`` of each option that was set, for ``plan`` and messages.
    """

    views: tuple[View, ...] = (View.STATE,)
    value: Literal["envelope", "row"] = "envelope"
    partitions: int = 1
    key: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    mask: Mapping[str, Any] | None = None
    new_columns: Literal["publish", "hold", "fail"] = "publish"
    changed_types: Literal["fail", "publish"] = "fail"
    events_keep_ms: int = -1
    snapshot: Literal["initial", "never"] = "initial"
    where: str | None = None
    origin: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """A table as the server describes it now.

    Attributes:
        schema: Its columns and key; an empty key means that it has none.
        identity: Names of the columns that the log carries of an old row; None for all (REPLICA IDENTITY FULL).
        rows: Estimate by the server's statistics; -1 where it has none yet, and the table is not empty.
        bytes: Size of its data without indexes.
        can_change: False when the log carries no UPDATE and DELETE of it (no replica identity): NOT CAPTURED.
        notes: What an operator should know, one sentence each.
        readable: False where the role that asked may not read it.
    """

    schema: TableSchema
    identity: tuple[str, ...] | None
    rows: int
    bytes: int
    can_change: bool = True
    notes: tuple[str, ...] = ()
    readable: bool = True

    @property
    def table(self) -> TableId:
        """The table's name."""
        return self.schema.table
