"""Avro schemas of any producer read back as Connect schemas, and their records as rows."""

from __future__ import annotations

import io
import json
import math
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import fastavro

from connect.errors import Failed, RecordError
from connect.schema.avro_schema import adjusted_field
from connect.schema.decimals import from_bytes
from connect.schema.envelope import ENUM
from connect.schema.form import Column, Form
from connect.schema.model import DECIMAL, NO_DEFAULT, VARIABLE_SCALE_DECIMAL, Field, Kind, Type, decimal_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.schema.form import Decode

MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000  # parts of one schema, each use of a named type counted

_KINDS: Final = {
    "boolean": (Kind.BOOLEAN, 1),
    "int": (Kind.INT32, 1),
    "long": (Kind.INT64, 1),
    "float": (Kind.FLOAT32, 4),
    "double": (Kind.FLOAT64, 8),
    "string": (Kind.STRING, 1),
    "bytes": (Kind.BYTES, 1),
}
_CONNECT_TYPES: Final = {"int8": Kind.INT8, "int16": Kind.INT16}
# Logical types of producers that write no `connect.name`.
_LOGICAL_NAMES: Final = {
    ("int", "date"): "org.apache.kafka.connect.data.Date",
    ("int", "time-millis"): "org.apache.kafka.connect.data.Time",
    ("long", "time-micros"): "io.debezium.time.MicroTime",
    ("long", "timestamp-millis"): "org.apache.kafka.connect.data.Timestamp",
    ("long", "timestamp-micros"): "io.debezium.time.MicroTimestamp",
    ("long", "timestamp-nanos"): "io.debezium.time.NanoTimestamp",
    ("long", "local-timestamp-millis"): "io.debezium.time.Timestamp",
    ("long", "local-timestamp-micros"): "io.debezium.time.MicroTimestamp",
    ("long", "local-timestamp-nanos"): "io.debezium.time.NanoTimestamp",
    ("string", "uuid"): "io.debezium.data.Uuid",
}
_FLOAT32_END: Final = 3.4028235677973366e38  # from here on a number rounds to infinity
_MAP_ENTRY: Final = "MapEntry"  # Connect's maps whose keys are no strings are arrays of such records

# What fastavro raises for bytes that are not what their schema says.
_BAD_BYTES: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    StopIteration,
    EOFError,
    MemoryError,
    struct.error,
)

# What a schema that is none raises on the way through our parser and fastavro's.
_BAD_SCHEMA: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    fastavro.schema.SchemaParseException,
)


class _Part(NamedTuple):
    """One part of a schema: bare Avro for fastavro, our type, the fewest bytes of a value, how many parts it has."""

    avro: Any
    type: Type | None  # None is Avro's null
    optional: bool
    size: int
    nodes: int


class AvroForm(Form):
    """A writer's Avro schema, compiled.

    Attributes:
        avro: The schema bare of logical types and defaults.

    Args:
        text: The schema as the registry has it.

    Raises:
        Failed: ``schema_unsupported``: recursive, a union of several types, too deep or too large (faults.md §5, 31).
    """

    def __init__(self, text: str) -> None:
        try:
            part = _Parser().part(json.loads(text), "", 0)
            # Bare of logical types and defaults: values come as they are on the wire and are decoded when asked for.
            self.avro = part.avro
            self._schema = fastavro.parse_schema(part.avro)
            if part.type is None or part.optional:
                raise ValueError("its records are null or a union")
            super().__init__(part.type, columns)
        except _BAD_SCHEMA as error:
            raise Failed("schema_unsupported", f"not an Avro schema that can be read: {str(error)[:200]}") from error

    def parse(self, payload: bytes) -> dict[str, Any]:
        """The record's data by field name; RecordError for bytes that are not of this schema (F110)."""
        stream = io.BytesIO(payload)
        stream.seek(5)
        try:
            data: Any = fastavro.schemaless_reader(stream, self._schema)
        except _BAD_BYTES as error:
            raise RecordError(f"bytes that do not follow their Avro schema: {type(error).__name__}") from error
        if stream.tell() != len(payload):
            raise RecordError(f"{len(payload) - stream.tell()} bytes after the end of the Avro record")
        return {"key": data} if self.bare else data


def columns(row: Type) -> Sequence[Column]:
    """The columns of a record type; a column whose name is illegal in Avro stands under its adjusted name (F106)."""
    return [Column(field, adjusted_field(field.name), decoder(field.type)) for field in row.fields]


def decoder(type_: Type) -> Decode | None:
    """From what fastavro gives to the value of the type; None where they are the same."""
    if type_.name == DECIMAL and type_.kind is Kind.BYTES:
        scale = int(type_.parameter("scale") or 0)
        return lambda data: from_bytes(data, scale)
    if type_.name == VARIABLE_SCALE_DECIMAL:
        return lambda data: from_bytes(data["value"], data["scale"])
    if type_.kind is Kind.STRUCT:
        return _struct(type_)
    if type_.items is not None:
        return _items(type_, decoder(type_.items))
    return shortest_float32 if type_.kind is Kind.FLOAT32 else None


