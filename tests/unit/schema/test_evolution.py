"""Rules V3 and V4: what a changed table means for its topic."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connect.errors import Failed
from connect.record import plain_row, plain_shape
from connect.schema.evolution import What, compare, evolve
from connect.schema.model import (
    NO_DEFAULT,
    Field,
    Kind,
    TableId,
    TableSchema,
    Type,
    decimal_type,
    variable_scale_decimal_type,
)

INT, LONG, STRING = Type(Kind.INT32), Type(Kind.INT64), Type(Kind.STRING)
ID = Field("id", INT, optional=False)
TIMESTAMP = Type(Kind.INT64, "io.debezium.time.MicroTimestamp", 1)


def table(*columns: Field, key=("id",)) -> TableSchema:
    return TableSchema(TableId("public", "t"), columns, key)


def enum(labels: str) -> Type:
    return Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", labels),))


OLD = table(ID, Field("a", INT), Field("b", STRING))


def failed(code: str, *args, **options) -> Failed:
    with pytest.raises(Failed) as caught:
        evolve(*args, **options)
    assert caught.value.code == code
    return caught.value


def test_a_table_that_did_not_change_is_published_under_the_same_shape():
    shape = plain_shape(OLD)
    evolution = evolve(OLD, OLD)
    assert (evolution.changes, evolution.held) == ((), ())
    assert evolution.shape(shape) is shape


def test_an_added_optional_column_is_published():
    new = table(*OLD.columns, Field("c", STRING))
    evolution = evolve(OLD, new)
    assert [(c.what, c.column) for c in evolution.changes] == [(What.ADDED, "c")]
    assert evolution.shape(shape := plain_shape(new)) is shape


def test_V3_an_added_required_column_without_a_default_is_published_as_optional():
    evolution = evolve(OLD, table(*OLD.columns, Field("c", INT, optional=False)))
    assert evolution.schema.column("c") == Field("c", INT)


@pytest.mark.parametrize(("fill", "optional"), [(1, False), (NO_DEFAULT, True)])
def test_V3_an_added_column_has_the_default_that_older_rows_have(fill, optional):
    added = Field("c", INT, optional=False, default=2, fill=fill)
    published = evolve(OLD, table(*OLD.columns, added)).schema
    assert (published.column("c").default, published.column("c").optional) == (fill, optional)
    assert evolve(published, table(*OLD.columns, added)).schema.column("c").default == 2  # of rows that come


def test_V3_records_from_before_an_added_column_can_be_read_when_its_default_was_dropped():
    added = Field("c", INT, optional=False, fill=1)
    published = evolve(OLD, table(*OLD.columns, added)).schema
    assert evolve(published, table(*OLD.columns, added)).schema == published


def test_V3_an_added_required_column_with_a_constant_default_keeps_it():
    added = Field("c", INT, optional=False, default=1)
    assert evolve(OLD, table(*OLD.columns, added)).schema.column("c") == added


def test_a_held_column_stays_out_of_the_topic_until_it_is_published():
    new = table(ID, Field("c", STRING), *OLD.columns[1:])
    held = evolve(OLD, new, "hold")
    assert (held.held, held.schema) == (("c",), OLD)
    row = plain_row(new, [1, "secret", 2, "b"])
    assert row.under(held.shape(row.shape)).to_dict() == {"id": 1, "a": 2, "b": "b"}
    assert evolve(held.schema, new, "hold").held == ("c",)
    assert evolve(held.schema, new, "publish").schema == new


def test_a_new_column_fails_where_the_policy_says_so():
    error = failed("columns_added", OLD, table(*OLD.columns, Field("c", STRING)), "fail")
    assert "public.t: new columns c" in error.message


def test_V3_a_dropped_column_is_left_out_and_a_rename_is_a_drop_and_an_addition():
    new = table(ID, Field("a", INT), Field("renamed", STRING))
    assert [(c.what, c.column) for c in compare(OLD, new)] == [(What.DROPPED, "b"), (What.ADDED, "renamed")]
    assert evolve(OLD, new).schema == new
    assert [f.name for f in evolve(OLD, new, "hold").schema.columns] == ["id", "a"]


def test_a_column_that_was_once_optional_stays_so():
    new = table(ID, Field("a", INT, optional=False), Field("b", STRING))
    evolution = evolve(OLD, new)
    assert evolution.schema == OLD
    assert [c.what for c in evolution.changes] == [What.FIELD]


def test_a_column_that_may_now_be_null_is_published_so():
    old = table(ID, Field("a", INT, optional=False))
    assert evolve(old, table(ID, Field("a", INT))).schema.column("a").optional


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Type(Kind.INT16), INT),
        (INT, LONG),
        (LONG, Type(Kind.FLOAT32)),
        (Type(Kind.FLOAT32), Type(Kind.FLOAT64)),
        (decimal_type(10, 2), decimal_type(12, 2)),
        (enum("a,b"), enum("a,b,c")),
        (Type(Kind.ARRAY, items=INT), Type(Kind.ARRAY, items=LONG)),
    ],
)
def test_V3_a_type_that_avro_promotes_is_published(old, new):
    evolution = evolve(table(ID, Field("a", old)), table(ID, Field("a", new)))
    assert evolution.schema.column("a").type == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LONG, INT),
        (INT, STRING),
        (LONG, TIMESTAMP),
        (decimal_type(10, 2), decimal_type(10, 4)),
        (decimal_type(10, 2), variable_scale_decimal_type()),
        (Type(Kind.ARRAY, items=LONG), Type(Kind.ARRAY, items=INT)),
        (Type(Kind.ARRAY, items=INT), Type(Kind.ARRAY, items=INT, items_optional=False)),
    ],
)
def test_V3_another_change_of_type_fails_unless_the_operator_says_otherwise(old, new):
    before, after = table(ID, Field("a", old)), table(ID, Field("a", new))
    assert "public.t: a:" in failed("schema_incompatible", before, after).message
    assert evolve(before, after, allow_incompatible=True).schema == after


@pytest.mark.parametrize(
    "new",
    [
        table(*OLD.columns, key=("a",)),
        table(*OLD.columns, key=()),
        table(*OLD.columns, key=("id", "a")),
        table(replace(ID, type=LONG), *OLD.columns[1:]),
        table(Field("uid", INT, optional=False), *OLD.columns[1:], key=("uid",)),
    ],
)
def test_F109_a_changed_key_fails(new):
    assert "public.t" in failed("key_changed", OLD, new).message


def test_S14_a_new_default_comment_or_label_of_a_key_column_changes_no_key_schema():
    old = table(Field("id", enum("a"), optional=False))
    new = table(Field("id", enum("a,b"), optional=False, default="a", doc="now with a comment"))
    assert evolve(old, new).schema == old


def test_another_column_order_is_no_change_but_is_published():
    new = table(ID, OLD.columns[2], OLD.columns[1])
    evolution = evolve(OLD, new)
    assert (evolution.changes, evolution.schema) == ((), new)


def test_a_default_that_changed_is_published():
    old = table(ID, Field("a", decimal_type(5, 2), default=Decimal("1.00")))
    new = table(ID, Field("a", decimal_type(5, 2), default=Decimal("2.00")))
    assert evolve(old, new).schema == new


def test_V3_a_column_that_the_file_leaves_out_may_become_anything():
    changed = table(ID, Field("a", STRING), Field("b", STRING))
    assert evolve(OLD, changed, wanted=("id", "b")).schema.column("b") == OLD.column("b")


def test_a_new_column_that_the_file_leaves_out_fails_nothing():
    assert evolve(OLD, table(*OLD.columns, Field("c", STRING)), "fail", wanted=("id", "a", "b")).held == ()
