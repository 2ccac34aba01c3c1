"""What a changed table means for its topic: pure rules V3 and V4, before any registry is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from connect.errors import Failed
from connect.record import DerivedColumn
from connect.schema.model import AS_DEFAULT, DECIMAL, NO_DEFAULT, Field, Kind, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Collection

    from connect.record import RowShape

NewColumns = Literal["publish", "hold", "fail"]


class What(StrEnum):
    """What became of a column. A rename is a drop and an addition: the log does not say more."""

    ADDED = "added"
    DROPPED = "dropped"
    TYPE = "type changed"
    FIELD = "nullability, default or comment changed"


@dataclass(frozen=True)
class Change:
    """One column's change; ``was`` is None for an added column, ``now`` for a dropped one."""

    what: What
    column: str
    was: Field | None = None
    now: Field | None = None

    @property
    def compatible(self) -> bool:
        """Whether readers of the new schema read old records too (compatibility BACKWARD)."""
        return self.what is not What.TYPE or (self.was and self.now and promotes(self.was.type, self.now.type)) is True

    def __str__(self) -> str:
        if self.what is What.TYPE and self.was and self.now:
            return f"{self.column}: {_word(self.was.type)} became {_word(self.now.type)}"
        return f"{self.column}: {self.what}"


@dataclass(frozen=True)
class Evolution:
    """What to publish of a table from now on.

    Attributes:
        schema: The published shape: the new one, but for held columns and for what old readers rely on.
        changes: Every difference between what was published and the table as it is.
        held: Added columns that stay out of the topic until the operator says ``new_columns: publish``.
    """

    schema: TableSchema
    changes: tuple[Change, ...] = ()
    held: tuple[str, ...] = ()

    def shape(self, shape: RowShape) -> RowShape:
        """Rows of the table as the topic has them; the same object where the table is published as it is."""
        if shape.schema == self.schema:
            return shape
        columns = [DerivedColumn(shape.schema.index[field.name], field) for field in self.schema.columns]
        return shape.derive(columns, self.schema.key)


def compare(old: TableSchema, new: TableSchema) -> tuple[Change, ...]:
    """The differences between two shapes of a table, by column name; column order is none."""
    changes = [Change(What.DROPPED, f.name, f, None) for f in old.columns if f.name not in new.index]
    for field in new.columns:
        if field.name not in old.index:
            changes.append(Change(What.ADDED, field.name, None, field))
            continue
        was = old.column(field.name)
        if was.type != field.type:
            changes.append(Change(What.TYPE, field.name, was, field))
        elif was != field:
            changes.append(Change(What.FIELD, field.name, was, field))
    return tuple(changes)


def evolve(
    published: TableSchema,
    new: TableSchema,
    new_columns: NewColumns = "publish",
    *,
    wanted: Collection[str] | None = None,
    allow_incompatible: bool = False,
) -> Evolution:
    """What to publish of a table that was published as ``published`` and now is ``new``.

    An added column is optional, or keeps its constant default; a column that was once optional stays so, since old
    records hold nulls; key columns keep the very schema that was published, since the key's bytes must not change.

    Args:
        published: The schema of an earlier ``Evolution`` or the table's first shape. Kept beside the position.
        new: The table now, with the topic's key.
        new_columns: The table's policy.
        wanted: The file's ``columns:``, by which an operator lets go of a column that changed; None for all.
        allow_incompatible: The operator's explicit word: ``changed_types: publish``, or compatibility NONE.

    Raises:
        Failed: ``key_changed`` (V4, F109), ``schema_incompatible`` (V3, F101), ``columns_added`` under ``fail``.
    """
    _check_key(published, new)
    changes = compare(published, new)
    leaving = [change for change in changes if wanted is None or change.column in wanted]
    added = tuple(change.column for change in leaving if change.what is What.ADDED)
    if added and new_columns == "fail":
        raise Failed(
            "columns_added",
            f"{new.table}: new columns {', '.join(added)}, and the table's policy is `new_columns: fail`",
            hint="set `new_columns: publish` or `hold` for the table, or leave them out with `columns:`",
        )
    broken = [str(change) for change in leaving if not change.compatible]
    if broken and not allow_incompatible:
        raise Failed(
            "schema_incompatible",
            f"{new.table}: {'; '.join(broken)}: readers of the topic cannot read both",
            # Undoing the ALTER mends nothing: the rows in between are in the log as they are (invariant 8).
            hint="leave the column out with `columns:`, or let it pass: with a registry, set the compatibility of the "
            "topic's value subject to NONE (PUT /config/TOPIC-value; the registry's own, PUT /config, must be "
            "another); without one, `changed_types: publish` for the table; then start again",
        )
    held = added if new_columns == "hold" else ()
    columns = tuple(_published(published, field) for field in new.columns if field.name not in held)
    return Evolution(TableSchema(new.table, columns, published.key), changes, held)


