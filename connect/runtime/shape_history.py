"""What a table was published as, so that a changed table is published by its policy (rules V1 to V4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.errors import Failed
from connect.schema.evolution import Evolution, evolve
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
        may_break: Callable[[], bool],
    ) -> None:
        """``remember`` takes a note that is to ride with the next position.

        ``may_break`` asks whether the registry was told to allow incompatible schemas of the table's topics; it is
        asked only when there is one and the file does not allow it.
        """
        self._name = f"shape:{table}"
        self._options = options
        self._remember = remember
        self._may_break = may_break
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
            evolution = self._evolve(before, shape.schema)
            self._published, shape = evolution.schema, evolution.shape(shape)
        if self._published != before:
            self._remember(self._name, schema_to_json(self._published))
        return shape

    def _evolve(self, before: TableSchema, now: TableSchema) -> Evolution:
        policy, wanted = self._options.new_columns, self._options.columns
        try:
            return evolve(before, now, policy, wanted=wanted)
        except Failed as error:
            if error.code != "schema_incompatible" or not self._allowed():
                raise
        return evolve(before, now, policy, wanted=wanted, allow_incompatible=True)

    def _allowed(self) -> bool:
        return self._options.changed_types == "publish" or self._may_break()