def _items(type_: Type, item: Decode | None) -> Decode | None:
    if type_.kind is Kind.MAP:
        return _map(item or _same)
    return item and (lambda data: [None if value is None else item(value) for value in data])


_float32 = struct.Struct("<f")


def shortest_float32(value: float) -> float:
    """The number with the fewest digits that is the same float32: 0.3, not 0.30000001192092896 (F186)."""
    if not math.isfinite(value):
        return value
    data = _float32.pack(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if abs(short) < _FLOAT32_END and _float32.pack(short) == data:
            return short
    return float(f"{value:.9g}")


def _map(item: Decode) -> Decode:
    """Maps, and the arrays of entries that Connect writes for maps whose keys are no strings."""

    def decode(data: Any) -> dict[str, Any]:
        pairs = data.items() if isinstance(data, dict) else [(str(entry["key"]), entry["value"]) for entry in data]
        return {key: None if value is None else item(value) for key, value in pairs}

    return decode


def _struct(type_: Type) -> Decode | None:
    parts = [(f.name, adjusted_field(f.name), decoder(f.type)) for f in type_.fields]
    if all(name == avro and decode is None for name, avro, decode in parts):
        return None
    known = [(name, avro, decode or _same) for name, avro, decode in parts]

    def decode(data: dict[str, Any]) -> dict[str, Any]:
        return {name: None if data[avro] is None else decode(data[avro]) for name, avro, decode in known}

    return decode


def _same(value: Any) -> Any:
    return value


class _Parser:
    """One walk over a writer's schema: a bare copy for fastavro, and our type."""

    def __init__(self) -> None:
        self._named: dict[str, _Part | None] = {}  # None while a type is being read: meeting it again is recursion

    def part(self, schema: Any, space: str, depth: int) -> _Part:
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise ValueError(message)
        if isinstance(schema, list):
            found = self._union(schema, space, depth)
        elif isinstance(schema, str):
            found = self._simple({"type": schema}, space)
        elif isinstance(schema["type"], str):
            found = self._typed(schema, space, depth)
        else:
            found = self.part(schema["type"], space, depth + 1)
        if found.nodes > MAX_NODES:
            message = f"more than {MAX_NODES} parts"
            raise ValueError(message)
        return found

    def _typed(self, schema: dict[str, Any], space: str, depth: int) -> _Part:
        if schema["type"] == "record":
            return self._record(schema, space, depth)
        if schema["type"] == "array":
            return self._array(schema, space, depth)
        if schema["type"] == "map":
            return self._map(schema, space, depth)
        if schema["type"] in {"enum", "fixed"}:
            return self._named_scalar(schema, space)
        return self._simple(schema, space)

    def _simple(self, schema: dict[str, Any], space: str) -> _Part:
        word = schema["type"]
        if word == "null":
            return _Part("null", None, optional=True, size=0, nodes=1)
        if word not in _KINDS:
            return self._reference(word, space)
        kind, size = _KINDS[word]
        kind = _CONNECT_TYPES.get(schema.get("connect.type", ""), kind) if word == "int" else kind
        return _Part(word, _semantic(kind, schema), optional=False, size=size, nodes=1)

    def _reference(self, word: str, space: str) -> _Part:
        full = f"{space}.{word}" if space and "." not in word and f"{space}.{word}" in self._named else word
        if full not in self._named:
            message = f"an unknown type {word!r}"
            raise ValueError(message)
        found = self._named[full]
        if found is None:
            message = f"{full} contains itself"
            raise ValueError(message)
        return found._replace(avro=full)

    def _union(self, branches: list[Any], space: str, depth: int) -> _Part:
        parts = [self.part(branch, space, depth + 1) for branch in branches]
        values = [p for p in parts if p.type is not None]
        if len(values) != 1 or len(parts) > 2 or values[0].optional:
            message = "a union of several types"
            raise ValueError(message)
        return values[0]._replace(avro=[p.avro for p in parts], optional=len(parts) == 2, size=1)

    def _array(self, schema: dict[str, Any], space: str, depth: int) -> _Part:
        items = self._items(schema["items"], space, depth)
        avro = {"type": "array", "items": items.avro}
        entry = {f.name: f for f in items.type.fields} if items.type and _is_map_entry(schema["items"]) else {}
        if entry.keys() == {"key", "value"}:
            value = entry["value"]
            type_ = Type(Kind.MAP, schema.get("connect.name"), items=value.type, items_optional=value.optional)
        else:
            type_ = Type(Kind.ARRAY, **_annotations(schema), items=items.type, items_optional=items.optional)
        return _Part(avro, type_, optional=False, size=1, nodes=items.nodes + 1)

    def _map(self, schema: dict[str, Any], space: str, depth: int) -> _Part:
        values = self._items(schema["values"], space, depth)
        type_ = Type(Kind.MAP, **_annotations(schema), items=values.type, items_optional=values.optional)
        return _Part({"type": "map", "values": values.avro}, type_, optional=False, size=1, nodes=values.nodes + 1)

    def _items(self, schema: Any, space: str, depth: int) -> _Part:
        items = self.part(schema, space, depth + 1)
        if items.type is None or not items.size:
            message = "items that take no bytes, so that a few bytes could mean any number of them"
            raise ValueError(message)
        return items

    def _name(self, schema: dict[str, Any], space: str) -> str:
        name, own = schema["name"], schema.get("namespace", space)
        full = name if "." in name or not own else f"{own}.{name}"
        if full in self._named:
            message = f"{full} is defined twice"
            raise ValueError(message)
        self._named[full] = None
        return str(full)

    def _named_scalar(self, schema: dict[str, Any], space: str) -> _Part:
        full = self._name(schema, space)
        if schema["type"] == "enum":
            avro: dict[str, Any] = {"type": "enum", "name": full, "symbols": schema["symbols"]}
            type_ = Type(Kind.STRING, ENUM, 1, (("allowed", ",".join(schema["symbols"])),))
            size = 1
        else:
            size = int(schema["size"])
            avro = {"type": "fixed", "name": full, "size": size}
            type_ = _semantic(Kind.BYTES, schema)
        part = self._named[full] = _Part(avro, type_, optional=False, size=size, nodes=1)
        return part

    def _record(self, schema: dict[str, Any], space: str, depth: int) -> _Part:
        full = self._name(schema, space)
        inner = full.rpartition(".")[0]
        fields, bare, size, nodes = [], [], 0, 1
        for field in schema["fields"]:
            part = self.part(field["type"], inner, depth + 1)
            bare.append({"name": field["name"], "type": part.avro})
            size, nodes = size + part.size, nodes + part.nodes
            if part.type is not None:
                fields.append(_field(field, part.type, optional=part.optional))
        avro = {"type": "record", "name": full, "fields": bare}
        type_ = Type(
            Kind.STRUCT, **{**_annotations(schema), "name": schema.get("connect.name", full)}, fields=tuple(fields)
        )
        part = self._named[full] = _Part(avro, type_, optional=False, size=size, nodes=nodes)
        return part


def _is_map_entry(items: Any) -> bool:
    return isinstance(items, dict) and _MAP_ENTRY in {items.get("name"), items.get("connect.internal.type")}


def _annotations(schema: dict[str, Any]) -> dict[str, Any]:
    parameters = schema.get("connect.parameters") or {}
    return {
        "name": schema.get("connect.name"),
        "version": schema.get("connect.version"),
        "parameters": tuple((str(k), str(v)) for k, v in parameters.items()),
        "doc": schema.get("connect.doc"),
    }


def _semantic(kind: Kind, schema: dict[str, Any]) -> Type:
    """A type by its Connect name, or by the logical type of a producer that writes none."""
    logical = schema.get("logicalType")
    if "connect.name" not in schema and logical == "decimal" and kind is Kind.BYTES:
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision:
            return decimal_type(precision, scale)
    type_ = Type(kind, **_annotations(schema))
    name = _LOGICAL_NAMES.get((schema["type"], str(logical)))
    return replace(type_, name=name, version=1) if name and type_.name is None else type_


def _field(field: dict[str, Any], type_: Type, *, optional: bool) -> Field:
    name, doc = field["name"], field.get("doc")
    if isinstance(doc, str) and doc != name and adjusted_field(doc) == name:
        name = doc  # a name that Avro does not allow stands in the doc (F106)
    default = _default(type_, field["default"]) if "default" in field else NO_DEFAULT
    if type_.kind is Kind.STRUCT:
        return Field(name, type_, optional, default)
    return Field(name, replace(type_, doc=None), optional, default, type_.doc)


def _default(type_: Type, value: Any) -> Any:
    """A default as a value of its type; NO_DEFAULT for null and for one that is not of its type."""
    if value is None:
        return NO_DEFAULT
    try:
        raw = _unquoted(type_, value)
        decode = decoder(type_)
        return decode(raw) if decode else raw
    except (RecordError, ValueError, LookupError, TypeError, AttributeError):
        return NO_DEFAULT


def _unquoted(type_: Type, value: Any) -> Any:
    """Avro's JSON of a default as fastavro would give it: bytes are ISO-8859-1 text there."""
    if value is None:
        return None
    if type_.kind is Kind.BYTES:
        return value.encode("latin-1")
    if type_.kind is Kind.STRUCT:
        return {adjusted_field(f.name): _unquoted(f.type, value[adjusted_field(f.name)]) for f in type_.fields}
    if type_.kind is Kind.ARRAY and type_.items:
        return [_unquoted(type_.items, item) for item in value]
    if type_.kind is Kind.MAP and type_.items:
        return {key: _unquoted(type_.items, item) for key, item in value.items()}
    return value