def _check_key(published: TableSchema, new: TableSchema) -> None:
    was = [(f.name, encoding(f.type)) for f in published.key_columns]
    now = [(f.name, encoding(f.type)) for f in new.key_columns]
    if was == now:
        return
    if published.key == new.key:
        names = [a.name for a, b in zip(published.key_columns, new.key_columns, strict=True) if a.type != b.type]
        what = f"the type of key column {', '.join(names)} changed"
    else:
        what = f"the key was ({', '.join(published.key)}) and is ({', '.join(new.key)})"
    raise Failed(
        "key_changed",
        f"{new.table}: {what}: old and new records of one row would have different keys",
        hint=f"undo the change, name the old columns with `key:`, or publish {new.table} to a new topic",
    )


def _published(published: TableSchema, field: Field) -> Field:
    was = published.column(field.name) if field.name in published.index else None
    if was is None:
        if field.fill is not AS_DEFAULT:  # a reader gives old rows the default that it finds (F107)
            field = replace(field, default=field.fill)
        return field if field.optional or field.default not in (NO_DEFAULT, None) else replace(field, optional=True)
    if field.name in published.key:
        return was  # Invariant of S14: the same key, the same bytes, whatever its default or comment
    if not field.optional and field.default is NO_DEFAULT and not was.optional and was.type == field.type:
        field = replace(field, default=was.default)  # records from before the column have nothing else (V3)
    return replace(field, optional=True) if was.optional else field


_WIDER: Final = {
    Kind.INT8: 0,
    Kind.INT16: 0,
    Kind.INT32: 0,
    Kind.INT64: 1,
    Kind.FLOAT32: 2,
    Kind.FLOAT64: 3,
}


def promotes(old: Type, new: Type) -> bool:
    """Whether Avro reads values of ``old`` as ``new``: int → long → float → double, and what encodes alike."""
    if encoding(old) == encoding(new):
        return True
    if old.name != new.name:
        return False
    if old.kind is new.kind is Kind.ARRAY and old.items and new.items:
        return (new.items_optional or not old.items_optional) and promotes(old.items, new.items)
    return old.kind in _WIDER and new.kind in _WIDER and _WIDER[old.kind] <= _WIDER[new.kind]


def encoding(type_: Type) -> tuple[object, ...]:
    """What decides the bytes of a value: not precision, labels or comments, but a Decimal's scale."""
    scale = type_.parameter("scale") if type_.name == DECIMAL else None
    fields = tuple((f.name, f.optional, f.default is NO_DEFAULT, encoding(f.type)) for f in type_.fields)
    items = encoding(type_.items) if type_.items else None
    return type_.kind, type_.name, type_.version, scale, fields, items, type_.items_optional


def _word(type_: Type) -> str:
    scale = type_.parameter("scale")
    return f"{type_.name or type_.kind}{f' of scale {scale}' if scale is not None else ''}"
