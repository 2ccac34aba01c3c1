"""A filtered state topic, folded by key, is the filtered table, whatever the log tells of old rows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.transforms.facts import Facts
from connect.transforms.filter import Condition, build
from connect.transforms.pipeline import Chain

SCHEMA = TableSchema(
    TableId("public", "t"), (Field("id", Type(Kind.INT64)), Field("status", Type(Kind.STRING))), ("id",)
)
STATUSES = ["open", "draft", None]

# What becomes of a key at each step: a status, or gone; and what the log carries of the old row.
steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.one_of(st.sampled_from(STATUSES), st.just("gone")),
        st.sampled_from(["full", "key", "none"]),
    ),
    max_size=40,
)


def old_row(key: int, status: Any, known: str) -> Row | None:
    if known == "none":
        return None
    return plain_row(SCHEMA, [key, status if known == "full" else UNAVAILABLE])


def changes(table: dict[int, Any], key: int, status: Any, known: str) -> ChangeEvent | None:
    """Apply one step to the table; the event that the log has for it."""
    shape = plain_row(SCHEMA, [0, None]).shape
    present = key in table
    before = old_row(key, table.get(key), known) if present else None
    if status == "gone":
        if not present:
            return None
        del table[key]
        return ChangeEvent(Op.DELETE, shape, before or old_row(key, None, "key"), None, (), 1)
    table[key] = status
    return ChangeEvent(Op.UPDATE if present else Op.CREATE, shape, before, plain_row(SCHEMA, [key, status]), (), 1)


def fold(topic: dict[int, Any], event: ChangeEvent | None) -> None:
    if event is None:
        return
    if event.before is not None and (event.after is None or event.before.key != event.after.key):
        topic.pop(event.before.key[0], None)
    if event.after is not None:
        topic[event.after.key[0]] = event.after["status"]


@given(steps=steps, condition=st.sampled_from([{"in": ["open"]}, {"not_in": ["draft"]}, {"is_null": True}]))
def test_a_filtered_topic_folds_to_the_filtered_table(steps, condition):
    chain = Chain([build(Condition(column="status", **condition), Facts(connector="c", name="t"))])
    matches = {
        "in": lambda status: status == "open",
        "not_in": lambda status: status != "draft",
        "is_null": lambda status: status is None,
    }[next(iter(condition))]
    table: dict[int, Any] = {}
    topic: dict[int, Any] = {}
    for key, status, known in steps:
        event = changes(table, key, status, known)
        if event is not None:
            fold(topic, chain.apply(event))  # type: ignore[arg-type]

        assert topic == {key: status for key, status in table.items() if matches(status)}


@given(
    old=st.tuples(st.integers(0, 3), st.sampled_from(STATUSES)),
    new=st.tuples(st.integers(0, 3), st.sampled_from(STATUSES)),
    known=st.sampled_from(["full", "key"]),
)
def test_a_key_change_leaves_nothing_of_the_old_key(old, new, known):
    chain = Chain([build(Condition(column="status", equals="open"), Facts(connector="c", name="t"))])
    topic = {old[0]: old[1]} if old[1] == "open" else {}
    before, after = old_row(*old, known), plain_row(SCHEMA, list(new))

    fold(topic, chain.apply(ChangeEvent(Op.UPDATE, after.shape, before, after, (), 1)))  # type: ignore[arg-type]

    assert topic == ({new[0]: new[1]} if new[1] == "open" else {})
