"""From a record to a document: its ``_id``, its version and its fields. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from connect.record import UNAVAILABLE
from connectors.elasticsearch.fields import field_type

if TYPE_CHECKING:
    from connect.record import Row, SinkRecord
    from connect.schema.model import TableSchema

KEY_FIELD: Final = "__key"
INCOMPLETE_FIELD: Final = "__incomplete"
MAX_ID_BYTES: Final = 512
HASHED: Final = "sha256:"
OFFSET_BITS: Final = 47


def version_of(incarnation: int, offset: int) -> int:
    """The external version: ``incarnation << 47 | offset`` (rule E1), below 2**63 for 16 bits of incarnation."""
    return incarnation << OFFSET_BITS | offset


class DocumentId(NamedTuple):
    """An ``_id`` and, where that is a hash, the key's own text for the field ``__key``."""

    text: str
    original: str | None = None


def document_id(record: SinkRecord) -> DocumentId:
    """The record's ``_id``: its key's text, or topic, partition and offset for a null key (F149).

    One column is its text; several are netstrings (``1:a,2:bc``; ``-`` is NULL), so that ("a", "bc") and ("ab", "c")
    differ. An empty text, one over 512 bytes, and one that looks like a hash become ``sha256:`` and 64 hex digits.
    """
    if record.key is None:
        return DocumentId(f"{record.topic}/{record.partition}/{record.offset}")
    texts = _key_texts(record.key)
    if texts == [None]:
        return DocumentId(f"{HASHED}null")
    if len(texts) == 1:
        text = texts[0] or ""
    else:
        text = ",".join("-" if each is None else f"{len(each)}:{each}" for each in texts)
    if text and len(text.encode()) <= MAX_ID_BYTES and not text.startswith(HASHED):
        return DocumentId(text)
    return DocumentId(HASHED + sha256(text.encode()).hexdigest(), text)


def _key_texts(key: Row) -> list[str | None]:
    columns = key.shape.schema.columns
    return [
        None if value is None else _text(field_type(column.type).convert, value)
        for column, value in zip(columns, key.values(), strict=True)
    ]


def _text(convert: Any, value: Any) -> str:
    value = value if convert is None else convert(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class Fields(NamedTuple):
    """A document's JSON values by field, and the names of the columns that the log did not carry (invariant 5)."""

    values: dict[str, Any]
    missing: tuple[str, ...] = ()


class DocumentWriter:
    """Turns rows of one schema into documents. NULL is written as null, so an absent field always means unknown."""

    def __init__(self, schema: TableSchema) -> None:
        self._columns = [(column.name, field_type(column.type).convert) for column in schema.columns]

    def fields(self, row: Row) -> Fields:
        """The row's columns as JSON values."""
        values: dict[str, Any] = {}
        missing: list[str] = []
        for (name, convert), value in zip(self._columns, row.values(), strict=True):
            if value is UNAVAILABLE:
                missing.append(name)
            else:
                values[name] = value if value is None or convert is None else convert(value)
        return Fields(values, tuple(missing))


def encode(fields: Fields, original_key: str | None) -> bytes:
    """The document's JSON bytes, with our own fields where they say something.

    Raises:
        orjson.JSONEncodeError: A value that is no JSON, for example text with half a surrogate pair.
    """
    document = fields.values
    if fields.missing:
        document = {**document, INCOMPLETE_FIELD: fields.missing}
    if original_key is not None:
        document = {**document, KEY_FIELD: original_key}
    return orjson.dumps(document)
