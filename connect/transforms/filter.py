"""Lets rows pass by one column's value; a row that stops matching leaves a state topic as a delete (DESIGN §6)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from pydantic import field_validator, model_validator

from connect.config.fields import Changes, Model, option
from connect.errors import Failed
from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, RowShape, SinkRecord
from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind, Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.api.transform import Change, ChangeFunction
    from connect.transforms.facts import Facts

_MAX_SHAPES: Final = 256
_INTEGERS: Final = frozenset({Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64})


class Condition(Model):
    """Options of ``filter``: one column and one test. NULL is a value like any other: ``not_in`` lets it pass."""

    column: str = option(..., "The column that is looked at.", changes=Changes.NEW_RECORDS)
    in_: list[Any] | None = option(None, "Rows with one of these values pass.", changes=Changes.NEW_RECORDS, alias="in")
    not_in: list[Any] | None = option(None, "Rows with none of these values pass.", changes=Changes.NEW_RECORDS)
    equals: Any = option(None, "Rows with this value pass.", changes=Changes.NEW_RECORDS)
    is_null: bool | None = option(
        None, "Rows without (true) or with (false) a value pass.", changes=Changes.NEW_RECORDS
    )

    @field_validator("in_", "not_in")
    @classmethod
    def _scalars(cls, values: list[Any] | None) -> list[Any] | None:
        return values and [cls._scalar(value) for value in values]

    @field_validator("equals")
    @classmethod
    def _scalar(cls, value: Any) -> Any:
        if isinstance(value, list | dict):
            message = "texts, numbers, true, false and null can be compared"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if len(self.model_fields_set - {"column"}) != 1:
            message = "one of in, not_in, equals and is_null is needed, and only one"
            raise ValueError(message)
        return self


class Filter:
    """A condition on the rows of one table or topic."""

    def __init__(self, condition: Condition, facts: Facts) -> None:
        self._condition = condition
        self._facts = facts
        self._tests: dict[RowShape, Callable[[Any], bool]] = {}
        self._key_only: dict[RowShape, RowShape] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The column that the operator named."""
        return (self._condition.column,)

    def shape(self, shape: RowShape) -> RowShape:
        """The same shape.

        Raises:
            Failed: ``filter_column``: it lacks the column, or the column's type cannot be compared so.
        """
        self._test(shape)
        return shape

    @property
    def change(self) -> ChangeFunction | None:
        """Let it pass, drop it, or make it the delete that takes the row out."""
        return self._filtered

    def _filtered(self, change: Change) -> Change | None:
        if not isinstance(change, ChangeEvent):
            return self._filtered_record(change)
        if change.op is Op.TRUNCATE:
            return change
        before = self._matches(change.before)
        if change.op is Op.DELETE:
            return None if before is False else change
        after = self._matches(change.after)
        if after is None:  # an unchanged value that the log left out is the old row's
            after = before
        if after is None:
            raise self._undecided(change)
        if after:
            return _entering(change) if before is False else change
        if change.op is not Op.UPDATE or before is False or not self._facts.state:
            return None  # it was never in the topic
        return self._leaving(change)

    def _filtered_record(self, record: SinkRecord) -> SinkRecord | None:
        """At a sink any keyed row that does not match is a delete: compaction may have removed what came before."""
        if record.after is None:
            return record
        matches = self._matches(record.after)
        if matches is None:
            matches = self._matches(record.before)
        if matches is None:
            raise self._undecided(record)
        if matches:
            return record
        return None if record.key is None else replace(record, op=Op.DELETE, before=None, after=None)

    def _matches(self, row: Row | None) -> bool | None:
        """None where it cannot be told."""
        if row is None:
            return None
        value = row[self._condition.column]
        return None if value is UNAVAILABLE else self._test(row.shape)(value)

    def _leaving(self, change: ChangeEvent) -> ChangeEvent:
        """The delete of a key. Where the old row did not say whether it matched, deleting an absent key is harmless."""
        before = change.before
        if before is None and change.after is not None:
            before = change.after.under(self._only_key(change.after.shape))
        return replace(
            change, op=Op.DELETE, before=before, after=None, shape=change.shape if before is None else before.shape
        )

    def _only_key(self, shape: RowShape) -> RowShape:
        """The same columns, of which only the key is there."""
        found = self._key_only.get(shape)
        if found is None:
            split, key = shape.split, {shape.schema.index[name] for name in shape.schema.key}
            found = RowShape(
                shape.schema,
                lambda data: [cell if i in key else UNAVAILABLE for i, cell in enumerate(split(data))],
                shape.decode,
            )
            _remember(self._key_only, shape, found)
        return found

    def _test(self, shape: RowShape) -> Callable[[Any], bool]:
        test = self._tests.get(shape)
        if test is None:
            test = self._make_test(shape)
            _remember(self._tests, shape, test)
        return test

    def _make_test(self, shape: RowShape) -> Callable[[Any], bool]:
        condition, name = self._condition, self._condition.column
        if name not in shape.schema.index:
            raise self._wrong("there is no such column", "Correct the filter, or take it out.")
        if condition.is_null is not None:
            return lambda value: (value is None) is condition.is_null
        listed = condition.in_ if condition.in_ is not None else condition.not_in
        written = [condition.equals] if listed is None else listed
        column = shape.schema.column(name).type
        values = frozenset(self._typed(value, column) for value in written)
        if condition.not_in is not None:
            return lambda value: value not in values
        return lambda value: value in values

    def _typed(self, written: Any, column: Type) -> Any:
        """A value of the file as the column's values are: text stays the operator's own characters (F157)."""
        try:
            return None if written is None else _convert(written, column)
        except (ValueError, InvalidOperation):
            said = f"{column.name or column.kind} cannot be compared with {written!r}"
            raise self._wrong(said, "Write a value of the column's type, or use is_null.") from None

    def _wrong(self, what: str, hint: str) -> Failed:
        where = f"{self._facts.connector}: {self._facts.name}"
        return Failed("filter_column", f"{where}: filter on {self._condition.column!r}: {what}", hint=hint)

    def _undecided(self, change: Change) -> Failed:
        where = change.sequence if isinstance(change, ChangeEvent) else change.where
        message = (
            f"{self._facts.connector}: {self._facts.name}: filter on {self._condition.column!r}: "
            f"the change at {where} does not carry that column's value"
        )
        hint = f"Let the log carry whole old rows; on Postgres: ALTER TABLE {self._facts.name} REPLICA IDENTITY FULL;"
        return Failed("filter_undecided", message, hint=hint)


def _entering(change: ChangeEvent) -> ChangeEvent:
    """A row that begins to match is new to the topic; its old values never were in it."""
    return replace(change, op=Op.CREATE, before=None) if change.op is Op.UPDATE else change


def _convert(written: Any, column: Type) -> Any:
    if column.name in (DECIMAL, VARIABLE_SCALE_DECIMAL):
        return Decimal(str(written))
    if column.kind is Kind.BOOLEAN:
        if isinstance(written, bool):
            return written
    elif isinstance(written, bool):
        pass
    elif column.kind is Kind.STRING:
        return str(written)
    elif column.kind in _INTEGERS:
        return int(str(written))
    elif column.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return float(str(written))
    raise ValueError(column.kind)


def _remember(known: dict[RowShape, Any], shape: RowShape, value: Any) -> None:
    if len(known) >= _MAX_SHAPES:  # invariant 7: a table altered for ever
        known.clear()
    known[shape] = value


def build(condition: Condition, facts: Facts) -> Filter:
    """Rows of one table by one column."""
    return Filter(condition, facts)
