"""What a worker keeps in Kafka carries a version: without one it is version 1, and a newer one is refused by name."""

from __future__ import annotations

import uuid

import pytest

from connect.errors import Failed
from connect.kafka.appender import Appender
from connect.kafka.positions import VERSION, VERSION_NOTE, PositionStore
from connect.kafka.producer import TransactionalProducer
from connect.kafka.sink_notes import SinkNotes
from connect.kafka.topics import Topics

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(stack):
    return {"bootstrap.servers": stack.kafka.address}


@pytest.fixture
def group():
    return f"v-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(settings, group):
    made = PositionStore(settings, Topics(settings), group, "s")
    made.ensure()
    return made


def put(settings, store, notes):
    producer = TransactionalProducer(settings, store.topic)
    producer.fence()
    producer.begin()
    store.send(producer, {"at": 7}, notes)
    producer.commit()
    producer.close()


def test_a_position_stored_without_a_version_is_read(settings, store):
    put(settings, store, {"topic:a": {"id": "1"}})
    assert store.read() == ({"at": 7}, {"topic:a": {"id": "1"}})


def test_a_positions_topic_of_a_newer_version_is_refused(settings, store):
    put(settings, store, {VERSION_NOTE: {"version": VERSION + 1}})
    with pytest.raises(Failed, match=f"topic {store.topic} has version 2, and this Connect reads up to 1") as caught:
        store.read()
    assert caught.value.code == "state_is_newer"


@pytest.fixture
def notes(settings, group):
    appender = Appender(settings)
    return SinkNotes(settings, Topics(settings), appender, f"{group}.warehouse")


def test_a_sinks_note_without_a_version_is_read(notes):
    notes.read()
    notes.write({"shop.public.a": {"partitions": {}}})
    assert notes.read() == {"shop.public.a": {"partitions": {}}}


def test_a_sinks_note_of_a_newer_version_is_refused(notes):
    notes.read()
    notes.write({"shop.public.a": {"version": 2, "parts": "another form"}})
    with pytest.raises(Failed, match=r"warehouse\.bootstrap has version 2") as caught:
        notes.read()
    assert caught.value.code == "state_is_newer"
