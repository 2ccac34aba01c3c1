"""JSON records read back as rows: with Debezium's schema beside the payload, or inferred from the payload alone."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.errors import Failed, RecordError
from connect.schema.decimals import from_bytes
from connect.schema.envelope import NAMES, UNAVAILABLE_FIELD
from connect.schema.form import Column, Form
from connect.schema.model import DECIMAL, NO_DEFAULT, VARIABLE_SCALE_DECIMAL, Field, Kind, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.schema.form import Decode

MAX_FORMS: Final = 2_000  # writer's schemas kept; beyond that the oldest are compiled again when met
MAX_DEPTH: Final = 64

_KINDS: Final = {
    "boolean": Kind.BOOLEAN,
    "int8": Kind.INT8,
    "int16": Kind.INT16,
    "int32": Kind.INT32,
    "int64": Kind.INT64,
    "float": Kind.FLOAT32,
    "double": Kind.FLOAT64,
    "string": Kind.STRING,
    "bytes": Kind.BYTES,
    "struct": Kind.STRUCT,
    "array": Kind.ARRAY,
    "map": Kind.MAP,
}
_JSON_TEXT: Final = Type(Kind.STRING, "io.debezium.data.Json", 1)
_BOUNDARY: Final = b',"payload":'
_START: Final = b'{"schema":'


class JsonForm(Form):
    """A writer's schema, compiled; ``convert`` turns a parsed payload into values, in place of orjson's."""

    def __init__(self, type_: Type) -> None:
        super().__init__(type_, _columns)
        self._convert = converter(type_)

    def data(self, payload: Any) -> dict[str, Any]:
        """The payload's values by name; RecordError for a payload that is not of the schema."""
        value = self._convert(payload)
        return {"key": value} if self.bare else value


def _columns(row: Type) -> Sequence[Column]:
    return [Column(field, field.name, None) for field in row.fields]


class JsonForms:
    """Reads JSON payloads; remembers schemas by their bytes, since every record repeats its schema."""

    def __init__(self) -> None:
        self._forms: dict[bytes, JsonForm] = {}
        self._prefixes: dict[str, tuple[bytes, JsonForm]] = {}
        self._inferred = _Inferred()

    def parse(self, place: str, payload: bytes) -> tuple[JsonForm, dict[str, Any]]:
        """The form and the data of one payload.

        Args:
            place: Topic, and whether it is a key: where the same schema is likely to be met again.
            payload: Bytes without a magic byte.

        Raises:
            RecordError: No JSON, or JSON that is no record (F110).
            Failed: ``schema_unsupported``.
        """
        prefix, form = self._prefixes.get(place, (b"", None))
        if form is not None and payload.startswith(prefix) and payload.endswith(b"}"):
            try:
                return form, form.data(orjson.loads(memoryview(payload)[len(prefix) : -1]))
            except orjson.JSONDecodeError:
                pass  # more members follow the payload: read as a whole below
        document = _loads(payload)
        if not isinstance(document, dict) or document.keys() != {"schema", "payload"}:
            return self._inferred.parse(place, document)
        if document["schema"] is None:
            return self._inferred.parse(place, document["payload"])
        form = self._form(document["schema"])
        self._remember(place, payload, document["schema"], form)
        return form, form.data(document["payload"])

    def _form(self, schema: Any) -> JsonForm:
        text = orjson.dumps(schema)
        form = self._forms.get(text)
        if form is None:
            try:
                form = JsonForm(_type(schema, 0)[0])
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                message = f"not a Connect schema that can be read: {type(error).__name__}: {str(error)[:200]}"
                raise Failed("schema_unsupported", message) from error
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            self._forms[text] = form
        return form

    def _remember(self, place: str, payload: bytes, schema: Any, form: JsonForm) -> None:
        """The bytes before this payload, if they are exactly the schema: the next record need not parse them."""
        end = payload.find(_BOUNDARY)
        if end > 0 and payload.startswith(_START):
            try:
                same = orjson.loads(memoryview(payload)[len(_START) : end]) == schema
            except orjson.JSONDecodeError:
                return
            if same:
                self._prefixes[place] = (payload[: end + len(_BOUNDARY)], form)


