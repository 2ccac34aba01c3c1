"""What a change becomes in the topics of its table."""

from types import SimpleNamespace

import orjson
import pytest

from connect.api.tables import TableOptions, View
from connect.errors import Failed
from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, RowShape, plain_row, plain_shape
from connect.runtime.table_writer import TableWriter
from connect.runtime.truncate import Truncation
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE = TableId("public", "coupons")
COLUMNS = (Field("code", Type(Kind.STRING), optional=False), Field("percent", Type(Kind.INT32)))
KEYED = plain_shape(TableSchema(TABLE, COLUMNS, ("code",)))
KEYLESS = plain_shape(TableSchema(TABLE, COLUMNS))
BOTH = {View.STATE: "shop.public.coupons", View.EVENTS: "shop.public.coupons.events"}


class Topics:
    """Takes what is sent, decoded."""

    def __init__(self):
        self.records = []

    def send(self, topic, key, value, partition=-1):
        key = None if key is None else orjson.loads(key)["payload"]["code"]
        value = None if value is None else orjson.loads(value)["payload"]
        self.records.append(SimpleNamespace(topic=topic, key=key, value=value, partition=partition))

    def of(self, topic):
        return [(r.key, None if r.value is None else r.value["op"]) for r in self.records if r.topic == topic]


class Untouched:
    def shape(self, shape):
        return shape

    def apply(self, change):
        return change


class Nothing(Untouched):
    def apply(self, change):
        return None


@pytest.fixture
def topics():
    return Topics()


def writer(topics=BOTH, pipeline=None):
    return TableWriter(
        TABLE,
        TableOptions(views=tuple(topics)),
        topics,
        wire=JsonFormat(),
        block=SourceBlock(connector="postgresql", name="shop", database="shop", fields=()),
        pipeline=pipeline or Untouched(),
        evolve=lambda shape: shape,
        bound=lambda topic, encoder: None,
    )


def event(op, before=None, after=None, shape=KEYED):
    rows = [None if row is None else plain_row(shape.schema, row) for row in (before, after)]
    return ChangeEvent(op, shape, rows[0] and rows[0].under(shape), rows[1] and rows[1].under(shape), (), 0, 7)


def test_an_insert_is_one_record_in_each_view(topics):
    writer().write(event(Op.CREATE, after=["A", 5]), topics.send, 0)
    assert topics.of("shop.public.coupons") == [("A", "c")]
    assert topics.of("shop.public.coupons.events") == [("A", "c")]


def test_a_delete_is_followed_by_a_tombstone_in_the_state_topic_only(topics):
    writer().write(event(Op.DELETE, before=["A", UNAVAILABLE]), topics.send, 0)
    assert topics.of("shop.public.coupons") == [("A", "d"), ("A", None)]
    assert topics.of("shop.public.coupons.events") == [("A", "d")]


def test_F23_a_changed_key_is_a_delete_with_tombstone_and_a_create(topics):
    keys = writer().write(event(Op.UPDATE, ["A", UNAVAILABLE], ["B", 5]), topics.send, 0).keys
    assert topics.of("shop.public.coupons") == [("A", "d"), ("A", None), ("B", "c")]
    assert len(keys) == 2


def test_F23_a_key_that_a_unique_index_takes_for_the_same_is_the_same(topics):
    ratio = plain_shape(TableSchema(TABLE, (Field("code", Type(Kind.FLOAT64), optional=False),), ("code",)))
    writer().write(event(Op.UPDATE, [-0.0], [0.0], shape=ratio), topics.send, 0)
    assert topics.of("shop.public.coupons") == [(0.0, "u")]
    assert str(topics.records[0].key) == "0.0"


def test_F23_two_texts_of_one_key_are_one_key(topics):
    schema = TableSchema(TABLE, (Field("code", Type(Kind.FLOAT64), optional=False),), ("code",))
    written = RowShape(schema, list, (float,))
    changed = ChangeEvent(Op.UPDATE, written, Row(written, ["-0"]), Row(written, ["0"]), (), 0, 7)
    writer().write(changed, topics.send, 0)
    assert topics.of("shop.public.coupons") == [(0.0, "u")]


def test_an_update_under_the_same_key_stays_one_record(topics):
    writer().write(event(Op.UPDATE, ["A", 4], ["A", 5]), topics.send, 0)
    assert topics.of("shop.public.coupons") == [("A", "u")]


