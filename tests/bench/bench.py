"""What every measure stands on: the running stack, the peer, databases and workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import processes
import psycopg
import tables
from confluent_kafka.admin import AdminClient, NewTopic
from peer import KafkaConnect
from readable import Readable
from worker import Worker

from connect.errors import ConnectError
from connect.kafka.client import LOGGER

if TYPE_CHECKING:
    from pathlib import Path

    from inputs import Inputs
    from results import Measure

    from connect.local.stack import Stack


class Bench:
    """Hands out what has not been used before, so that no measure sees another's rows."""

    def __init__(self, stack: Stack, folder: Path, inputs: Inputs) -> None:
        self.stack, self.folder, self.inputs = stack, folder, inputs
        self.kafka = {"bootstrap.servers": stack.kafka.address}
        self.readable = Readable(self.kafka)
        self._admin = AdminClient(self.kafka, logger=LOGGER)
        self.worker_start = 0.0  # seconds that the peer's worker took
        self._peer: KafkaConnect | None = None
        self._no_peer = ""
        self._count = 0

    def has_peer(self, *measures: Measure) -> bool:
        """Whether the peer can be had on this machine; if not, the measures say so."""
        if not self._no_peer:
            try:
                _ = self.peer
            except ConnectError as error:
                self._no_peer = f"No peer on this machine: {error}"
        for measure in measures:
            if self._no_peer:
                measure.note(self._no_peer)
        return not self._no_peer

    @property
    def peer(self) -> KafkaConnect:
        """Kafka Connect with Debezium, started when first asked for."""
        if self._peer is None:
            server = KafkaConnect(
                self.stack._site, "kafka_connect", kafka=self.stack.kafka, registry=self.stack.schema_registry
            )
            started = time.monotonic()
            self._peer = self.stack.add(server)
            self.worker_start = time.monotonic() - started
        return self._peer

    def name(self, what: str) -> str:
        """A name that nothing has had, of letters and digits."""
        self._count += 1
        return f"{what.replace('_', '')}n{self._count}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        return self.stack.postgres.create_database(self.name("bench"))

    def worker(self, name: str, body: str) -> Worker:
        """A worker of one connector, ``name``."""
        head = f'name: {name}\nkafka: {{bootstrap: "{self.stack.kafka.address}"}}\n'
        head += f'schema_registry: {{url: "{self.stack.schema_registry.address}"}}\n'
        return Worker(self.folder, name, f'{head}worker: {{listen: "127.0.0.1:0"}}\n{body}')

    def source(self, name: str, url: str, *, snapshot: str = "never", pattern: str = "public.orders") -> Worker:
        """A Postgres source with its defaults: state view, envelope, Avro, exactly once."""
        options = f'{{"{pattern}": {{snapshot: {{mode: {snapshot}}}}}}}'
        return self.worker(name, f"sources:\n  {name}:\n    plugin: postgres\n    url: {url}\n    tables: {options}\n")

    def server_cpu(self) -> dict[str, float]:
        """CPU seconds of each server so far, the peer's worker not among them."""
        servers = self.stack.servers.items()
        return {name: processes.cpu_seconds(server.pid) for name, server in servers if server is not self._peer}

    def servers_used(self, before: dict[str, float], rows: int) -> dict[str, float]:
        """CPU seconds per million rows of each server since ``server_cpu``."""
        now = self.server_cpu()
        return {f"cpu_{name}": (now[name] - was) * 1e6 / rows for name, was in before.items()}

    def make_topic(self, name: str) -> None:
        """For the peer, whose topics are there before it starts as ours are."""
        for future in self._admin.create_topics([NewTopic(name, 1, 1)]).values():
            future.result()

    def delete_topics(self, *topics: str) -> None:
        """Their files go; what a later measure reads is not pushed out of memory by them."""
        for future in self._admin.delete_topics(list(topics)).values():
            future.result()


def worker_used(worker: Worker, rows: int) -> dict[str, float]:
    """CPU seconds per million rows of a worker since its start: supervisor and task."""
    supervisor, *task = processes.cpu_of_each(worker.pid)
    return {"cpu_supervisor": supervisor * 1e6 / rows, "cpu_task": sum(task) * 1e6 / rows}


def drop_slots(url: str) -> None:
    """All of a database, once nobody reads them: a forgotten slot keeps every segment of the log."""
    query = "SELECT slot_name, active FROM pg_replication_slots WHERE database = current_database()"
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while slots := connection.execute(query).fetchall():
            for slot in (name for name, active in slots if not active):
                connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            if time.monotonic() > deadline:
                raise TimeoutError(f"slots are still read: {slots}")
            time.sleep(0.05)


def publication(connection: psycopg.Connection[Any]) -> str:
    """The publication that our source made, or the first if there are several."""
    query = r"SELECT pubname FROM pg_publication WHERE pubname NOT LIKE '%\_ins' ORDER BY pubname LIMIT 1"
    return str(tables.value(connection, query))
