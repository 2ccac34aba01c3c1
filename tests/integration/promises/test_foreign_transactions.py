"""Another producer's transaction is left open in the broker (invariant 2): ends are ends only when it is over."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer

pytestmark = pytest.mark.stack


@pytest.fixture
def foreign(chain):
    """A producer of somebody else, with a transaction id of its own."""
    producer = Producer(
        {**chain.kafka, "transactional.id": f"{chain.group}-foreign", "transaction.timeout.ms": 120_000}
    )
    producer.init_transactions(30)
    return producer


def hold(producer, topic: str, key: bytes, value: bytes) -> None:
    """Leave a record in a topic whose transaction does not end."""
    producer.begin_transaction()
    producer.produce(topic, value, key, partition=0)
    assert producer.flush(20) == 0


def test_invariant_2_a_sink_is_not_complete_before_an_open_transaction_in_its_topic_ends(chain, foreign):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.sql("INSERT INTO items SELECT n, 'v' || n FROM generate_series(1, 50) n")
    chain.start()
    chain.streaming()
    chain.stop()
    message = chain.messages(chain.topic("items"))[0]
    hold(foreign, chain.topic("items"), message.key(), message.value())
    warehouse, _ = chain.warehouse(), chain.search()
    chain.start()
    chain.wait("the rows before it are there", lambda: _count(chain, warehouse) == 50)
    chain.sql("INSERT INTO items VALUES (51, 'behind the open transaction')")
    time.sleep(3)

    assert chain.state("warehouse") == chain.state("search") == "BOOTSTRAPPING"
    assert _count(chain, warehouse) == 50

    foreign.abort_transaction(20)
    chain.wait("the SQL sink is complete", lambda: chain.state("warehouse") == "LIVE")
    chain.wait("the search sink is complete", lambda: chain.state("search") == "LIVE")
    chain.caught_up()

    assert _count(chain, warehouse) == 51


def _count(chain, warehouse):
    return len(chain.rows(warehouse, "SELECT id FROM items"))


@pytest.mark.long
def test_invariant_2_a_source_waits_for_an_open_transaction_in_its_positions_topic(chain, foreign):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.sql("INSERT INTO items VALUES (1, 'a')")
    chain.start()
    chain.streaming()
    chain.stop()
    positions = f"{chain.group}.s.positions"
    kept = chain.notes()
    hold(foreign, positions, b"note:foreign", b"{}")
    chain.sql("INSERT INTO items VALUES (2, 'b')")
    chain.start()
    chain.wait("the source says what it waits for", lambda: chain.status().get("code") == "hanging_transaction", 120)

    assert len(chain.ops("items", "v")) == 1

    foreign.abort_transaction(20)
    chain.caught_up()

    assert chain.ops("items", "v") == [("r", 1, "a"), ("c", 2, "b")]
    assert chain.notes().keys() >= kept.keys()
