"""What a table was published as, so that a changed table is published by its policy (rules V1 to V4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.schema.evolution import evolve
from connect.schema.stored import schema_from_json, schema_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connect.api.tables import TableOptions
    from connect.record import RowShape
    from connect.schema.model import TableId, TableSchema


class ShapeHistory:
    """The published schema of one table, kept as a note beside the position."""

    def __init__(
        self,
        table: TableId,
        options: TableOptions,
        notes: Mapping[str, dict[str, Any]],
        remember: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """``remember`` takes a note that is to ride with the next position."""
        self._name = f"shape:{table}"
        self._options = options
        self._remember = remember
        self._shapes: dict[RowShape, RowShape] = {}
        note = notes.get(self._name)
        self._published: TableSchema | None = schema_from_json(note) if note else None

    def shape(self, shape: RowShape) -> RowShape:
        """Rows of this shape as the topic has them: without held columns, old ones as optional as they were.

        Raises:
            Failed: ``key_changed``, ``columns_added``, ``schema_incompatible``.
        """
        found = self._shapes.get(shape)
        if found is None:
            found = self._shapes[shape] = self._evolved(shape)
        return found

    def _evolved(self, shape: RowShape) -> RowShape:
        before = self._published
        if before is None:
            self._published = shape.schema
        else:
            evolution = evolve(before, shape.schema, self._options.new_columns)
            self._published, shape = evolution.schema, evolution.shape(shape)
        if self._published != before:
            self._remember(self._name, schema_to_json(self._published))
        return shape
