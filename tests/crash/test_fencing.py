"""Who is told that another owner took over, and who is not (rule F-3)."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from connect.errors import Fenced
from connect.kafka.producer import TransactionalProducer

pytestmark = pytest.mark.stack


@pytest.fixture
def topic(stack) -> str:
    name = f"j-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": stack.kafka.address})
    for future in admin.create_topics([NewTopic(name, 1)]).values():
        future.result(20)
    return name


@pytest.fixture
def producer(stack, topic):
    made = []

    def make(**options) -> TransactionalProducer:
        made.append(TransactionalProducer({"bootstrap.servers": stack.kafka.address}, topic, **options))
        made[-1].fence()
        return made[-1]

    yield make
    for one in made:
        one.close()


def send_until_told(producer: TransactionalProducer, topic: str) -> None:
    """As a task that was suspended in the middle of a big transaction: it sends before it commits."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        producer.send(topic, b"key", b"value")
        time.sleep(0.005)
    producer.commit()


def test_a_fenced_owner_hears_it_while_it_sends(producer, topic) -> None:
    older = producer()
    older.begin()
    older.send(topic, b"key", b"value")
    producer()
    with pytest.raises(Fenced):
        send_until_told(older, topic)


def test_a_fenced_owner_hears_it_when_it_commits(producer, topic) -> None:
    older = producer()
    older.begin()
    older.send(topic, b"key", b"value")
    producer()
    with pytest.raises(Fenced):
        older.commit()
