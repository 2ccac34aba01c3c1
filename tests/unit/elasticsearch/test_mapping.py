"""Strict mappings from schemas, and what may be added to one (F147)."""

from __future__ import annotations

import pytest
import yaml

from connect.errors import Failed
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.transforms.catalog import BUILTIN
from connectors.elasticsearch.mapping import additions, properties

TABLE = TableId("public", "t")


def schema(**columns):
    return TableSchema(TABLE, tuple(Field(name, kind) for name, kind in columns.items()))


def point(*names):
    return Type(Kind.STRUCT, fields=tuple(Field(name, Type(Kind.FLOAT64)) for name in names))


def wanted(**columns):
    return properties(schema(**columns))


def test_nothing_is_added_to_a_mapping_that_has_it_all():
    assert additions(wanted(a=Type(Kind.INT32)), wanted(a=Type(Kind.INT64)), "t-1") == {}


def test_a_new_column_is_added():
    added = additions(wanted(a=Type(Kind.INT32)), wanted(a=Type(Kind.INT32), b=Type(Kind.BOOLEAN)), "t-1")

    assert added == {"b": {"type": "boolean"}}


def test_a_new_field_of_a_struct_is_added_inside_it():
    added = additions(wanted(p=point("x")), wanted(p=point("x", "y")), "t-1")

    assert list(added["p"]["properties"]) == ["y"]


def test_F147_another_type_is_a_conflict_that_names_field_and_types():
    with pytest.raises(Failed, match=r"field t-1\.a is long in the index and would have to be boolean") as error:
        additions(wanted(a=Type(Kind.INT32)), wanted(a=Type(Kind.BOOLEAN)), "t-1")
    assert error.value.code == "mapping_conflict"


def test_F147_an_object_where_a_value_was_is_a_conflict():
    with pytest.raises(Failed, match="text in the index and would have to be object"):
        additions(wanted(a=Type(Kind.STRING)), wanted(a=point("x")), "t-1")


def test_text_takes_any_value():
    assert additions(wanted(a=Type(Kind.STRING)), wanted(a=Type(Kind.INT32)), "t-1") == {}


@pytest.mark.parametrize("name", ["_id", "a.b", "", " ", "_source"])
def test_a_column_that_cannot_be_a_field_is_refused_by_name(name):
    with pytest.raises(Failed) as error:
        properties(schema(**{name: Type(Kind.INT32)}))
    assert error.value.code == "field_name"


def test_the_rename_that_a_hint_suggests_is_valid():
    with pytest.raises(Failed) as error:
        properties(schema(_id=Type(Kind.INT32)))

    (transform,) = yaml.safe_load(error.value.hint.partition(": ")[2])["transforms"]

    assert BUILTIN["rename"].options.model_validate(transform["rename"]).fields == {"old": "new"}
