"""Records that wait: their order, what a batch takes back, and how much they hold."""

import pytest

from connect.compiled import COMPILED
from connect.kafka import outbox as outbox_module
from connect.kafka.outbox import Outbox


class Sent:
    """What a producer was given, one record at a time."""

    def __init__(self):
        self.records = []

    def send_all(self, topic, records, partition):
        for record in records:
            key, value = (record["key"], record["value"]) if isinstance(record, dict) else record
            self.records.append((topic, partition, key, value))


@pytest.fixture(autouse=True, params=dict.fromkeys([False, COMPILED]))
def compiled(request, monkeypatch):
    monkeypatch.setattr(outbox_module, "COMPILED", request.param)


def flushed(outbox):
    sent = Sent()
    outbox.flush(sent)
    return sent.records


def test_records_keep_their_order_within_a_topic():
    outbox = Outbox()
    for topic, key in [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4")]:
        outbox.send(topic, key, None)
    assert [key for topic, _, key, _ in flushed(outbox) if topic == "a"] == [b"1", b"3", b"4"]
    assert not outbox


def test_a_batch_that_is_dropped_takes_nothing_of_the_one_before_it():
    outbox = Outbox()
    outbox.begin()
    outbox.send("a", b"1", b"one")
    outbox.begin()
    outbox.send("a", b"2", b"two")
    outbox.drop()
    assert flushed(outbox) == [("a", -1, b"1", b"one")]


def test_invariant_7_its_size_is_told_and_is_none_once_it_was_flushed():
    outbox = Outbox()
    outbox.send("a", b"12", b"345")
    outbox.send("b", None, b"6")
    outbox.send("b", b"7", None, partition=3)
    assert outbox.size == 7
    flushed(outbox)
    assert outbox.size == 0
