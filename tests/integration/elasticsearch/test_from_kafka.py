"""The sink behind the runtime's loop: from records of a real Kafka to an index."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from connect.kafka.topics import STATE
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.runtime.report import State, TaskReport
from connect.runtime.sink_task import SinkSettings, SinkTask
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import TableSchema
from connect.schema.reader import RecordReader
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

SOURCE = SourceBlock(connector="postgresql", name="h", database="shop", fields=())


class Shop:
    """The topic of ``world``'s table, and the task that keeps the index."""

    def __init__(self, kafka: str, world: Any) -> None:
        self.kafka = {"bootstrap.servers": kafka}
        self.world = world
        self.admin = AdminClient({**self.kafka, "log_level": 0})  # it outlives the broker
        for future in self.admin.create_topics([NewTopic(world.topic, 1, config=STATE)]).values():
            future.result()

    def send(self, *changes: tuple[str, Any, Any]) -> None:
        """Envelopes of (op, key, note); a delete has its tombstone behind it."""
        producer = Producer(self.kafka)
        shape = plain_shape(TableSchema(self.world.table, self.world.columns, ("id",)))
        encoder = JsonFormat().encoder(self.world.topic, shape, SOURCE)
        for op, key, note in changes:
            row = plain_row(shape.schema, [key, note, None])
            rows = (row, None) if op == "d" else (None, row)
            event = ChangeEvent(Op(op), shape, *rows, (), 1_700_000_000_000_000)
            producer.produce(self.world.topic, encoder.value(event, event.ts_us), encoder.key(row))
            if op == "d":
                producer.produce(self.world.topic, None, encoder.key(row))
        assert producer.flush(20) == 0

    def run(self) -> TaskReport:
        """Run a task until it holds everything; its last report."""
        world, reports, until = self.world, [TaskReport()], time.monotonic() + 30
        settings = SinkSettings(
            connector=world.context.connector,
            group=world.context.group,
            kafka=self.kafka,
            wanted=lambda topic: topic == world.topic,
            on_error="dead_letter",
        )
        sink = PLUGIN.build(ElasticsearchConfig(url=world.url), world.context)
        task = SinkTask(
            settings,
            sink,
            RecordReader(None),
            None,
            reports.append,
            lambda: (reports[-1].complete and reports[-1].lag_records == 0) or time.monotonic() > until,
        )
        try:
            task.run()
        finally:
            task.close()
        return reports[-1]

    def close(self) -> None:
        names = [name for name in self.admin.list_topics(timeout=10).topics if self.world.table.name in name]
        for future in self.admin.delete_topics(names).values():
            future.result()


@pytest.fixture
def shop(request: pytest.FixtureRequest, world: Any) -> Iterator[Shop]:
    kafka = os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)
    shop = Shop(kafka, world)
    yield shop
    shop.close()


def test_the_index_holds_what_the_topic_says_and_the_sink_is_live(shop):
    shop.send(("r", 1, "a"), ("r", 2, "b"), ("u", 1, "c"), ("d", 2, "b"), ("c", 3, "d"))

    report = shop.run()

    assert report.state is State.LIVE
    assert shop.world.notes() == {"1": "c", "3": "d"}


def test_a_later_task_goes_on_from_the_position_in_the_state_document(shop):
    shop.send(("r", 1, "a"))
    shop.run()
    shop.send(("u", 1, "b"))

    assert shop.run().records == 1
    assert shop.world.notes() == {"1": "b"}


def test_K5_a_refused_document_is_dead_lettered_and_the_rest_goes_on(shop):
    shop.send(("r", 1, "1"))
    shop.run()
    picky = {"properties": {"note": {"type": "text", "fields": {"number": {"type": "long"}}}}}
    assert shop.world.http("PUT", f"/{shop.world.alias}/_mapping", picky)["acknowledged"]
    shop.send(("u", 1, "no number"), ("u", 2, "2"))

    assert shop.run().dead_letters == 1
    assert shop.world.notes() == {"1": "1", "2": "2"}
