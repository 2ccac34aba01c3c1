"""Masks columns, in old and new rows and in the schema's defaults: hash, fixed, nullify."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from connect.config.fields import Changes, Model, option
from connect.errors import Failed
from connect.record import UNAVAILABLE, DerivedColumn, RowShape
from connect.schema.model import NO_DEFAULT, Field, Kind, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.api.transform import ChangeFunction
    from connect.transforms.facts import Facts

_FIXED_KINDS = {str: Kind.STRING, bool: Kind.BOOLEAN, int: Kind.INT64, float: Kind.FLOAT64}


class Fixed(Model):
    """The value that stands in every row that has one."""

    fixed: bool | int | float | str = option(..., "The value instead.", changes=Changes.NEW_RECORDS)


def _known_kind(value: Any) -> Any:
    if isinstance(value, Fixed) or value in ("hash", "nullify") or _is_fixed(value):
        return value
    named = repr(value) if isinstance(value, str) else "this"
    message = f"{named} is no kind of mask: write hash, nullify or {{fixed: value}}, a text, a number, true or false"
    raise ValueError(message)


def _is_fixed(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"fixed"} and isinstance(value["fixed"], str | int | float)


MaskKind = Annotated[Literal["hash", "nullify"] | Fixed, BeforeValidator(_known_kind)]


class Masks(Model):
    """Options of ``mask``."""

    fields: dict[str, MaskKind] = option(..., "Column → hash, nullify or {fixed: value}.", changes=Changes.NEW_RECORDS)


@dataclass(frozen=True)
class Mask:
    """Other values under the same names. NULL stays NULL and UNAVAILABLE stays UNAVAILABLE (invariant 5).

    Attributes:
        names: The columns that the operator named.
    """

    facts: Facts
    kinds: Mapping[str, MaskKind]
    _key: bytes = field(default=b"", repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the operator named."""
        return tuple(self.kinds)

    def shape(self, shape: RowShape) -> RowShape:
        """The shape whose masked columns decode to masks; their types and defaults tell nothing of what was there.

        Raises:
            Failed: ``mask_column_gone``: a masked column is missing while a new one is there, as after a rename;
                ``transform_key``: a key column would no longer tell rows apart.
        """
        self._check(shape.schema)
        if not any(name in shape.schema.index for name in self.kinds):
            return shape
        columns = [self._column(i, column, shape.decode[i]) for i, column in enumerate(shape.schema.columns)]
        masked = shape.derive(columns, shape.schema.key)
        emptied = [i for i, column in enumerate(shape.schema.columns) if self.kinds.get(column.name) == "nullify"]
        return RowShape(masked.schema, _emptying(masked.split, emptied), masked.decode) if emptied else masked

    @property
    def change(self) -> ChangeFunction | None:
        """Nothing to do for a row: the shape does it."""
        return None

    def of_key(self, shape: RowShape) -> RowShape:
        """The shape of a record's key, which holds a part of the columns."""
        if not any(name in shape.schema.index for name in self.kinds):
            return shape
        columns = [self._column(i, column, shape.decode[i]) for i, column in enumerate(shape.schema.columns)]
        return shape.derive(columns, shape.schema.key)

    def _column(self, i: int, column: Field, decode: Callable[[Any], Any]) -> DerivedColumn:
        kind = self.kinds.get(column.name)
        if kind is None:
            return DerivedColumn(i, column)
        bare = replace(column, default=NO_DEFAULT)
        if kind == "nullify":
            return DerivedColumn(i, replace(bare, optional=True))
        if kind == "hash":
            return DerivedColumn(i, replace(bare, type=Type(Kind.STRING)), self._hashing(decode))
        value = kind.fixed
        return DerivedColumn(i, replace(bare, type=Type(_FIXED_KINDS[type(value)])), lambda _: value)

    def _hashing(self, decode: Callable[[Any], Any]) -> Callable[[Any], str]:
        key = self._key
        return lambda cell: hmac.new(key, canonical(decode(cell)), hashlib.sha256).hexdigest()

    def _check(self, schema: TableSchema) -> None:
        where = f"{self.facts.connector}: {self.facts.name}"
        for name in schema.key:
            if self.kinds.get(name, "hash") != "hash":
                message = f"{where}: the key column {name!r} can only be masked by hash"
                raise Failed("transform_key", message, hint="Write `hash`: other masks give every row the same key.")
        known = self.facts.columns
        if known is None:
            return
        gone = [name for name in self.kinds if name in known and name not in schema.index]
        unknown = set(schema.index) - known - self.kinds.keys()
        if gone and unknown:
            # Fail closed: a renamed column would pass in clear under its new name.
            new = ", ".join(sorted(unknown))
            message = f"{where}: the masked column {gone[0]!r} is gone and new columns came: {new}"
            hint = (
                f"If it was renamed, mask {new}. If it was dropped and these are others, give {self.facts.name} a mask "
                f"without {gone[0]} under its own name in the file: rows from before stay masked."
            )
            raise Failed("mask_column_gone", message, hint=hint)


def mask(options: Masks, facts: Facts) -> Mask:
    """These columns masked.

    Raises:
        Failed: ``mask_key_missing``: a hash without a key can be looked up in a table of hashes.
    """
    if "hash" not in options.fields.values():
        return Mask(facts, options.fields)
    if facts.mask_key is None:
        raise Failed("mask_key_missing", f"{facts.connector}: {facts.name}: hash needs mask_key", hint="Set mask_key.")
    return Mask(facts, options.fields, facts.mask_key.reveal().encode())


def canonical(value: Any) -> bytes:
    """The bytes that are hashed: of texts their UTF-8, of the rest their JSON or decimal text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool | list | dict):
        return json.dumps(value, sort_keys=True, default=str).encode()
    return str(value).encode()


def _emptying(split: Callable[[Any], Sequence[Any]], emptied: Sequence[int]) -> Callable[[Any], Sequence[Any]]:
    def emptied_split(data: Any) -> Sequence[Any]:
        cells = list(split(data))
        for i in emptied:
            if cells[i] is not UNAVAILABLE:
                cells[i] = None
        return cells

    return emptied_split
