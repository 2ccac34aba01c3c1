"""The producer of a source on a real broker: many records in a call, and a commit that is under way meanwhile."""

import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from connect.compiled import COMPILED
from connect.errors import ConnectError, Failed
from connect.kafka import producer as producer_module
from connect.kafka.outbox import Part
from connect.kafka.positions import read_to
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import Topics

if COMPILED:
    from connect.records_c import Records

PARTITIONS = 4


@pytest.fixture
def settings(stack):
    return {"bootstrap.servers": stack.kafka.address}


@pytest.fixture
def topic(settings):
    name = f"h-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)
    return name


@pytest.fixture(autouse=True, params=dict.fromkeys([False, producer_module.NATIVE]))
def native(request, monkeypatch):
    """Every test runs on confluent_kafka's producer and, where it is built, on the compiled one."""
    monkeypatch.setattr(producer_module, "NATIVE", request.param)


@pytest.fixture
def producer(settings, topic):
    made = TransactionalProducer(settings, topic)
    made.fence()
    yield made
    made.close()


def records(count, size=1):
    return [{"key": b"%d" % i, "value": b"%d " % i * size} for i in range(count)]


def packed(given):
    """The same records as compiled encoders give them."""
    if not COMPILED:
        return given
    records = Records()
    for record in given:
        records.append(record["key"], record.get("value"))
    return records


def held(settings, topic):
    """(key, value) of each partition, committed ones only."""
    ends = Topics(settings).ends(topic, PARTITIONS)
    found = [[(m.key(), m.value()) for m in read_to(settings, topic, i, end, 30)] for i, end in enumerate(ends)]
    return [one for one in found if one]


def test_records_of_one_call_arrive_in_their_order(settings, topic, producer):
    producer.begin()
    producer.send_all(topic, [*records(100), {"key": b"7", "value": None}], partition=2)
    producer.send_all(topic, packed([*records(100), {"key": None, "value": b""}]), partition=2)
    producer.commit()

    hundred = [(r["key"], r["value"]) for r in records(100)]
    assert held(settings, topic) == [[*hundred, (b"7", None), *hundred, (None, b"")]]


def test_a_batch_that_is_more_than_the_queue_waits_and_keeps_its_order(settings, topic, monkeypatch):
    monkeypatch.setattr(producer_module, "_QUEUE_KBYTES", 512)
    small = TransactionalProducer(settings, topic)
    small.fence()
    small.begin()
    small.send_all(topic, packed(records(5_000, size=200)), partition=0)
    small.commit()
    small.close()

    [found] = held(settings, topic)
    assert [key for key, _ in found] == [b"%d" % i for i in range(5_000)]


@pytest.mark.parametrize("partition", [-1, 2])
def test_parts_of_many_requests_are_delivered_in_their_order(settings, topic, producer, partition):
    first, then = records(300, size=2_000), records(300, size=1_000)
    producer.begin()
    producer.start_sending([Part(topic, partition, packed(first))])
    producer.finish()
    producer.start_commit([Part(topic, partition, packed(then))], [Part(topic, 0, packed([{"key": b"last"}]))])
    producer.finish()

    found = [one for each in held(settings, topic) for one in each]
    assert len(found) == 601
    for before, after in zip(first, then, strict=True):
        assert [value for key, value in found if key == before["key"]] == [before["value"], after["value"]]


def test_what_cannot_be_delivered_in_parts_is_told_when_they_are_waited_for(settings, topic, producer):
    producer.begin()
    large = {"key": b"k", "value": bytes(25 * 2**20)}
    producer.start_commit([Part(topic, 0, packed([*records(3), large]))], [Part(topic, 0, packed(records(1)))])
    with pytest.raises(Failed) as failure:
        producer.finish()
    with pytest.raises(Failed):  # no later commit either
        producer.start_commit((), [Part(topic, 0, packed(records(1)))])
    producer.close()

    assert failure.value.code == "record_too_large"
    assert held(settings, topic) == []


def test_S14_a_key_has_one_partition_however_it_is_sent(settings, topic, producer):
    producer.begin()
    producer.send_all(topic, packed(records(50)))
    for record in records(50):
        producer.send(topic, record["key"], b"again")
    producer.commit()

    for partition in held(settings, topic):
        keys = [key for key, _ in partition]
        assert sorted(keys[: len(keys) // 2]) == sorted(keys[len(keys) // 2 :])


def test_a_record_that_is_too_large_is_named(topic, producer):
    producer.begin()
    large = {"key": b"k", "value": bytes(25 * 2**20)}
    with pytest.raises(Failed) as failure:
        producer.send_all(topic, packed([*records(3), large, *records(3)]))

    assert failure.value.code == "record_too_large"
    assert str(25 * 2**20) in failure.value.message


def send_to_no_partition(producer, topic):
    """Refused at once where the topic's partitions are known already, else when the record would be delivered."""
    producer.send_all(topic, records(3), partition=PARTITIONS + 3)
    producer.commit()


def test_a_record_that_cannot_be_delivered_fails_the_commit(settings, topic, producer):
    producer.begin()
    with pytest.raises(ConnectError):
        send_to_no_partition(producer, topic)

    assert held(settings, topic) == []


def test_a_producer_that_is_closed_amid_a_commit_waits_for_its_end(settings, topic, producer):
    producer.begin()
    producer.send(topic, b"k", b"v", 0)
    producer.start_commit()
    producer.close()

    assert held(settings, topic) == [[(b"k", b"v")]]
