"""Debezium's connectors, configured to be as fast as they can be while they promise what ours promise."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

# Both sides write Avro, one partition a topic, exactly once. Records sent in large compressed batches cost the peer a
# third less CPU than with its defaults; larger queues cost it nothing.
SOURCE: Final = {
    "tasks.max": "1",
    "exactly.once.support": "required",
    "topic.creation.default.replication.factor": "1",
    "topic.creation.default.partitions": "1",
    "max.batch.size": "8192",
    "max.queue.size": "32768",
    "producer.override.compression.type": "lz4",
    "producer.override.linger.ms": "5",
    "producer.override.batch.size": "1000000",
}
SNAPSHOT: Final = {"snapshot.mode": "initial", "publication.autocreate.mode": "filtered"}
SINK: Final = {
    "batch.size": "3000",
    "use.reduction.buffer": "true",
    "consumer.override.max.poll.records": "3000",
    "consumer.override.isolation.level": "read_committed",
}
QUICK_POLL: Final = {"poll.interval.ms": "5"}  # for latencies: its default of 500 ms would be most of them


def postgres(prefix: str, url: str, slot: str, publication: str, tables: str = "public.orders") -> dict[str, str]:
    """A source that goes on from an existing slot, without a snapshot."""
    to = urlsplit(url)
    return {
        **SOURCE,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": to.hostname or "",
        "database.port": str(to.port),
        "database.user": to.username or "",
        "database.password": to.password or "",
        "database.dbname": to.path[1:],
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": publication,
        "publication.autocreate.mode": "disabled",
        "topic.prefix": prefix,
        "table.include.list": tables,
        "snapshot.mode": "no_data",
    }


def mysql(prefix: str, url: str, kafka: str, server_id: int) -> dict[str, str]:
    """A source of one database's table ``orders``, without a snapshot of its rows."""
    to = urlsplit(url)
    database = to.path[1:]
    return {
        **SOURCE,
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "database.hostname": to.hostname or "",
        "database.port": str(to.port),
        "database.user": to.username or "",
        "database.password": to.password or "",
        "database.server.id": str(server_id),
        "database.ssl.mode": "disabled",
        "topic.prefix": prefix,
        "database.include.list": database,
        "table.include.list": f"{database}.orders",
        "include.schema.changes": "false",
        "snapshot.mode": "no_data",
        "schema.history.internal.kafka.bootstrap.servers": kafka,
        "schema.history.internal.kafka.topic": f"{prefix}.history",
    }


def jdbc(topic: str, table: str, url: str) -> dict[str, str]:
    """A sink that upserts and deletes by key, in batches that were reduced to one record a key."""
    to = urlsplit(url)
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "connection.url": f"jdbc:postgresql://{to.hostname}:{to.port}{to.path}?reWriteBatchedInserts=true",
        "connection.username": to.username or "",
        "connection.password": to.password or "",
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "basic",
        "collection.name.format": table,
        **SINK,
    }
