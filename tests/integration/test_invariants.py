"""The invariants of a source's loop on a real broker: what a scripted source hears, and when readers see it."""

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from confluent_kafka import IsolationLevel
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connect.api import Lag, SourceBatch, SourceContext, TableInfo, TableOptions, View
from connect.errors import Failed, Fenced, Retriable
from connect.kafka.positions import PositionStore, read_to
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import Topics
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.runtime.discovered import Discovered
from connect.runtime.source_job import SourceJob
from connect.runtime.source_task import SourceTask
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.schema.reader import RecordReader
from connect.transforms.pipeline import SourcePipeline

TABLE = TableId("public", "orders")
ID = Field("id", Type(Kind.INT32), optional=False)
SCHEMA = TableSchema(TABLE, (ID,), ("id",))


@dataclass(frozen=True)
class At:
    """A position of the scripted log."""

    lsn: int
    version: ClassVar[int] = 1

    def to_json(self):
        return {"lsn": self.lsn}

    @classmethod
    def from_json(cls, data):
        return cls(data["lsn"])

    def is_after(self, other):
        return self.lsn > other.lsn


class NoSnapshots:
    def in_doubt(self):
        return ()

    def close(self):
        pass


class Script:
    """A source that reads from a list; after its last batch it asks the task to stop.

    A step of None is silence: nothing arrives until the task has committed what came before, as far as it can be.
    """

    position = At
    database = "shop"
    source_fields = ()

    def __init__(self, steps, world):
        self.steps, self.world = list(steps), world
        self.whole = 0  # where the last whole transaction ends that was read

    def open(self, resume):
        self.world.opened_with = resume
        start = resume.position if resume else At(0)
        self.steps = [
            step for step in self.steps if not isinstance(step, SourceBatch) or step.resume_after.is_after(start)
        ]
        return start

    def read(self, timeout):
        self.world.looks.append(self.world.visible())
        if not self.steps:
            self.world.stop = True
            return None
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if step is None and self.whole > self.world.heard[-1][0]:
            self.steps.insert(0, None)
            time.sleep(timeout)
        elif step is not None and step.boundary:
            self.whole = step.resume_after.lsn
        return step

    def acknowledge(self, position):
        self.world.heard.append((position.lsn, self.world.stored(), self.world.visible()))

    def lag(self):
        return Lag()

    def snapshots(self):
        return NoSnapshots()

    def close(self):
        pass


