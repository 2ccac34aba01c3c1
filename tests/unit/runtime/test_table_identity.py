"""What a table's topics rest on: changes that are refused, and those that are told."""

import pytest

from connect.api.tables import TableOptions, View
from connect.errors import Failed
from connect.runtime.table_identity import check_identity, clear_before, identity
from connect.schema.model import TableId

TABLE = TableId("public", "orders")
STATE = {View.STATE: "s.public.orders"}
BOTH = {**STATE, View.EVENTS: "s.public.orders.events"}


def made(topics=BOTH, key=("id",), **options):
    return identity(TableOptions(**options), topics, key)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (made(STATE), made(BOTH), "no events view until now"),
        (made(), made({**BOTH, View.STATE: "t.public.orders"}), "written to s.public.orders, and would go on in t."),
        (made(), made(value="row"), "written as value: envelope, now it is row"),
        (made(), made(key=("id", "region")), "its key was id, now it is id, region"),
        (made(key=()), made(), "its key was none"),
    ],
)
def test_what_would_leave_a_topic_incomplete_or_of_two_forms_is_refused(before, now, why):
    with pytest.raises(Failed, match=why) as refused:
        check_identity(TABLE, before, now)
    assert refused.value.code == "identity_changed"
    assert "name it again" in refused.value.hint


def test_a_view_may_be_left_out_and_everything_else_be_changed():
    check_identity(TABLE, made(BOTH), made(STATE, columns=("id",), mask={"email": "hash"}, new_columns="hold"))


def test_a_new_mask_is_told_and_one_that_is_taken_away_is_not():
    told = list(clear_before(TABLE, made(mask={"b": "hash", "c": "hash"}), made(mask={"a": "hash", "b": "nullify"})))
    assert ["a is masked" in told[0], "clear values" in told[0]] == [True, True]
    assert "b is masked in another way" in told[1]
    assert len(told) == 2
