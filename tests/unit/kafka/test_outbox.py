"""Records that wait: their order, what a batch takes back, how much they hold, and in which rounds they go."""

import pytest

from connect.compiled import COMPILED
from connect.kafka import outbox as outbox_module
from connect.kafka.outbox import Outbox, rounds

if COMPILED:
    from connect.records_c import Records


@pytest.fixture(autouse=True, params=dict.fromkeys([False, COMPILED]))
def compiled(request, monkeypatch):
    monkeypatch.setattr(outbox_module, "COMPILED", request.param)


def record(each):
    return (each["key"], each["value"]) if isinstance(each, dict) else each


def taken(outbox):
    return [(part.topic, part.partition, *record(each)) for part in outbox.take() for each in part.records]


def given(outbox, partitions, most):
    """Each round as (topic, values of its records, joined)."""
    return [
        [(part.topic, b"".join(record(each)[1] for each in part.records[start:stop])) for part, start, stop in slices]
        for slices in rounds(outbox.take(), partitions, most)
    ]


def test_records_keep_their_order_within_a_topic():
    outbox = Outbox()
    for topic, key in [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4")]:
        outbox.send(topic, key, None)
    assert [key for topic, _, key, _ in taken(outbox) if topic == "a"] == [b"1", b"3", b"4"]
    assert not outbox


def test_a_batch_that_is_dropped_takes_nothing_of_the_one_before_it():
    outbox = Outbox()
    outbox.begin()
    outbox.send("a", b"1", b"one")
    outbox.begin()
    outbox.send("a", b"2", b"two")
    outbox.drop()
    assert taken(outbox) == [("a", -1, b"1", b"one")]


def test_invariant_7_its_size_is_told_and_is_none_once_it_was_taken():
    outbox = Outbox()
    outbox.send("a", b"12", b"345")
    outbox.send("b", None, b"6")
    outbox.send("b", b"7", None, partition=3)
    assert outbox.size == 7
    taken(outbox)
    assert outbox.size == 0


def test_a_round_has_of_each_topic_what_one_request_takes():
    outbox = Outbox()
    for value in (b"11", b"22", b"33", b"44"):
        outbox.send("a", b"", value)
        outbox.send("b", b"", value[:1])
    assert given(outbox, {}, 5) == [
        [("a", b"11"), ("a", b"22"), ("b", b"1"), ("b", b"2"), ("b", b"3"), ("b", b"4")],
        [("a", b"33"), ("a", b"44")],
    ]


def test_a_topic_of_several_partitions_has_a_request_to_each():
    outbox = Outbox()
    for value in (b"11", b"22", b"33"):
        outbox.send("a", b"", value)
    assert given(outbox, {"a": 2}, 2) == [[("a", b"1122")], [("a", b"33")]]


def test_a_record_larger_than_a_request_is_alone_in_its_round():
    outbox = Outbox()
    for value in (b"1", b"2222", b"3"):
        outbox.send("a", b"", value)
        outbox.send("b", b"", b"", partition=len(value))  # so that each of a's is a part of its own
    assert [[each for each in slices if each[0] == "a"] for slices in given(outbox, {}, 2)] == [
        [("a", b"1")],
        [("a", b"2222")],
        [("a", b"3")],
    ]


def test_records_of_one_part_are_split_between_rounds():
    outbox = Outbox()
    for value in (b"1", b"2222", b"3", b"4", b"5"):
        outbox.send("a", b"", value)
    assert given(outbox, {}, 2) == [[("a", b"1")], [("a", b"2222")], [("a", b"34")], [("a", b"5")]]


def test_nothing_is_no_round():
    assert given(Outbox(), {}, 1) == []


def test_a_group_of_which_nothing_is_to_be_sent_is_no_part():
    outbox = Outbox()
    nothing = Records() if COMPILED else []
    outbox.send_all("a", nothing)
    outbox.send("b", b"1", b"one")
    outbox.send_all("a", nothing)
    assert given(outbox, {}, 10) == [[("b", b"one")]]
