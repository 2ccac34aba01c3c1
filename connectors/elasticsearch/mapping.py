"""From a table's schema to a strict mapping, and what an existing mapping lacks of it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connectors.elasticsearch.document import INCOMPLETE_FIELD, KEY_FIELD
from connectors.elasticsearch.fields import MAX_TERM, field_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.schema.model import TableSchema

# Elasticsearch's metadata fields: a document cannot hold a field of such a name.
_METADATA: Final = frozenset(
    {"_id", "_index", "_source", "_routing", "_ignored", "_field_names", "_seq_no", "_version", "_doc_count", "_tier"}
    | {"_nested_path", "_primary_term", "_data_stream_timestamp", "_feature", "_size", "_type", "_ignored_source"}
)
_ANY_SCALAR: Final = frozenset({"text", "keyword"})  # existing fields that take each other's values and numbers
_BAD_NAME: Final = re.compile(r"^\s*$|\.|\x00")


def properties(schema: TableSchema) -> dict[str, Any]:
    """The mapping's ``properties`` for the schema's columns and our own two fields.

    Raises:
        Failed: ``field_name``: a column's name cannot be a field's.
    """
    for column in schema.columns:
        if column.name in _METADATA or _BAD_NAME.search(column.name):
            raise _unusable(schema, column.name)
    fields = {column.name: dict(field_type(column.type).mapping) for column in schema.columns}
    keyword = {"type": "keyword", "ignore_above": MAX_TERM}
    return {**fields, KEY_FIELD: keyword, INCOMPLETE_FIELD: keyword}


def _unusable(schema: TableSchema, name: str) -> Failed:
    return Failed(
        "field_name",
        f"column {name!r} of {schema.table} cannot be the name of an Elasticsearch field",
        hint="Give it another name at this sink: transforms: [{rename: {fields: {old: new}}}]",
    )


def additions(have: Mapping[str, Any], want: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What ``put_mapping`` has to add to ``have`` so that documents of ``want`` are taken; {} for nothing.

    Args:
        have: ``properties`` of the index.
        want: ``properties`` of the schema.
        where: Index and, inside structs, the path, for messages.

    Raises:
        Failed: ``mapping_conflict``: a field exists with another type, which a mapping cannot change (F147).
    """
    added: dict[str, Any] = {}
    for name, field in want.items():
        existing = have.get(name)
        if existing is None:
            added[name] = field
        elif "properties" in field and "properties" in existing:
            if inner := additions(existing["properties"], field["properties"], f"{where}.{name}"):
                added[name] = {"properties": inner}
        elif not _takes(existing, field):
            raise _conflict(f"{where}.{name}", existing, field)
    return added


def _kind(field: Mapping[str, Any]) -> str:
    return str(field.get("type", "object"))


def _takes(existing: Mapping[str, Any], field: Mapping[str, Any]) -> bool:
    have, want = _kind(existing), _kind(field)
    if have == want or (have, want) == ("double", "long"):
        return True
    return have in _ANY_SCALAR and want != "object"


def _conflict(where: str, existing: Mapping[str, Any], field: Mapping[str, Any]) -> Failed:
    return Failed(
        "mapping_conflict",
        f"field {where} is {_kind(existing)} in the index and would have to be {_kind(field)}",
        hint="Run `connect rebuild SINK FILE`; if old records of the topic still have the "
        "old type, rename the column at this sink with a transform instead.",
    )
