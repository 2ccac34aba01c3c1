"""Connect schemas as Avro schemas, as Confluent's AvroConverter writes them (debezium-and-connect.md §2.8)."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any, Final

from connect.errors import Failed
from connect.schema.decimals import decimal_bytes, variable_scale
from connect.schema.model import DECIMAL, NO_DEFAULT, VARIABLE_SCALE_DECIMAL, Field, Kind, Type

UNNAMED_RECORD: Final = "io.confluent.connect.avro.ConnectDefault"
MONEY_PRECISION: Final = 64  # the converter's precision where the type says none

_PRIMITIVES: Final = {
    Kind.BOOLEAN: "boolean",
    Kind.INT8: "int",
    Kind.INT16: "int",
    Kind.INT32: "int",
    Kind.INT64: "long",
    Kind.FLOAT32: "float",
    Kind.FLOAT64: "double",
    Kind.STRING: "string",
    Kind.BYTES: "bytes",
}
_CONNECT_TYPES: Final = {Kind.INT8: "int8", Kind.INT16: "int16"}
_LOGICAL_TYPES: Final = {
    "org.apache.kafka.connect.data.Date": "date",
    "org.apache.kafka.connect.data.Time": "time-millis",
    "org.apache.kafka.connect.data.Timestamp": "timestamp-millis",
}


def adjusted(name: str) -> str:
    """A legal Avro name: Debezium's ``avro`` adjustment, applied to each dotted part so that ``a.1b`` is legal too.

    Characters outside [A-Za-z0-9_] become ``_``; a part that starts with a digit gets a ``_`` before it (F106).
    """
    parts = (re.sub("[^A-Za-z0-9_]", "_", part) for part in name.split("."))
    return ".".join(f"_{part}" if part[:1].isdigit() or not part else part for part in parts)


def adjusted_field(name: str) -> str:
    """A legal Avro field name, in which a dot has no meaning of its own."""
    return adjusted(name.replace(".", "_"))


def field_names(fields: tuple[Field, ...], where: str) -> tuple[str, ...]:
    """The Avro names of a record's fields.

    Raises:
        Failed: ``name_collision``: two names differ only in characters that Avro does not have (F106).
    """
    taken: dict[str, str] = {}
    for field in fields:
        name = adjusted_field(field.name)
        if name in taken:
            raise Failed(
                "name_collision",
                f"{where}: columns {taken[name]!r} and {field.name!r} would both be {name!r} in Avro",
                hint="rename one of them with a `rename` transform, or leave one out with `columns:`",
            )
        taken[name] = field.name
    return tuple(taken)


def avro_schema(type_: Type) -> dict[str, Any]:
    """The Avro schema of a struct, ready for ``json.dumps``."""
    schema = _Schemas().named(type_, "")
    return schema if isinstance(schema, dict) else {"type": schema}


def schema_text(type_: Type) -> str:
    """The text that is registered: one line, properties in the converter's order; equal types, equal texts."""
    return json.dumps(avro_schema(type_), separators=(",", ":"), ensure_ascii=False)


class _Schemas:
    """One walk over a schema: a record is written where it is first met and named from then on."""

    def __init__(self) -> None:
        self._defined: dict[str, Type] = {}

    def named(self, type_: Type, space: str) -> Any:
        """The schema of a value that cannot be null and has no default."""
        return self._schema(type_, NO_DEFAULT, space)

    def _schema(self, type_: Type, default: Any, space: str) -> Any:
        if type_.kind is Kind.STRUCT:
            return self._record(type_, space)
        if type_.kind is Kind.ARRAY:
            schema: dict[str, Any] = {"type": "array", "items": self._items(type_, space)}
        elif type_.kind is Kind.MAP:
            schema = {"type": "map", "values": self._items(type_, space)}
        else:
            schema = {"type": _PRIMITIVES[type_.kind]}
        logical = _logical_type(type_)
        if type_.name == DECIMAL and logical:
            schema |= {"scale": int(type_.parameter("scale") or 0), "precision": _precision(type_)}
        schema |= _metadata(type_, default)
        if logical:
            schema["logicalType"] = logical
        return schema if len(schema) > 1 else schema["type"]

    def _items(self, type_: Type, space: str) -> Any:
        if type_.items is None:
            message = f"{type_.kind} without the type of its items"
            raise ValueError(message)
        items = self.named(type_.items, space)
        return ["null", items] if type_.items_optional else items

    def _record(self, type_: Type, space: str) -> Any:
        full = adjusted(type_.name or UNNAMED_RECORD)
        own_space, _, name = full.rpartition(".")
        if full in self._defined:
            if self._defined[full] != type_:
                raise Failed("name_collision", f"two different records would both be {full} in one Avro schema")
            return name if own_space == space else full
        self._defined[full] = type_
        schema: dict[str, Any] = {"type": "record", "name": name}
        if own_space != space:
            schema["namespace"] = own_space
        names = field_names(type_.fields, type_.name or full)
        schema["fields"] = [self._field(f, n, own_space) for f, n in zip(type_.fields, names, strict=True)]
        schema |= _metadata(type_, NO_DEFAULT)
        if type_.name:
            schema["connect.name"] = full
        return schema

    def _field(self, field: Field, name: str, space: str) -> dict[str, Any]:
        default = json_default(field.type, field.default)
        schema = self._schema(_with_doc(field), default, space)
        result: dict[str, Any] = {"name": name, "type": schema}
        if name != field.name:
            result["doc"] = field.name  # the reader gives the column its own name back (F106)
        if default is not NO_DEFAULT:
            result["type"] = [schema, "null"] if field.optional else schema  # the default's branch stands first
            result["default"] = default
        elif field.optional:
            result["type"] = ["null", schema]
            result["default"] = None
        return result


