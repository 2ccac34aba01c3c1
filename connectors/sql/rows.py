"""Changes into tables: one load and one statement for each kind of change and target of a batch (K3, K5)."""

# ruff: noqa: S608 - names are quoted by `quote`, values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connect.api import Failure
from connectors.sql.changes import Change, Delete, Key, TableChanges, Upsert, fold
from connectors.sql.database import BadRowsError, TakenKeyError, quote
from connectors.sql.targets import Direct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.sql.database import Database
    from connectors.sql.ledger import Ledger
    from connectors.sql.targets import Target

# From so many rows on it pays to try whether none of the keys is there yet.
_DIRECT_ROWS: Final = 500
_ROW: Final = "__connect_row"


class Rows:
    """Applies changes inside the caller's transaction."""

    def __init__(self, database: Database, ledger: Ledger, targets: Mapping[str, Target]) -> None:
        """``targets``: by topic; a topic without one has had no row yet."""
        self._db = database
        self._ledger = ledger
        self._targets = targets
        self.incomplete = 0  # rows that wait for columns; kept by the owner across transactions

    def apply(self, changes: Sequence[Change]) -> list[Failure]:
        """Apply changes; those that the database refuses are named and left out, found by halving (rule K5, F132)."""
        if not changes:
            return []
        try:
            with self._db.savepoint():
                for topic, table in fold(changes).items():
                    if topic in self._targets:
                        self._table(topic, self._targets[topic], table)
        except BadRowsError as error:
            if len(changes) == 1:
                return [Failure(changes[0].place, str(error))]
            middle = len(changes) // 2
            return self.apply(changes[:middle]) + self.apply(changes[middle:])
        return []

    def _table(self, topic: str, target: Target, changes: TableChanges) -> None:
        if changes.cleared:
            self._db.clear(self._db.place(target.table.name))
            if self.incomplete:
                self._ledger.drop_incomplete(topic, None)
        removed: list[Key] = []
        groups: dict[tuple[tuple[str, ...], bool], list[tuple[Key, Upsert]]] = {}
        for key, action in changes.rows.items():
            if isinstance(action, Delete) or action.fresh:
                removed.append(key)
            if isinstance(action, Upsert):
                groups.setdefault((action.columns, bool(action.missing)), []).append((key, action))
        if removed:
            self._delete(topic, target, removed)
        for (columns, partial), rows in groups.items():
            if partial:
                self._upsert_partial(topic, target, columns, rows)
            else:
                self._upsert_whole(topic, target, columns, rows)

    def _delete(self, topic: str, target: Target, keys: Sequence[Key]) -> None:
        self._stage(target, target.key, keys)
        self._db.delete(target.table, target.key, target.stage)
        if self.incomplete:
            self._ledger.drop_incomplete(topic, keys)

    def _upsert_whole(
        self, topic: str, target: Target, columns: tuple[str, ...], rows: Sequence[tuple[Key, Upsert]]
    ) -> None:
        values = [upsert.values for _, upsert in rows]
        if not self._db.upsert(target.table, target.key, columns, values) and not self._insert(target, columns, values):
            self._stage(target, columns, values)
            self._db.merge(target.table, target.key, columns, target.stage)
        if self.incomplete:
            self._ledger.drop_incomplete(topic, [key for key, _ in rows])

    def _insert(self, target: Target, columns: tuple[str, ...], values: Sequence[tuple[object, ...]]) -> bool:
        return straight(self._db, target, Direct.ALL, len(values), lambda place: self._db.load(place, columns, values))

    def _upsert_partial(
        self, topic: str, target: Target, columns: tuple[str, ...], rows: Sequence[tuple[Key, Upsert]]
    ) -> None:
        """Rows without some columns: what the table holds of them stays; a key without a row waits for a whole one."""
        numbered = [(*upsert.values, number) for number, (_, upsert) in enumerate(rows)]
        self._stage(target, (*columns, _ROW), numbered)
        same = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in target.key)
        absent = self._db.rows(
            f"SELECT s.{_ROW} FROM {target.stage} s WHERE NOT EXISTS"
            f" (SELECT 1 FROM {self._db.place(target.table.name)} t WHERE {same})"
        )
        self._db.merge(target.table, target.key, columns, target.stage)
        if absent:
            self._ledger.add_incomplete(topic, [rows[int(number)][0] for (number,) in absent])

    def _stage(self, target: Target, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self._db.run(f"DELETE FROM {target.stage}")
        self._db.load(target.stage, columns, rows)


def straight(database: Database, target: Target, direct: Direct, count: int, load: Callable[[str], None]) -> bool:
    """Load rows straight into the table, which a first load is made of; False where a key was there already.

    What ``direct`` names is tried no more then, but of all rows the new ones may still be.

    Raises:
        BadRowsError: For another reason; the upsert would meet it too.
    """
    if target.direct < direct or count < _DIRECT_ROWS:
        return False
    try:
        with database.savepoint():
            load(database.place(target.table.name))
    except TakenKeyError:
        target.direct = Direct(direct - 1)
        return False
    return True