class World:
    """A topic and a positions topic of their own on the real broker."""

    def __init__(self, kafka):
        self.kafka = {"bootstrap.servers": kafka}
        self.group = f"inv{uuid.uuid4().hex[:8]}"
        self.topic = f"{self.group}.public.orders"
        self.topics = Topics(self.kafka)
        self.admin = AdminClient({**self.kafka, "log_level": 0})  # it outlives the broker
        self.store = PositionStore(self.kafka, self.topics, self.group, "shop")
        self.stop, self.heard, self.looks, self.opened_with = False, [], [], None
        self.script = Script

    def run(self, steps):
        self.stop = False
        task = SourceTask(self.job(steps))
        try:
            task.run()
        finally:
            task.close()

    def job(self, steps):
        options = TableOptions(snapshot="never")
        info = TableInfo(schema=SCHEMA, identity=("id",), rows=0, bytes=0)
        return SourceJob(
            name="shop",
            group=self.group,
            kafka=self.kafka,
            discover=lambda: Discovered([info], {TABLE: options}, {}),
            context=lambda tables, say: SourceContext("shop", self.group, tables, Path("no spool")),
            build=lambda context: self.script(steps, self),
            wire=lambda notes: JsonFormat(),
            form="JSON",
            block=lambda source: SourceBlock(connector="postgresql", name=self.group, database="shop", fields=()),
            pipeline=lambda tables, columns: SourcePipeline({}),
            may_break=lambda topics: False,
            reader=RecordReader(None),
            topic=lambda table, view: f"{self.group}.{table}" + (".events" if view is View.EVENTS else ""),
            max_rows_per_second=None,
            adopt=False,
            widens=False,
            window=None,
            report=lambda report: None,
            stopping=lambda: self.stop,
        )

    def visible(self):
        """Rows that a read_committed reader sees now, without waiting for a transaction that is open."""
        if not self.topics.describe([self.topic]):
            return []
        partition = KafkaTopicPartition(self.topic, 0)
        stable = self.admin.list_offsets(
            {partition: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=10
        )
        end = stable[partition].result().offset
        values = [message.value() for message in read_to(self.kafka, self.topic, 0, end, 20)]
        return [orjson.loads(value)["payload"]["after"] for value in values if value is not None]

    def stored(self):
        position, _ = self.store.read()
        return position["lsn"]


@pytest.fixture
def world(request):
    return World(os.environ.get("CONNECT_TEST_KAFKA") or request.getfixturevalue("stack").kafka.address)


def batch(lsn, *ids, boundary=True, schema=SCHEMA):
    shape = plain_shape(schema)
    rows = [plain_row(schema, row if isinstance(row, list) else [row]).under(shape) for row in ids]
    events = [ChangeEvent(Op.CREATE, shape, None, row, (), 0, lsn) for row in rows]
    return SourceBatch(events, At(lsn), boundary, {})


def test_invariant_1_a_source_hears_of_a_position_only_when_it_and_its_rows_are_readable(world):
    world.run([batch(10, 1, 2), None, batch(20, 3)])
    assert [(lsn, stored) for lsn, stored, _ in world.heard] == [(0, 0), (10, 10), (20, 20)]
    assert [len(rows) for _, _, rows in world.heard] == [0, 2, 3]


def test_transactions_that_are_there_at_once_ride_together_and_a_lone_one_is_not_held_back(world):
    world.run([batch(10, 1), batch(20, 2), batch(30, 3), None, batch(40, 4)])
    assert [lsn for lsn, _, _ in world.heard] == [0, 30, 40]
    assert all(lsn == stored for lsn, stored, _ in world.heard)


def test_what_arrives_while_a_commit_is_under_way_rides_together_in_the_next_one(world, monkeypatch):
    monkeypatch.setattr("connect.runtime.commit_pace._COMMIT_ROWS", 1)
    monkeypatch.setattr("connect.runtime.commit_pace._MARKERS_SECONDS", 0)
    answered = TransactionalProducer._until_answered

    def late(producer, *words):
        time.sleep(1)
        return answered(producer, *words)

    monkeypatch.setattr(TransactionalProducer, "_until_answered", late)
    world.run([batch(10, 1), batch(20, 2), batch(30, 3)])
    assert [lsn for lsn, _, _ in world.heard] == [0, 10, 30]
    assert [row["id"] for row in world.visible()] == [1, 2, 3]


def test_invariant_2_a_second_start_goes_on_from_the_stored_position(world):
    world.run([batch(10, 1)])
    world.run([batch(10, 1), batch(20, 2)])
    assert world.opened_with.position == At(10)
    assert [row["id"] for row in world.visible()] == [1, 2]


def test_invariant_6_what_is_not_understood_stops_the_connector_and_changes_nothing(world):
    unknown = Failed("unknown_event", "an event of type 99 at 15")
    with pytest.raises(Failed, match="type 99"):
        world.run([batch(10, 1), unknown])
    assert world.stored() == 10  # all that precedes it is published
    with pytest.raises(Failed, match="type 99"):
        world.run([unknown])  # the next start meets the same event again
    assert [row["id"] for row in world.visible()] == [1]


def test_invariant_8_rows_keep_the_shape_of_their_place_in_the_log(world):
    wider = TableSchema(TABLE, (ID, Field("note", Type(Kind.STRING))), ("id",))
    world.run([batch(10, 1), batch(20, [2, "x"], schema=wider), batch(30, 3)])
    assert world.visible() == [{"id": 1}, {"id": 2, "note": "x"}, {"id": 3}]


def test_invariant_9_readers_see_a_source_transaction_whole_or_not_at_all(world):
    world.run([batch(9, 1, 2, boundary=False), None, batch(10, 3), None, None])
    seen_at_each_read = [len(rows) for rows in world.looks]
    assert seen_at_each_read[:3] == [0, 0, 0]
    assert set(seen_at_each_read) <= {0, 3}
    assert len(world.visible()) == 3


def truncate(lsn, *after, cut):
    """A source transaction that empties the table first; the position before it is ``cut``."""
    given = batch(lsn, *after)
    empty = ChangeEvent(Op.TRUNCATE, plain_shape(SCHEMA), None, None, (), 0, lsn)
    return given._replace(events=[empty, *given.events], cuts={0: At(cut)})


def changes(world):
    """Everything in the state topic, by key: the ops in their order, a tombstone as ``-``."""
    found = {}
    [end] = world.topics.ends(world.topic, 1)
    for message in read_to(world.kafka, world.topic, 0, end, 20):
        op = orjson.loads(message.value())["payload"]["op"] if message.value() else "-"
        found.setdefault(orjson.loads(message.key())["payload"]["id"], []).append(op)
    return found


def test_S4_a_truncate_of_more_keys_than_fit_is_split_and_a_kill_amid_it_repeats_no_delete(world, monkeypatch):
    monkeypatch.setattr("connect.runtime.commit_pace._SPLIT_SECONDS", 0.0)  # commit whenever it may

    class Killed(Script):
        def acknowledge(self, position):
            super().acknowledge(position)
            deleted = [key for key, ops in changes(world).items() if ops[-1] == "-"]
            if position == At(15) and deleted:
                assert len(deleted) < 3_000
                raise KeyboardInterrupt

    world.run([batch(10, *range(3_000))])
    world.script = Killed
    steps = [truncate(20, 5, 3_000, cut=15)]
    with pytest.raises(KeyboardInterrupt):
        world.run(steps)
    assert world.stored() == 15
    world.script = Script
    world.run(steps)

    assert world.stored() == 20
    emptied = {key: ["c", "d", "-"] for key in range(3_000)}
    assert changes(world) == emptied | {5: ["c", "d", "-", "c"], 3_000: ["c"]}


def test_invariant_9_a_truncate_that_fits_is_seen_whole_with_its_transaction(world):
    world.run([batch(10, *range(50)), truncate(20, 7, cut=15)])
    assert [lsn for lsn, _, _ in world.heard] == [0, 10, 20]
    assert changes(world)[7] == ["c", "d", "-", "c"]


def test_F3_a_transaction_that_the_broker_gave_up_is_no_other_owner(world, monkeypatch):
    """Rule F-3 is about other owners; nobody took over here, so the connector goes on by itself."""
    monkeypatch.setattr("connect.runtime.source_task.TRANSACTION_TIMEOUT_MS", 2_000)
    monkeypatch.setattr("connect.runtime.commit_pace._SENT_BYTES", 0)  # few rows would wait for their commit

    class Slow(Script):
        def read(self, timeout):
            if len(self.steps) == 1:
                time.sleep(15)  # the broker looks for transactions out of time every ten seconds
            if self.steps:
                return super().read(timeout)
            time.sleep(0.01)  # until the task hears it
            return None

    world.script = Slow
    with pytest.raises(Retriable) as raised:
        world.run([batch(9, 1, boundary=False), None, batch(10, 2)])
    assert raised.value.code == "transaction_timeout"
    world.script = Script
    world.run([batch(10, 1, 2)])
    assert [row["id"] for row in world.visible()] == [1, 2]


def test_F3_a_source_whose_owner_changed_is_fenced(world):
    class Overtaken(Script):
        def read(self, timeout):
            other = World(world.kafka["bootstrap.servers"])
            other.group, other.topic, other.store = world.group, world.topic, world.store
            other.run([])
            return super().read(timeout)

    world.script = Overtaken
    with pytest.raises(Fenced):
        world.run([batch(10, 1)])
