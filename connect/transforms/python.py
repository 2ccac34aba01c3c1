"""Calls the operator's own function with each change."""

from __future__ import annotations

import importlib
import sys
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from connect.config.fields import Changes, Model, option
from connect.errors import Failed
from connect.record import ChangeEvent, Row, RowShape, SinkRecord, plain_shape

if TYPE_CHECKING:
    from pathlib import Path

    from connect.api.transform import Change, ChangeFunction
    from connect.schema.model import TableSchema
    from connect.transforms.facts import Facts


class Call(Model):
    """Options of ``python``. Only the operator's file can name a function (F165)."""

    call: str = option(
        ...,
        "`module:function`; it gets a change and returns it, another one made with `with_rows`, or None to drop it. "
        "The module is looked for among the installed packages, then beside the file.",
        changes=Changes.NEW_RECORDS,
    )

    @field_validator("call")
    @classmethod
    def _is_an_import_path(cls, call: str) -> str:
        module, colon, function = call.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
            message = f"{call!r} names no function: write package.module:function"
            raise ValueError(message)
        return call


class Python:
    """One function over the changes of one table or topic."""

    names = ()

    def __init__(self, call: Call, facts: Facts) -> None:
        self._call = call.call
        self._facts = facts
        self._function = load(call.call, facts.folder)
        self._plain: dict[int, tuple[TableSchema, RowShape]] = {}

    def shape(self, shape: RowShape) -> RowShape:
        """The same shape: a function changes values, not columns."""
        return shape

    @property
    def change(self) -> ChangeFunction | None:
        """The function, with its errors named and its rows under one shape."""
        return self._called

    def _called(self, change: Change) -> Change | None:
        try:
            result = self._function(change)
        except Exception as error:  # noqa: BLE001 - anything can come out of the operator's code; its text may hold values
            frame = traceback.extract_tb(error.__traceback__)[-1]
            what = f"raised {type(error).__name__} at {frame.filename}:{frame.lineno}"
            raise self._failed(change, what) from None
        if result is None or result is change:
            return change if result is change else None
        if type(result) is not type(change):
            raise self._failed(change, f"returned a {type(result).__name__}, not a change")
        return self._unified(change, result)

    def _unified(self, old: Change, new: Change) -> Change:
        """Rows made by ``with_values`` get a shape each; one schema shall have one shape, or encoders pile up."""
        rows = [row for row in (new.before, new.after) if row is not None]
        known = _shape_of(old)
        if all(row.shape is known for row in rows):
            return new
        schema = rows[-1].shape.schema
        if any(row.shape.schema != schema for row in rows) or schema.key != rows[0].shape.schema.key:
            raise self._failed(old, "returned rows with different columns")
        shape = self._plain_shape(schema)
        before, after = (Row(shape, row.values()) if row is not None else None for row in (new.before, new.after))
        if isinstance(new, ChangeEvent):
            return replace(new, before=before, after=after, shape=shape)
        return replace(new, before=before, after=after)

    def _plain_shape(self, schema: TableSchema) -> RowShape:
        known = self._plain.get(id(schema))
        if known is None or known[0] is not schema:
            if len(self._plain) >= 256:  # invariant 7
                self._plain.clear()
            known = self._plain[id(schema)] = (schema, plain_shape(schema))
        return known[1]

    def _failed(self, change: Change, what: str) -> Failed:
        where = change.sequence if isinstance(change, ChangeEvent) else change.where
        message = (
            f"{self._facts.connector}: {self._facts.name}: the function {self._call} {what}, for the change at {where}"
        )
        return Failed("transform_error", message, hint="Mend the function and start again: the position has not moved.")


def _shape_of(change: Change) -> RowShape | None:
    if isinstance(change, SinkRecord):
        row = change.after or change.before
        return row.shape if row else None
    return change.shape


def load(call: str, folder: Path | None) -> Any:
    """The function of an import path.

    Raises:
        Failed: ``transform_import``: no such module or function, or the module does not load.
    """
    module_name, _, name = call.partition(":")
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # last, so that nothing installed is shadowed
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # noqa: BLE001 - a module can raise anything while it loads
        message = f"{call} cannot be loaded: {type(error).__name__}: {error}"
        raise Failed(
            "transform_import", message, hint="Install the package, or put the module beside the file."
        ) from None
    if not callable(found):
        raise Failed("transform_import", f"{call} is no function", hint="Name a function after the colon.")
    return found


def build(call: Call, facts: Facts) -> Python:
    """One function over one table."""
    return Python(call, facts)
