"""The demonstration counts changes by the same rule as the torture: by key, with the number that the monolith gave."""

from __future__ import annotations

from collections import Counter

import pytest

from connect.demo.check import TableResult, compare_events, topics
from connect.demo.verdict import Change, check
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

ORDERS = TableId("public", "orders")
KEY = TableSchema(ORDERS, (Field("id", Type(Kind.INT64), optional=False),), ("id",))
ROW = TableSchema(ORDERS, (*KEY.columns, Field("lock_version", Type(Kind.INT32))), ("id",))
MADE = {("7",): [Change("c", ("1",)), Change("u", ("2",)), Change("d", None)]}


def record(offset, op, number=None, *, tombstone=False):
    after = None if number is None else plain_row(ROW, [7, number])
    key = plain_row(KEY, [7])
    return SinkRecord("shop.public.orders", 0, offset, 0, op, key, None, after, ORDERS, tombstone=tombstone)


WHOLE = [
    record(0, Op.READ, 0),
    record(1, Op.CREATE, 1),
    record(2, Op.UPDATE, 2),
    record(3, Op.DELETE),
    record(4, Op.DELETE, tombstone=True),
]


def verdict(records):
    found, _ = topics(records, lambda _: None)
    return check(MADE, found["public.orders"])


def test_changes_are_found_in_topics_without_reads_and_tombstones():
    assert verdict(WHOLE) == check(MADE, MADE)
    assert verdict(WHOLE).clean


@pytest.mark.parametrize(
    ("records", "counts"), [(WHOLE[:2] + WHOLE[3:], (1, 0)), ([*WHOLE[:3], *WHOLE[2:]], (0, 1)), ([], (3, 0))]
)
def test_what_is_lost_or_repeated_is_counted(records, counts):
    result = verdict(records)
    assert (result.lost, result.repeated) == counts


def test_events_of_the_fill_are_neither_lost_nor_repeated():
    result = TableResult()
    compare_events(result, {("a",): [Change("c", ("1",))], ("b",): [Change("c", ("2",))]}, Counter(a=2, fill=1))
    assert (result.made, result.found, result.lost, result.repeated) == (2, 1, 1, 1)
