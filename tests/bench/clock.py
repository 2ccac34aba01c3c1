"""Rows that carry the time of their writing, and readers that compare it with the time of their arrival.

All are processes of their own, so that they do not wait for each other or for the bench. Times are the wall clock's, in
seconds. A reader says ``ready`` when it stands at the topic's stable end.

- ``clock.py write URL ROWS_A_SECOND SECONDS ROWS_A_TRANSACTION``
- ``clock.py read BOOTSTRAP TOPIC SECONDS``: prints ``[[sent, read], …]`` at the end, once a second has brought nothing
- ``clock.py follow BOOTSTRAP TOPIC``: prints ``sent read`` of the newest record, for ever
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final

import psycopg
from confluent_kafka import Consumer, TopicPartition
from readable import zigzag
from tables import NARROW, Table

from connect.kafka.client import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

# The second column is the wall clock in microseconds, as near to the commit as a row can say.
SENT: Final = ("sent", "bigint NOT NULL", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
STAMPED: Final = Table((NARROW.columns[0], SENT, *NARROW.columns[2:]))
_AFTER: Final = 7  # offset of ``after`` in the value: five bytes of header, ``before`` is null, ``after`` is not


def write(url: str, rate: int, seconds: float, transaction: int) -> None:
    """Rows at a steady rate; a transaction that is late does not push the next ones back."""
    columns = STAMPED.select().replace("%", "%%")
    statement = f"INSERT INTO orders SELECT {columns} FROM generate_series(%s::bigint, %s::bigint) i"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT coalesce(max(id), 0) FROM orders").fetchone()
        first = (row[0] if row else 0) + 1
        started = time.monotonic()
        for number in range(int(rate * seconds / transaction)):
            time.sleep(max(0.0, started + number * transaction / rate - time.monotonic()))
            at = first + number * transaction
            connection.execute(statement.encode(), (at, at + transaction - 1))


def read(bootstrap: str, topic: str, seconds: float) -> None:
    """Nothing is decoded before the end."""
    arrivals: list[tuple[float, list[Message]]] = []
    until, heard = time.monotonic() + seconds, 0.0
    for messages in arriving(bootstrap, topic):
        if messages:
            arrivals.append((time.time(), messages))
            heard = time.monotonic()
        elif time.monotonic() > max(until, heard + 1):
            break
    print(json.dumps([(sent(message), at) for at, messages in arrivals for message in messages if message.value()]))


def follow(bootstrap: str, topic: str) -> None:
    """One line for each batch that arrives."""
    for messages in arriving(bootstrap, topic):
        if messages:
            print(sent(messages[-1]), time.time(), flush=True)


def arriving(bootstrap: str, topic: str) -> Iterator[list[Message]]:
    """Committed records from the topic's stable end on, as they come; an empty list where none did for a moment."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "bench.clock",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "latest",
    }
    consumer = Consumer(settings, logger=LOGGER)
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, end)])
    consumer.poll(0.5)
    print("ready", flush=True)
    while True:
        first = consumer.poll(0.02)  # consume() would wait for its number of records, or to the end of its time
        yield [] if first is None else [first, *consumer.consume(1000, 0)]


def sent(message: Message) -> float:
    """The second column of the row in a record."""
    value = message.value() or b""
    _, at = zigzag(value, _AFTER)
    return zigzag(value, at)[0] / 1e6


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", url, rate, seconds, transaction]:
            write(url, int(rate), float(seconds), int(transaction))
        case ["read", bootstrap, topic, seconds]:
            read(bootstrap, topic, float(seconds))
        case ["follow", bootstrap, topic]:
            follow(bootstrap, topic)