def test_a_row_without_a_key_goes_to_one_fixed_partition_of_the_event_view(topics):
    only_events = {View.EVENTS: "shop.public.coupons.events"}
    keys = writer(only_events).write(event(Op.CREATE, after=["A", 5], shape=KEYLESS), topics.send, 0).keys
    [record] = topics.records
    assert (record.key, record.partition, keys) == (None, 0, [])


def test_invariant_5_a_state_record_that_lacks_a_value_is_told(topics):
    assert writer().write(event(Op.UPDATE, None, ["A", UNAVAILABLE]), topics.send, 0).lacking
    assert topics.records[0].value["unavailable"] == ["percent"]


def test_the_event_view_alone_needs_no_value_read_again(topics):
    only_events = {View.EVENTS: "shop.public.coupons.events"}
    assert not writer(only_events).write(event(Op.UPDATE, None, ["A", UNAVAILABLE]), topics.send, 0).lacking


def test_a_dropped_change_still_names_the_keys_that_it_touched(topics):
    written = writer(pipeline=Nothing()).write(event(Op.UPDATE, ["A", 4], ["B", 5]), topics.send, 0)
    assert not written.sent
    assert [orjson.loads(key)["payload"] for key in written.keys] == [{"code": "A"}, {"code": "B"}]
    assert topics.records == []


def refusing(cell):
    raise Failed("unrepresentable_value", "a value that its column's schema cannot hold: NaN")


def test_a_value_that_is_refused_is_told_with_its_table_column_and_place(topics):
    shape = RowShape(KEYED.schema, KEYED.split, (KEYED.decode[0], refusing))
    row = Row(shape, ["A", "secret"])
    changed = ChangeEvent(Op.CREATE, shape, None, row, (), 0, 7, sequence='["1","2"]')
    with pytest.raises(Failed) as refused:
        writer().write(changed, topics.send, 0)
    assert refused.value.message == (
        f'{TABLE}, column percent of a row in transaction 7 at ["1","2"]: '
        "a value that its column's schema cannot hold: NaN"
    )
    read = ChangeEvent(Op.READ, shape, None, row, (), 0)
    with pytest.raises(Failed, match="column percent of a row read by its snapshot"):
        writer().read_row(row, read, topics.send, 0, frozenset())


def test_a_snapshot_row_is_not_sent_when_its_key_is_among_the_dropped(topics):
    target, row = writer(), plain_row(KEYED.schema, ["A", 5])
    key = target.bind(KEYED).encoder.key(row)
    read = ChangeEvent(Op.READ, KEYED, None, row.under(KEYED), (), 0)
    assert target.read_row(read.after, read, topics.send, 0, {key}) is None
    assert target.read_row(read.after, read, topics.send, 0, {b"other"}) == key
    assert topics.of("shop.public.coupons") == [("A", "r")]


def code_of(key):
    return [orjson.loads(key)["payload"]["code"]]


def test_F43_a_truncate_deletes_every_live_key_of_the_state_topic(topics):
    target = writer()
    keys = {name: target.bind(KEYED).encoder.key(plain_row(KEYED.schema, [name, 1])) for name in "AB"}
    truncation = Truncation({TABLE: lambda: [keys["A"], keys["B"]]})
    for change in (event(Op.DELETE, ["A", 1]), event(Op.CREATE, None, ["C", 1])):
        truncation.saw(TABLE, target.write(change, topics.send, 0))
    topics.records.clear()
    truncation.send(target, event(Op.TRUNCATE), code_of, topics.send, 0)
    assert topics.of("shop.public.coupons") == [("C", "d"), ("C", None), ("B", "d"), ("B", None)]
    assert topics.of("shop.public.coupons.events") == [(None, "t")]
    assert topics.records[-1].key is None  # where the deletes are split, the last transaction has it


def test_a_second_truncate_in_one_batch_finds_nothing_left(topics):
    target = writer()
    key = target.bind(KEYED).encoder.key(plain_row(KEYED.schema, ["A", 1]))
    truncation = Truncation({TABLE: lambda: [key]})
    truncation.send(target, event(Op.TRUNCATE), code_of, topics.send, 0)
    topics.records.clear()
    truncation.send(target, event(Op.TRUNCATE), code_of, topics.send, 0)
    assert topics.of("shop.public.coupons") == []


def test_a_truncate_deletes_no_key_that_a_transform_kept_out_of_the_topic(topics):
    target = writer(pipeline=Nothing())
    truncation = Truncation({TABLE: tuple})
    truncation.saw(TABLE, target.write(event(Op.CREATE, None, ["A", 1]), topics.send, 0))
    truncation.send(target, event(Op.TRUNCATE), code_of, topics.send, 0)
    assert topics.of("shop.public.coupons") == []
