"""What a table's topics rest on: changes that are refused, and those that are told."""

import pytest

from connect.api.tables import TableInfo, TableOptions, View
from connect.errors import Failed
from connect.runtime.table_identity import (
    check_identity,
    clear_before,
    identity,
    identity_note,
    known_columns,
    still_masked,
)
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.transforms.mask import Fixed

TABLE = TableId("public", "orders")
STATE = {View.STATE: "s.public.orders"}
BOTH = {**STATE, View.EVENTS: "s.public.orders.events"}


def info(*columns, key=("id",)):
    fields = tuple(Field(name, Type(Kind.INT32), optional=True) for name in columns)
    return TableInfo(schema=TableSchema(TABLE, fields, key), identity=None, rows=0, bytes=0)


def made(topics=BOTH, key=("id",), form="Avro", **options):
    return identity(info("id", "region", "a", "b", "c", key=key), TableOptions(**options), topics, form)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (made(STATE), made(BOTH), "no events view until now"),
        (made(), made({**BOTH, View.STATE: "t.public.orders"}), "written to s.public.orders, and would go on in t."),
        (made(), made(form="JSON"), "written as Avro, now they would be JSON"),
        (made(), made(value="row"), "written as value: envelope, now it is row"),
        (made(), made(key=("id", "region")), "its key was id, now it is id, region"),
        (made(key=()), made(), "its key was none"),
        (made(key=(), snapshot="never"), made(key=()), "some would come twice"),
    ],
)
def test_what_would_leave_a_topic_incomplete_or_of_two_forms_is_refused(before, now, why):
    with pytest.raises(Failed, match=why) as refused:
        check_identity(TABLE, before, now)
    assert refused.value.code == "identity_changed"
    assert "name it again" in refused.value.hint


def test_a_view_may_be_left_out_and_everything_else_be_changed():
    check_identity(TABLE, made(BOTH), made(STATE, columns=("id",), mask={"email": "hash"}, new_columns="hold"))


def test_a_mask_that_comes_changes_or_goes_is_told():
    told = list(clear_before(TABLE, made(mask={"b": "hash", "c": "hash"}), made(mask={"a": "hash", "b": "nullify"})))
    assert ["a is masked" in told[0], "clear values" in told[0]] == [True, True]
    assert "b is masked in another way" in told[1]
    assert "c is published clear" in told[2]


MASK = {"email": "hash", "phone": Fixed(fixed="x")}


def noted(*columns, mask=MASK):
    return {identity_note(TABLE): identity(info(*columns), TableOptions(mask=mask), BOTH, "Avro")}


def test_a_mask_of_a_column_that_is_gone_stays_since_the_log_may_have_its_rows():
    notes = noted("id", "email", "phone")
    assert still_masked(info("id"), TableOptions(), notes).mask == MASK
    assert still_masked(info("id", "email"), TableOptions(mask={"email": "nullify"}), notes).mask == {
        "email": "nullify",
        "phone": Fixed(fixed="x"),
    }


def test_a_mask_that_the_operator_takes_from_a_column_that_is_there_goes():
    assert still_masked(info("id", "email", "phone"), TableOptions(), noted("id", "email", "phone")).mask is None


def test_a_new_column_is_not_known_while_the_file_masks_one_that_is_gone():
    notes = noted("id", "email")
    assert known_columns(info("id", "mail"), TableOptions(mask=MASK), notes) == {"id", "email"}
    assert known_columns(info("id", "mail"), TableOptions(mask={"mail": "hash"}), notes) == {"id", "email", "mail"}
    assert known_columns(info("id", "email", "new"), TableOptions(mask=MASK), notes) == {"id", "email", "new"}


def test_at_the_first_start_every_column_is_known():
    assert known_columns(info("id", "mail"), TableOptions(mask=MASK), {}) == {"id", "mail"}
