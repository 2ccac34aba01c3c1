"""Folded batches as text that a database loads: what needs no look from Python is written by compiled code (K3)."""

# ruff: noqa: S608 - names are quoted by `quote`

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connect.errors import RecordError
from connectors.sql.database import Lines
from connectors.sql.rows import straight
from connectors.sql.targets import Direct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connect.schema.avro_reader_c import Folded, Lane
    from connectors.sql.database import LineDatabase
    from connectors.sql.lines_c import LineWriter
    from connectors.sql.targets import Plan, Target, Targets


class Load(NamedTuple):
    """What a batch does to one target: first the ``keys`` are removed, then the ``rows`` are there.

    Attributes:
        topic: Whose target.
        applied: How many records it comes from.
        key: The key columns, in the order of ``keys``.
        keys: Theirs.
        columns: Of the rows.
        new: The rows whose keys have no row by then, as the log tells it.
        others: The other rows.
    """

    topic: str
    applied: int
    key: tuple[str, ...]
    keys: Lines
    columns: tuple[str, ...]
    new: Lines
    others: Lines


class Loads:
    """Makes loads and applies them; a writer is kept for each lane as long as its plan holds."""

    def __init__(self, database: LineDatabase, targets: Targets) -> None:
        """``targets``: makes the plans, and the tables for them."""
        self._db = database
        self._targets = targets
        self._rows: dict[Lane, tuple[Plan, LineWriter]] = {}
        self._keys: dict[Lane, tuple[Plan, LineWriter]] = {}

    def make(self, folded: Folded) -> Load | None:
        """What a topic's part of a batch does; None where its records have to be looked at one by one."""
        try:
            return self._make(folded)
        except RecordError:  # it is the record's own, and found again where records are looked at
            return None

    def _make(self, folded: Folded) -> Load | None:
        columns: tuple[str, ...] = ()
        key: tuple[str, ...] = ()
        rows: tuple[Lines, Lines] | None = (Lines(), Lines())
        keys: Lines | None = Lines()
        if folded.first_row >= 0:
            plan = self._targets.plan(folded.records[folded.first_row])
            if plan is None or plan.append or plan.extra:
                return None
            columns, rows = plan.columns, self._row_writer(folded.lane, plan).rows(folded)
        if folded.removed:
            plan = self._targets.plan(folded.records[folded.first_delete])
            if plan is not None:  # None: a delete where there never was a row (F133)
                key, keys = plan.key, self._key_writer(folded.lane, plan).keys(folded)
        if rows is None or keys is None:
            return None
        return Load(folded.lane.topic, folded.count, key, keys, columns, *rows)

    def apply(self, loads: Iterable[Load]) -> None:
        """Into their targets, inside the caller's transaction.

        Raises:
            BadRowsError: The database refuses at least one of the rows.
        """
        for load in loads:
            target = self._targets.by_topic.get(load.topic)
            if target is not None:
                self._apply(target, load)

    def _apply(self, target: Target, load: Load) -> None:
        if load.keys:
            self._stage(target, load.key, load.keys)
            self._db.delete(target.table, load.key, target.stage)
        if self._db.upsert_lines(target.table, target.key, load.columns, load.new, load.others):
            return
        if not self._straight(target, load, Direct.ALL, load.new, load.others):
            # Keys that differ to us and not to the table would change places: the last of them in the log wins.
            copied = not target.folds_keys and self._straight(target, load, Direct.NEW, load.new)
            self._merge(target, load, Lines() if copied else load.new, load.others)

    def _straight(self, target: Target, load: Load, direct: Direct, *parts: Lines) -> bool:
        def load_into(place: str) -> None:
            self._db.load_lines(place, load.columns, *parts)

        return straight(self._db, target, direct, sum(map(len, parts)), load_into)

    def _merge(self, target: Target, load: Load, *parts: Lines) -> None:
        if any(parts):
            self._stage(target, load.columns, *parts)
            self._db.merge(target.table, target.key, load.columns, target.stage)

    def _stage(self, target: Target, columns: Sequence[str], *parts: Lines) -> None:
        self._db.run(f"DELETE FROM {target.stage}")
        self._db.load_lines(target.stage, columns, *parts)

    def _row_writer(self, lane: Lane, plan: Plan) -> LineWriter:
        known = self._rows.get(lane)
        if known is None or known[0] is not plan:
            known = self._rows[lane] = plan, self._db.line_writer(lane.layout, lane.shape, plan.writers)
        return known[1]

    def _key_writer(self, lane: Lane, plan: Plan) -> LineWriter:
        known = self._keys.get(lane)
        if known is None or known[0] is not plan:
            known = self._keys[lane] = plan, self._db.line_writer(lane.key_layout, lane.key_shape, plan.key_writers)
        return known[1]
