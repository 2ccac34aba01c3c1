"""What travels through a task: rows that decode a column only when it is asked for, and the events around them.

A row keeps the log's own bytes and the table's shape at that position (invariant 8). ``row["price"]`` decodes one
column; an encoder walks ``row.cells``; a transform that touches nothing costs nothing (DESIGN §2). No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from connect.schema.model import Field, TableId, TableSchema


class Op(StrEnum):
    """What happened, in Debezium's letters."""

    READ = "r"
    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    TRUNCATE = "t"


class Unavailable:
    """The type of ``UNAVAILABLE``: a value that the log did not carry. It is never NULL (invariant 5)."""

    def __repr__(self) -> str:
        return "UNAVAILABLE"

    def __bool__(self) -> bool:
        message = "a value that the log did not carry is neither true nor false: compare it with `is UNAVAILABLE`"
        raise TypeError(message)

    def __reduce__(self) -> str:
        return "UNAVAILABLE"  # pickle and copy give the one object back


UNAVAILABLE: Final = Unavailable()

# A cell is a column's undecoded value: bytes in a log row, whatever its format's reader gives in a Kafka record;
# None is NULL and UNAVAILABLE is not there.


@dataclass(frozen=True, eq=False, slots=True)
class RowShape:
    """How the bytes of a row become cells, and a cell a value. One object per table and position of a schema change.

    Attributes:
        schema: The logical columns and key.
        split: Row data → one cell per column of ``schema``, in its order. Called at most once per row.
        decode: One function per column: a cell that is neither None nor UNAVAILABLE → the Python value of its ``Type``.
            Columns of plain text use ``text`` and columns of integers in decimal text use ``int``, these very objects,
            so that encoders can take a short way.
    """

    schema: TableSchema
    split: Callable[[Any], Sequence[Any]]
    decode: tuple[Callable[[Any], Any], ...]

    def derive(self, columns: Sequence[DerivedColumn], key: tuple[str, ...]) -> RowShape:
        """A shape over the same row data with other columns: dropped, renamed, masked or re-ordered, at no row's cost.

        Args:
            columns: The new columns, in order.
            key: Names of key columns among them.
        """
        from connect.schema.model import TableSchema  # noqa: PLC0415 - the model stands above this module for typing only

        split = Picked(self.split, len(self.schema.columns), tuple(column.source for column in columns))
        decode = tuple(column.decode or self.decode[column.source] for column in columns)
        return RowShape(TableSchema(self.schema.table, tuple(c.field for c in columns), key), split, decode)


class Picked:
    """The ``split`` of a derived shape: some cells of another one's ``width`` cells, in another order."""

    __slots__ = ("base", "picks", "width")

    def __init__(self, base: Callable[[Any], Sequence[Any]], width: int, picks: tuple[int, ...]) -> None:
        self.base = base
        self.width = width
        self.picks = picks

    def __call__(self, data: Any) -> Sequence[Any]:
        """``RowShape.split``."""
        cells = self.base(data)
        if len(cells) != self.width:
            raise _wrong_width("", len(cells), self.width)
        return [cells[i] for i in self.picks]


def _wrong_width(where: str, cells: int, columns: int) -> Failed:
    return Failed("unrepresentable_value", f"{where}{cells} cells for {columns} columns")


def text(cell: bytes) -> str:
    """The decoder of columns whose log bytes are UTF-8 text; encoders know it and pass such cells on undecoded."""
    return cell.decode()


class DerivedColumn(NamedTuple):
    """A column of a derived shape: the index of its source column, its new field, and a decoder if it changes."""

    source: int
    field: Field
    decode: Callable[[Any], Any] | None = None


