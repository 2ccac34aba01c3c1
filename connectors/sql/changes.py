"""A batch folded to at most one change a key: pure, and equal to applying its records one by one (rule K3, F127)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[Any, ...]


class Upsert(NamedTuple):
    """A key's row after the batch.

    Attributes:
        columns: The columns that have a value, key columns among them.
        values: Their values, as ``Database.load`` takes them.
        missing: Columns that the log did not carry: what the table holds stays (invariant 5, rule K4).
        fresh: The batch removed the key before: nothing of an older row may stay.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]
    missing: tuple[str, ...] = ()
    fresh: bool = False


class Delete(NamedTuple):
    """The key has no row after the batch."""


DELETE: Final = Delete()


class Clear(NamedTuple):
    """The table was emptied (op ``t``)."""


CLEAR: Final = Clear()


class Change(NamedTuple):
    """What one record asks for: ``place`` is its index in the batch."""

    place: int
    topic: str
    key: Key
    action: Upsert | Delete | Clear


@dataclass(slots=True)
class TableChanges:
    """What a batch does to one target: first ``cleared``, then the rows, each key once."""

    cleared: bool = False
    rows: dict[Key, Upsert | Delete] = field(default_factory=dict)


def fold(changes: Iterable[Change]) -> dict[str, TableChanges]:
    """The changes by topic."""
    tables: dict[str, TableChanges] = {}
    for _, topic, key, action in changes:
        table = tables.get(topic)
        if table is None:
            table = tables[topic] = TableChanges()
        if isinstance(action, Upsert):
            before = table.rows.get(key)
            table.rows[key] = action if before is None else _over(before, action)
        elif isinstance(action, Delete):
            table.rows[key] = DELETE
        else:
            table.cleared = True
            table.rows.clear()
    return tables


def _over(before: Upsert | Delete, after: Upsert) -> Upsert:
    """The row that ``after`` leaves where ``before`` was."""
    if isinstance(before, Delete):
        return after._replace(fresh=True)
    # A row that was whole when it came has been written whole: what the later one lacks stays as it was.
    missing = after.missing if before.missing else ()
    if before.columns == after.columns:
        return after._replace(missing=missing, fresh=before.fresh)
    merged = dict(zip(before.columns, before.values, strict=True))
    merged.update(zip(after.columns, after.values, strict=True))
    return Upsert(tuple(merged), tuple(merged.values()), missing, before.fresh)
