"""How records of one writer schema become rows: envelope or flat row, whatever the bytes were."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.record import UNAVAILABLE, RowShape
from connect.schema.envelope import POSITION_FIELD, UNAVAILABLE_FIELD
from connect.schema.model import UNAVAILABLE_PLACEHOLDER, Field, Kind, TableId, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Decode = Callable[[Any], Any]

_PLACEHOLDERS: Final = {Kind.STRING: UNAVAILABLE_PLACEHOLDER, Kind.BYTES: UNAVAILABLE_PLACEHOLDER.encode()}


class Column(NamedTuple):
    """A column of a writer's schema: its field, its name in the record's data, and how its cells are decoded."""

    field: Field
    name: str
    decode: Decode | None  # None: a cell is the value already


class Form:
    """One writer schema: what its records are, and the shapes of their rows. One object as long as a schema is cached.

    Attributes:
        envelope: True for Debezium's envelope; False for a flat row, a key or ``{"key": value}`` of a bare value.
        columns: Of the row inside.
        table: The table where the schema itself names it (a flat row of ours).
        says_unavailable: Records list what the log did not carry, so no placeholder has to be guessed.
        bare: The record is no struct but one value, which stands as column ``key``.
    """

    def __init__(self, type_: Type, columns: Callable[[Type], Sequence[Column]]) -> None:
        after = envelope_row(type_)
        self.envelope = after is not None
        self.bare = type_.kind is not Kind.STRUCT
        row = after or (type_ if not self.bare else Type(Kind.STRUCT, fields=(Field("key", type_, optional=False),)))
        position = next((f.type for f in type_.fields if f.name == POSITION_FIELD), None) if after is None else None
        self.has_position = position is not None and position.kind is Kind.STRUCT
        self.columns = tuple(c for c in columns(row) if not (self.has_position and c.field.name == POSITION_FIELD))
        self.names = tuple(column.field.name for column in self.columns)
        self.says_unavailable = self.has_position or any(f.name == UNAVAILABLE_FIELD for f in type_.fields)
        self.table = _table_of(position) if self.has_position and position else None
        self._shapes: dict[tuple[TableId, tuple[str, ...]], RowShape] = {}

    def shape(self, table: TableId, key: tuple[str, ...]) -> RowShape:
        """The shape of rows of this schema: always the same object for the same table and key columns."""
        shape = self._shapes.get((table, key))
        if shape is None:
            names = set(self.names)
            schema = TableSchema(table, tuple(c.field for c in self.columns), key if names.issuperset(key) else ())
            decode = tuple(c.decode or _same for c in self.columns)
            shape = self._shapes[table, key] = RowShape(schema, self._splitter(), decode)
        return shape

    def _splitter(self) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
        names = [c.name for c in self.columns]
        if not names:
            return lambda _: ()
        pick = itemgetter(*names) if len(names) > 1 else lambda data: (data[names[0]],)
        if self.says_unavailable:
            return pick
        guesses = [_PLACEHOLDERS.get(c.field.type.kind) for c in self.columns]

        def split(data: Mapping[str, Any]) -> Sequence[Any]:
            cells = pick(data)
            if UNAVAILABLE_PLACEHOLDER in cells or _PLACEHOLDERS[Kind.BYTES] in cells:
                return [
                    UNAVAILABLE if guess is not None and cell == guess else cell
                    for cell, guess in zip(cells, guesses, strict=True)
                ]
            return cells

        return split


def envelope_row(type_: Type) -> Type | None:
    """The row type inside Debezium's envelope; None for anything else. By fields, since topics may be renamed.

    All four are needed: a table of its own may have columns ``before`` and ``after`` that are structs (``numeric``).
    """
    fields = {field.name: field.type for field in type_.fields}
    if not {"before", "after", "source", "op"} <= fields.keys() or POSITION_FIELD in fields:
        return None
    structs = all(fields[name].kind is Kind.STRUCT for name in ("before", "after", "source"))
    return fields["after"] if structs else None


def _table_of(position: Type) -> TableId | None:
    schema, table = position.parameter("schema"), position.parameter("table")
    return None if schema is None or table is None else TableId(schema, table)


def _same(value: Any) -> Any:
    return value