def _loads(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        message = f"neither Avro nor JSON: {error.msg} at byte {error.pos}" if payload else "an empty payload"
        raise RecordError(message) from None


def _type(schema: dict[str, Any], depth: int) -> tuple[Type, bool]:
    """A Connect schema in JSON: its type, and whether it is optional."""
    if depth > MAX_DEPTH:
        message = f"nested deeper than {MAX_DEPTH} levels"
        raise ValueError(message)
    kind = _KINDS[schema["type"]]
    fields: tuple[Field, ...] = ()
    items, items_optional = None, True
    if kind is Kind.STRUCT:
        fields = tuple(_field(field, depth) for field in schema["fields"])
    elif kind is Kind.ARRAY:
        items, items_optional = _type(schema["items"], depth + 1)
    elif kind is Kind.MAP:
        items, items_optional = _type(schema["values"], depth + 1)
    parameters = tuple((str(k), str(v)) for k, v in (schema.get("parameters") or {}).items())
    doc = schema.get("doc")
    type_ = Type(kind, schema.get("name"), schema.get("version"), parameters, fields, items, items_optional, doc)
    return type_, bool(schema.get("optional", False))


def schema_fields(fields: Sequence[dict[str, Any]]) -> tuple[Field, ...]:
    """The fields of a struct's schema; raises what a wrong type or a missing member raises."""
    return tuple(_field(field, 1) for field in fields)


def _field(schema: dict[str, Any], depth: int) -> Field:
    if not isinstance(schema["field"], str):
        message = "a field whose name is no text"
        raise TypeError(message)
    doc = schema.get("doc") if schema["type"] != "struct" else None
    type_, optional = _type({**schema, "doc": None} if doc else schema, depth + 1)
    default: Any = NO_DEFAULT
    if schema.get("default") is not None:
        try:
            default = converter(type_)(schema["default"])
        except RecordError:
            default = NO_DEFAULT  # a default that is not of its type is nobody's value
    return Field(schema["field"], type_, optional, default, doc)


def converter(type_: Type) -> Decode:
    """From JSON's values to the type's; RecordError for what is not of the type. Null is the caller's."""
    if type_.name == DECIMAL:
        scale = int(type_.parameter("scale") or 0)
        return lambda value: from_bytes(_bytes(value), scale)
    if type_.name == VARIABLE_SCALE_DECIMAL:
        struct = _struct(type_)
        return lambda value: from_bytes((parts := struct(value))["value"], parts["scale"])
    if type_.kind is Kind.STRUCT:
        return _struct(type_)
    if type_.items is not None:
        items = _nullable(converter(type_.items), optional=type_.items_optional)
        return _array(items) if type_.kind is Kind.ARRAY else _map(items)
    return _SCALARS[type_.kind]


def _struct(type_: Type) -> Decode:
    parts = []
    for field in type_.fields:
        default = None if field.default is NO_DEFAULT else field.default
        parts.append((field.name, default, _nullable(converter(field.type), optional=field.optional)))

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch("struct", value)
        return {
            name: convert_field(value[name]) if name in value else convert_field(None) if default is None else default
            for name, default, convert_field in parts
        }

    return convert


def _nullable(convert: Decode, *, optional: bool) -> Decode:
    def convert_or_null(value: Any) -> Any:
        if value is not None:
            return convert(value)
        if not optional:
            raise RecordError("a null where the schema has none")
        return None

    return convert_or_null


def _array(items: Decode) -> Decode:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _mismatch("array", value)
        return [items(item) for item in value]

    return convert


def _map(items: Decode) -> Decode:
    """An object, or the array of pairs that Connect writes for keys that are no strings."""

    def convert(value: Any) -> dict[str, Any]:
        if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            value = {str(key): item for key, item in value}
        if not isinstance(value, dict):
            raise _mismatch("map", value)
        return {key: items(item) for key, item in value.items()}

    return convert


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise RecordError("bytes that are no base64 text; numbers for decimals need `decimal.format=BASE64`")


def _exactly(kind: type, name: str) -> Decode:
    def convert(value: Any) -> Any:
        if type(value) is not kind:
            raise _mismatch(name, value)
        return value

    return convert


def _float(value: Any) -> float:
    """A number, or one of the words that Connect writes for what JSON has no number for."""
    if type(value) in {int, float} or (isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}):
        return float(value)
    raise _mismatch("float", value)


