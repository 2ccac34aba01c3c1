"""A sink's reader on a real broker: batches stay full while there is more than librdkafka's queue holds."""

import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from connect.api import TopicPartition
from connect.kafka.consumer import Limits, SinkConsumer

RECORDS = 260_000  # the queue is full at 100,000
ROWS = 50_000


@pytest.fixture
def settings(stack):
    return {"bootstrap.servers": stack.kafka.address}


@pytest.fixture
def topic(settings):
    name = f"h-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(20)
    producer = Producer({**settings, "queue.buffering.max.messages": RECORDS})
    assert producer.produce_batch(name, [{"value": b"%d" % i} for i in range(RECORDS)]) == RECORDS
    assert producer.flush(60) == 0
    return name


@pytest.fixture
def consumer(settings):
    made = SinkConsumer(settings, f"h-{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


def test_a_queue_that_was_full_is_filled_again_before_it_runs_dry(consumer, topic):
    place = TopicPartition(topic, consumer.topics.describe([topic])[topic].id, 0)
    consumer.assign({place: 0})
    sizes = []
    while sum(sizes) < RECORDS:
        # 0.3 s are less than librdkafka's own wait after a full queue, and more than a fetch takes.
        sizes.append(len(consumer.read(Limits(rows=ROWS, seconds=0.3), 20.0).records))
    assert sizes == [ROWS] * 5 + [10_000]
