"""Rows pass by one column; a row that stops matching leaves a state topic as a delete (DESIGN §6)."""

import pytest

from connect.errors import Failed
from connect.record import UNAVAILABLE, Op

DRAFTS_OUT = ("filter", {"column": "status", "not_in": ["draft", "test"]})


def test_a_matching_row_passes_as_it_is(chain, event):
    change = event("c", None, "1,open,x")

    assert chain(DRAFTS_OUT).apply(change) is change


@pytest.mark.parametrize("op", ["c", "r"])
def test_a_row_that_never_matched_is_dropped(chain, event, op):
    assert chain(DRAFTS_OUT).apply(event(op, None, "1,draft,x")) is None


def test_an_update_between_two_rows_that_do_not_match_is_dropped(chain, event):
    assert chain(DRAFTS_OUT).apply(event("u", "1,test,x", "1,draft,x")) is None


def test_a_row_that_stops_matching_leaves_as_a_delete_of_its_old_row(chain, event):
    left = chain(DRAFTS_OUT).apply(event("u", "1,open,x", "1,draft,secret"))

    assert (left.op, left.after, left.before.to_dict()) == (Op.DELETE, None, {"id": 1, "status": "open", "email": "x"})


@pytest.mark.parametrize("before", [None, "1,?,?"])
def test_without_the_old_value_a_row_that_does_not_match_leaves_as_a_delete(chain, event, before):
    left = chain(DRAFTS_OUT).apply(event("u", before, "1,draft,secret"))

    assert left.op is Op.DELETE
    assert left.before.values() == [1, UNAVAILABLE, UNAVAILABLE]
    assert left.before.shape is left.shape


def test_a_delete_after_a_key_change_has_the_old_key(chain, event):
    left = chain(DRAFTS_OUT).apply(event("u", "1,?,?", "2,draft,x"))

    assert left.before.key == (1,)


def test_a_row_that_begins_to_match_is_created(chain, event):
    entered = chain(DRAFTS_OUT).apply(event("u", "1,draft,x", "1,open,x"))

    assert (entered.op, entered.before, entered.after.key) == (Op.CREATE, None, (1,))


def test_an_update_whose_old_value_is_unknown_passes_as_an_update(chain, event):
    assert chain(DRAFTS_OUT).apply(event("u", "1,?,?", "1,open,x")).op is Op.UPDATE


def test_a_delete_of_a_row_that_did_not_match_is_dropped(chain, event):
    assert chain(DRAFTS_OUT).apply(event("d", "1,draft,x", None)) is None


def test_a_delete_that_does_not_tell_passes(chain, event):
    assert chain(DRAFTS_OUT).apply(event("d", "1,?,?", None)).op is Op.DELETE


def test_a_truncate_passes(chain, event):
    assert chain(DRAFTS_OUT).apply(event("t", None, None)).op is Op.TRUNCATE


def test_a_value_that_the_log_left_out_is_the_old_rows(chain, event):
    passed = chain(DRAFTS_OUT).apply(event("u", "1,open,x", "1,?,y"))

    assert passed.op is Op.UPDATE


def test_a_change_that_cannot_be_decided_stops_the_connector(chain, event):
    with pytest.raises(Failed, match=r"shop: public\.orders: filter on 'status'.*\[1,2\]") as caught:
        chain(DRAFTS_OUT).apply(event("u", "1,?,?", "1,?,y"))

    assert caught.value.code == "filter_undecided"
    assert "REPLICA IDENTITY FULL" in caught.value.hint


def test_an_event_view_alone_gets_no_delete(chain, event):
    assert chain(DRAFTS_OUT, state=False).apply(event("u", None, "1,draft,x")) is None


@pytest.mark.parametrize(
    ("condition", "passing"),
    [
        ({"in": ["open"]}, ["1,open,x"]),
        ({"in": ["open", None]}, ["1,open,x", "1,-,x"]),
        ({"not_in": ["open"]}, ["1,done,x", "1,-,x"]),
        ({"equals": "done"}, ["1,done,x"]),
        ({"is_null": True}, ["1,-,x"]),
        ({"is_null": False}, ["1,open,x", "1,done,x"]),
    ],
)
def test_conditions(chain, event, condition, passing):
    rows = ["1,open,x", "1,done,x", "1,-,x"]
    pipeline = chain(("filter", {"column": "status", **condition}))

    assert [data for data in rows if pipeline.apply(event("c", None, data))] == passing


def test_values_are_compared_as_the_columns_type(chain, event):
    pipeline = chain(("filter", {"column": "id", "in": ["7", 8]}))

    assert [data for data in ("7,a,b", "8,a,b", "9,a,b") if pipeline.apply(event("c", None, data))] == [
        "7,a,b",
        "8,a,b",
    ]


@pytest.mark.parametrize("options", [{}, {"in": ["a"], "equals": "b"}, {"equals": ["a"]}, {"in": [{}]}])
def test_one_test_on_scalars_is_needed(chain, options):
    with pytest.raises(ValueError):
        chain(("filter", {"column": "status", **options}))


@pytest.mark.parametrize("op", ["c", "r", "u"])
def test_a_sinks_record_that_does_not_match_becomes_a_delete_whatever_compaction_left_before_it(chain, record, op):
    left = chain(DRAFTS_OUT).apply(record(op, 1, "1,draft,x", "1,draft,x"))

    assert (left.op, left.after, left.key.key) == (Op.DELETE, None, (1,))


def test_a_sinks_record_without_a_key_is_dropped(chain, record):
    assert chain(DRAFTS_OUT).apply(record("u", None, "1,draft,x")) is None


def test_a_tombstone_passes_at_a_sink(chain, record):
    assert chain(DRAFTS_OUT).apply(record("d", 1, None)).op is Op.DELETE