def _mismatch(name: str, value: Any) -> RecordError:
    return RecordError(f"a {type(value).__name__} where the schema has {name}")


_integer = _exactly(int, "integer")
_SCALARS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.BOOLEAN: _exactly(bool, "boolean"),
    Kind.INT8: _integer,
    Kind.INT16: _integer,
    Kind.INT32: _integer,
    Kind.INT64: _integer,
    Kind.FLOAT32: _float,
    Kind.FLOAT64: _float,
    Kind.STRING: _exactly(str, "string"),
    Kind.BYTES: _bytes,
}


class _Inferred:
    """Payloads without a schema: types as their values show them, remembered by topic so that a null keeps its type.

    Objects and arrays inside a row become JSON text.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Type]] = {}
        self._forms: dict[Type, JsonForm] = {}

    def parse(self, place: str, payload: Any) -> tuple[JsonForm, dict[str, Any]]:
        """The form and the data of a parsed payload."""
        if payload is None or isinstance(payload, list):
            raise RecordError("JSON that is no record but a list or null")
        known = self._known.setdefault(place, {})
        if not isinstance(payload, dict):
            type_ = _inferred(payload)
        elif _is_envelope(payload):
            type_, payload = self._envelope(known, payload)
        else:
            type_, payload = self._row(known, payload), _flat(payload)
        form = self._forms.get(type_)
        if form is None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            form = self._forms[type_] = JsonForm(type_)
        return form, form.data(payload)

    def _envelope(self, known: dict[str, Type], payload: dict[str, Any]) -> tuple[Type, dict[str, Any]]:
        """The row's type is learnt from both images; of ``source`` only the words matter, the table's name is there."""
        before, after = payload["before"], payload["after"]
        if before:
            self._row(known, before)
        row = self._row(known, after or before or {})
        words = {k: v for k, v in payload["source"].items() if isinstance(v, str)}
        fields = (
            Field("before", row),
            Field("after", row),
            Field("source", Type(Kind.STRUCT, fields=tuple(Field(k, Type(Kind.STRING)) for k in sorted(words)))),
            Field("op", Type(Kind.STRING), optional=False),
            *((Field(UNAVAILABLE_FIELD, NAMES),) if UNAVAILABLE_FIELD in payload else ()),
        )
        images = {"before": before and _flat(before), "after": after and _flat(after)}
        return Type(Kind.STRUCT, fields=fields), {**payload, **images, "source": words}

    def _row(self, known: dict[str, Type], row: dict[str, Any]) -> Type:
        if len(known) > MAX_FORMS:
            known.clear()
        for name, value in row.items():
            if value is not None:
                known[name] = _wider(known.get(name), _inferred(value))
        fields = tuple(Field(name, known.get(name, Type(Kind.STRING))) for name in row)
        return Type(Kind.STRUCT, fields=fields)


def _is_envelope(payload: dict[str, Any]) -> bool:
    if not {"before", "after", "source", "op"} <= payload.keys() or not isinstance(payload["source"], dict):
        return False
    return all(payload[name] is None or isinstance(payload[name], dict) for name in ("before", "after"))


_INFERRED: Final = {bool: Kind.BOOLEAN, int: Kind.INT64, float: Kind.FLOAT64, str: Kind.STRING}


def _inferred(value: Any) -> Type:
    return Type(_INFERRED[type(value)]) if type(value) in _INFERRED else _JSON_TEXT


def _wider(known: Type | None, now: Type) -> Type:
    """A column that once had a fraction stays a float; any other change of mind is the record's own word."""
    floats = known is not None and known.kind is Kind.FLOAT64 and now.kind is Kind.INT64
    return known if floats and known else now


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {k: orjson.dumps(v).decode() if isinstance(v, dict | list) else v for k, v in row.items()}