def _with_doc(field: Field) -> Type:
    """A column's comment is its type's doc in Connect; a record is shared between fields and keeps its own."""
    if field.doc is None or field.type.kind is Kind.STRUCT:
        return field.type
    return replace(field.type, doc=field.doc)


def _metadata(type_: Type, default: Any) -> dict[str, Any]:
    """The ``connect.*`` properties in the converter's order."""
    values: dict[str, Any] = {}
    if type_.doc is not None:
        values["connect.doc"] = type_.doc
    if type_.version is not None:
        values["connect.version"] = type_.version
    if type_.parameters:
        values["connect.parameters"] = dict(type_.parameters)
    if default is not NO_DEFAULT:
        values["connect.default"] = default
    if type_.name is not None:
        values["connect.name"] = type_.name
    if type_.kind in _CONNECT_TYPES:
        values["connect.type"] = _CONNECT_TYPES[type_.kind]
    return values


def _precision(type_: Type) -> int:
    return int(type_.parameter("connect.decimal.precision") or MONEY_PRECISION)


def _logical_type(type_: Type) -> str | None:
    """Avro's own logical type; none for a Decimal whose scale Avro forbids, on which libraries raise (types.md A14)."""
    if type_.name == DECIMAL:
        return "decimal" if 0 <= int(type_.parameter("scale") or 0) <= _precision(type_) else None
    return _LOGICAL_TYPES.get(type_.name or "")


def json_default(type_: Type, value: Any) -> Any:
    """A default as Avro's JSON writes it: bytes as ISO-8859-1 text, decimals as their bytes (F107).

    NO_DEFAULT for None, which Connect cannot tell from no default, and for what JSON has no word for (NaN).
    """
    if value is None or value is NO_DEFAULT:
        return NO_DEFAULT
    if type_.name == DECIMAL:
        return decimal_bytes(value, int(type_.parameter("scale") or 0)).decode("latin-1")
    if type_.name == VARIABLE_SCALE_DECIMAL:
        scale, data = variable_scale(value)
        return {"scale": scale, "value": data.decode("latin-1")}
    if type_.kind in {Kind.FLOAT32, Kind.FLOAT64}:
        return float(value) if math.isfinite(value) else NO_DEFAULT
    if type_.kind is Kind.BYTES:
        return bytes(value).decode("latin-1")
    return _json_composite(type_, value)


def _json_composite(type_: Type, value: Any) -> Any:
    if type_.kind is Kind.ARRAY and type_.items:
        items = [_json_item(type_.items, item, optional=type_.items_optional) for item in value]
        return NO_DEFAULT if NO_DEFAULT in items else items
    if type_.kind is Kind.MAP and type_.items:
        values = {key: _json_item(type_.items, item, optional=type_.items_optional) for key, item in value.items()}
        return NO_DEFAULT if NO_DEFAULT in values.values() else values
    if type_.kind is Kind.STRUCT:
        names = field_names(type_.fields, type_.name or "struct")
        pairs = zip(names, type_.fields, strict=True)
        fields = {n: _json_item(f.type, value.get(f.name), optional=f.optional) for n, f in pairs}
        return NO_DEFAULT if NO_DEFAULT in fields.values() else fields
    return value


def _json_item(type_: Type, value: Any, *, optional: bool) -> Any:
    """A part of a default; Avro reads it as the first branch of its union, which is null for an optional part."""
    if optional:
        return None if value is None else NO_DEFAULT
    return json_default(type_, value)