class Row:
    """One row: the data as it came plus its shape. Compares and prints by decoded values, for tests and debugging."""

    __slots__ = ("_cells", "data", "shape")

    def __init__(self, shape: RowShape, data: Any) -> None:
        self.shape = shape
        self.data = data
        self._cells: Sequence[Any] | None = None

    @property
    def cells(self) -> Sequence[Any]:
        """The undecoded columns, split on first use.

        Raises:
            Failed: ``unrepresentable_value``: there are more or fewer than the shape has; what the split raises.
        """
        cells = self._cells
        if cells is None:
            cells = self.shape.split(self.data)
            if len(cells) != len(self.shape.decode):
                raise _wrong_width(f"{self.shape.schema.table}: ", len(cells), len(self.shape.decode))
            self._cells = cells
        return cells

    def __getitem__(self, column: str) -> Any:
        """One column's value: decoded now, or None, or UNAVAILABLE. KeyError for a column that the shape lacks."""
        i = self.shape.schema.index[column]
        cell = self.cells[i]
        return cell if cell is None or cell is UNAVAILABLE else self.shape.decode[i](cell)

    def __contains__(self, column: object) -> bool:
        return column in self.shape.schema.index

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape.schema.index)

    def __len__(self) -> int:
        return len(self.shape.schema.columns)

    def values(self) -> list[Any]:
        """Every column's value, in column order."""
        return [
            cell if cell is None or cell is UNAVAILABLE else decode(cell)
            for cell, decode in zip(self.cells, self.shape.decode, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Every column decoded, by name."""
        return dict(zip(self.shape.schema.index, self.values(), strict=True))

    @property
    def key(self) -> tuple[Any, ...]:
        """The decoded key, in key order; empty for a table without one."""
        return tuple(self[name] for name in self.shape.schema.key)

    @property
    def unavailable(self) -> tuple[str, ...]:
        """Names of the columns that the log did not carry, in column order."""
        names = self.shape.schema.columns
        return tuple(names[i].name for i, cell in enumerate(self.cells) if cell is UNAVAILABLE)

    def under(self, shape: RowShape) -> Row:
        """The same data seen through a derived shape."""
        return Row(shape, self.data)

    def with_values(self, changes: Mapping[str, Any]) -> Row:
        """A row in which these columns hold these decoded values; what a Python transform returns.

        Raises:
            KeyError: A column that the shape does not have.
        """
        values = self.values()
        for name, value in changes.items():
            values[self.shape.schema.index[name]] = value
        return plain_row(self.shape.schema, values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self.shape.schema == other.shape.schema and self.values() == other.values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Row({self.shape.schema.table}, {self.to_dict()!r})"


def _same(value: Any) -> Any:
    return value


def plain_shape(schema: TableSchema) -> RowShape:
    """A shape whose data is already a sequence of decoded values."""
    return RowShape(schema, _same, (_same,) * len(schema.columns))


def plain_row(schema: TableSchema, values: Sequence[Any]) -> Row:
    """A row of decoded values, in column order; None and UNAVAILABLE as they are."""
    return Row(plain_shape(schema), values)


@dataclass(slots=True)
class ChangeEvent:
    """One change of one row (or a TRUNCATE of one table) at its place in the log.

    Attributes:
        op: What happened.
        shape: The table's shape at this position; the shape of ``before`` and ``after``.
        before: The old row: whole under REPLICA IDENTITY FULL, key columns only (others UNAVAILABLE) where the log
            carries just the key, None where it carries nothing.
        after: The new row; None for DELETE and TRUNCATE. Columns the log left out are UNAVAILABLE.
        source: The plugin's own values of the envelope's ``source`` block, in the order of its ``source_fields``.
        ts_us: When the change committed at the source, microseconds since 1970 UTC.
        transaction: The source's id of the top-level transaction, or None for rows of a snapshot.
        ordinal: Index of the row within its committed transaction, aborted sub-transactions removed (rule S1).
        sequence: Position of this row for people and for ``source.sequence``; a JSON text or None.
    """

    op: Op
    shape: RowShape
    before: Row | None
    after: Row | None
    source: tuple[Any, ...]
    ts_us: int
    transaction: Hashable | None = None
    ordinal: int = 0
    sequence: str | None = None

    @property
    def table(self) -> TableId:
        """The table that changed."""
        return self.shape.schema.table

    def with_rows(self, before: Row | None, after: Row | None) -> ChangeEvent:
        """The same change over other rows; their shape becomes the event's."""
        row = after or before
        return replace(self, before=before, after=after, shape=row.shape if row else self.shape)


@dataclass(slots=True)
class SinkRecord:
    """One Kafka record as a sink sees it, from an envelope or a flat row, ours or Debezium's.

    Attributes:
        topic: Where it came from, with ``partition``, ``offset`` and ``timestamp_ms`` (milliseconds since 1970 UTC).
        op: c, u, r and d from an envelope; a flat row is ``u``, a tombstone is ``d``, a truncate record is ``t``.
        key: The record's key as a row, or None for a null key (append-only topics).
        before: The old row where the envelope carries one.
        after: The new row; None for ``d`` and ``t``. Columns named by ``unavailable`` hold UNAVAILABLE.
        table: The table's name from the envelope's source block or the topic's name.
        tombstone: True where the value was null.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    op: Op
    key: Row | None
    before: Row | None
    after: Row | None
    table: TableId
    tombstone: bool = False

    @property
    def where(self) -> str:
        """``topic[partition]@offset``, for messages."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    def with_rows(self, before: Row | None, after: Row | None) -> SinkRecord:
        """The same record over other rows."""
        return replace(self, before=before, after=after)
