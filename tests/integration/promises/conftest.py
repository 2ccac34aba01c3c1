"""The whole chain for one test: a database, topics, a worker started from a file, and a look at all of them."""

from __future__ import annotations

import itertools
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from connect.demo.worker import RUN, Worker
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from confluent_kafka import Message

    from connect.record import SinkRecord

PATIENCE: Final = 120.0


def wait_for(what: str, check: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.1) -> Any:
    """The first true value of ``check``; fails with ``what`` when none came in time."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"within {seconds:.0f} s: {what}"
        time.sleep(pause)
    return found


class Chain:
    """One source ``s`` of a database of its own, the sinks that a test names, and the worker between them."""

    def __init__(self, servers: Mapping[str, str], postgres: str, folder: Path) -> None:
        self.servers = servers
        self.group = f"k-{uuid.uuid4().hex[:10]}"
        self.prefix = f"{self.group}-p"
        self.kafka = {"bootstrap.servers": servers["kafka"]}
        self.topics = Topics(self.kafka)
        self.admin = AdminClient({**self.kafka, "log_level": 0})  # it outlives the broker
        self.folder = folder
        self._postgres = postgres
        self._databases: list[tuple[str, str]] = []
        self.url = self.new_database(postgres)
        self.source = psycopg.connect(self.url, autocommit=True)
        self.config: dict[str, Any] = {
            "name": self.group,
            "kafka": {"bootstrap": servers["kafka"]},
            "schema_registry": {"url": servers["registry"]},
            "worker": {"listen": "127.0.0.1:0"},
            "sources": {
                "s": {
                    "plugin": "postgres",
                    "url": self.url,
                    "topic_prefix": self.prefix,
                    "heartbeat": "200ms",
                    "tables": {"public.*": {}},
                }
            },
            "sinks": {},
        }
        self._worker: Worker | None = None
        self._begun = 0  # where this run's lines begin in the log
        self._reader = RecordReader(RegistryClient(servers["registry"]))

    wait = staticmethod(wait_for)

    # Servers

    def new_database(self, server: str) -> str:
        """A database that goes with the test; its URL."""
        name = f"k_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        self._databases.append((server, name))
        return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run statements at the source, each by itself; the rows of the last."""
        cursor = self.source.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def transaction(self, *statements: str) -> None:
        """Run statements at the source in one transaction."""
        with self.source.transaction():
            for statement in statements:
                self.source.execute(statement.encode())

    # The file

    @property
    def tables(self) -> dict[str, Any]:
        """``tables:`` of the source."""
        found: dict[str, Any] = self.config["sources"]["s"]["tables"]
        return found

    def warehouse(self, name: str = "warehouse") -> str:
        """A SQL sink of all topics into a database of its own; the URL of that."""
        url = self.new_database(self.servers["postgres"])
        self.config["sinks"][name] = {"plugin": "sql", "url": url, "topics": [f"/{self.prefix}[.].*/"]}
        return url

    def sqlite(self, name: str = "lite") -> Path:
        """A SQLite sink of all topics; its file."""
        path = self.folder / f"{name}.db"
        url = f"sqlite:///{path}"
        self.config["sinks"][name] = {"plugin": "sql", "url": url, "topics": [f"/{self.prefix}[.].*/"]}
        return path

    def search(self, name: str = "search") -> str:
        """An Elasticsearch sink of all state topics; the prefix of its aliases."""
        sink = {"plugin": "elasticsearch", "url": self.servers["elasticsearch"], "topics": [f"{self.prefix}.*.*"]}
        self.config["sinks"][name] = {**sink, "defaults": {"index": f"{self.group}-{name}-{{table}}"}}
        return f"{self.group}-{name}-"

    def topic(self, table: str, view: str = "") -> str:
        """The topic of a table in ``public``."""
        return f"{self.prefix}.public.{table}{view}"

    # The worker

    @property
    def worker(self) -> Worker:
        assert self._worker is not None
        return self._worker

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start a worker from the file as it is now."""
        file = self.folder / "chain.yaml"
        file.write_text(json.dumps(self.config))
        self._begun = len(self.log.read_text()) if self.log.exists() else 0
        self._worker = Worker(file, self.group, environment or {}, self.log, (*RUN, "--json"))
        self._worker.start()

    def stop(self) -> None:
        """End the worker in order."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def kill(self) -> None:
        """``kill -9`` of the worker."""
        self.worker.kill()

    def status(self, connector: str = "s") -> dict[str, Any]:
        """What the worker says of one connector."""
        self.worker.check()
        found: dict[str, Any] = self.worker.status().get(connector, {})
        return found

    def state(self, connector: str = "s") -> str:
        return str(self.status(connector).get("state", ""))

    def failed(self, connector: str = "s") -> dict[str, Any]:
        """Wait until a connector of this run is FAILED; what its worker printed of it, which ends when all are."""

        def found() -> dict[str, Any]:
            printed = self.log.read_text()[self._begun :].splitlines(keepends=True)
            events = [json.loads(line) for line in printed if line.startswith("{") and line.endswith("\n")]
            return next((e for e in events if (e.get("connector"), e.get("state")) == (connector, "FAILED")), {})

        told: dict[str, Any] = wait_for(f"{connector} is FAILED", found)
        return told

    def streaming(self) -> None:
        """Wait until the snapshot is done."""
        wait_for("the snapshot is done", lambda: self._healthy("s").get("complete"))

    def caught_up(self, seconds: float = PATIENCE) -> None:
        """Wait until everything written until now is in the topics and in every sink."""
        [(end,)] = self.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8")
        wait_for("the source has caught up", lambda: self._passed(end), seconds)
        for sink in self.config["sinks"]:
            wait_for(f"{sink} has caught up", lambda sink=sink: self._at_end(sink), seconds)

    def _healthy(self, connector: str) -> dict[str, Any]:
        found = self.status(connector)
        assert found.get("state") != "FAILED", found
        return found

    def _passed(self, end: int) -> bool:
        status = self._healthy("s")
        lsn = status.get("position", {}).get("lsn") or 0
        return bool(status.get("complete")) and lsn >= end and not self.lacking()

    def _at_end(self, sink: str) -> bool:
        """By the sink's own offsets beside the topics' ends: what it says of lag may be a moment old."""
        position = self._healthy(sink).get("position") or {}
        expected = self._read_by(sink)
        if {name.partition("[")[0] for name in position} != expected:
            return False
        ends = {
            f"{name}[{number}]": end
            for name, topic in self.topics.describe(sorted(expected)).items()
            for number, end in enumerate(self.topics.ends(name, topic.partitions))
        }
        return all(position.get(place, -1) >= end for place, end in ends.items())

    def _read_by(self, sink: str) -> set[str]:
        (pattern,) = self.config["sinks"][sink]["topics"]
        if pattern in self.topic_names():
            return {pattern}
        every = pattern.startswith("/")
        return {name for name in self.topic_names() if every or not name.endswith(".events")}

    # Topics

    def topic_names(self) -> list[str]:
        """The source's topics of rows."""
        return sorted(name for name in self.topics.names() if name.startswith(f"{self.prefix}."))

    def messages(self, topic: str) -> list[Message]:
        """Every committed record of a topic, partition after partition; none while it is not there."""
        found = self.topics.describe([topic]).get(topic)
        ends = enumerate(self.topics.ends(topic, found.partitions) if found else [])
        return [m for number, end in ends for m in read_to(self.kafka, topic, number, end, 30.0)]

    def records(self, topic: str) -> list[SinkRecord]:
        """The same, decoded."""
        return [
            self._reader.read(topic, m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value())
            for m in self.messages(topic)
        ]

    def ops(self, table: str, *columns: str, view: str = "") -> list[tuple[Any, ...]]:
        """(op, key…, the columns' values) of each record of a table's topic; a tombstone is ``-``."""
        found = []
        for record in self.records(self.topic(table, view)):
            row = record.after or record.before
            op = "-" if record.tombstone else record.op.value
            found.append((op, *(record.key.key if record.key else ()), *(row[c] if row else None for c in columns)))
        return found

    def by_key(self, table: str) -> dict[tuple[Any, ...], list[SinkRecord]]:
        """A state topic's records without tombstones, by key, each key's in their order."""
        found: dict[tuple[Any, ...], list[SinkRecord]] = {}
        for record in self.records(self.topic(table)):
            assert record.key is not None
            if not record.tombstone:
                found.setdefault(record.key.key, []).append(record)
        return found

    def folded(self, table: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """A state topic folded by key: the rows that are left."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for record in self.records(self.topic(table)):
            assert record.key is not None
            rows.pop(record.key.key, None)
            if record.after is not None:
                rows[record.key.key] = record.after.to_dict()
        return rows

    def notes(self) -> dict[str, Any]:
        """The source's notes as stored."""
        notes: dict[str, Any] = {}
        for message in self.messages(f"{self.group}.s.positions"):
            name = message.key().decode().removeprefix("note:")
            notes.pop(name, None)
            if message.value() is not None:
                notes[name] = json.loads(message.value())
        return notes

    def lacking(self) -> list[str]:
        """Names of the notes of keys that are to be read again."""
        return [name for name in self.notes() if name.startswith("lacking:")]

    # Targets

    def rows(self, url: str, query: str) -> list[tuple[Any, ...]]:
        """Ask a target; nothing while it has no such table yet."""
        with psycopg.connect(url) as connection, suppress(psycopg.errors.UndefinedTable):
            return connection.execute(query.encode()).fetchall()
        return []

    def http(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Elasticsearch; the decoded body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.servers['elasticsearch']}{path}", data, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def documents(self, alias: str) -> list[dict[str, Any]]:
        """Everything in an index; nothing while there is none yet."""
        try:
            self.http("POST", f"/{alias}/_refresh")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return []
            raise
        body = self.http("POST", f"/{alias}/_search?size=10000")
        return [hit["_source"] for hit in body["hits"]["hits"]]

    # The end

    def close(self) -> None:
        """End the worker; remove topics, slots, databases and indices."""
        self.stop()
        self.source.close()
        for server, name in self._databases:
            with psycopg.connect(server, autocommit=True) as admin:
                _drop_database(admin, name)
        ours = [name for name in self.topics.names() if name.startswith(self.group)]
        if ours:
            for future in self.admin.delete_topics(ours).values():
                future.result(20)
        with suppress(urllib.error.URLError):
            for index in self.http("GET", f"/_resolve/index/{self.group}*").get("indices", []):
                self.http("DELETE", f"/{index['name']}")


def _drop_database(admin: psycopg.Connection[Any], name: str) -> None:
    slots = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s"
    for attempt in itertools.count():
        left = admin.execute(slots, (name,)).fetchall()
        if not left:
            break
        for slot, pid in left:
            if pid is not None:
                admin.execute("SELECT pg_terminate_backend(%s, 2000)", (pid,))
            with suppress(psycopg.errors.ObjectInUse):
                admin.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        assert attempt < 20, f"the slots of {name} could not be dropped"
        time.sleep(0.1)
    admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Addresses: of the environment, else of the local stack."""
    kinds = {"kafka": "kafka", "registry": "schema_registry", "elasticsearch": "elasticsearch", "postgres": "postgres"}
    found = {}
    for name, attribute in kinds.items():
        given = os.environ.get(f"CONNECT_TEST_{name.upper()}")
        found[name] = given or str(getattr(request.getfixturevalue("stack"), attribute).address)
    return found


@pytest.fixture
def new_chain(servers: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Chain]]:
    """Postgres address → a chain whose source is a database there."""
    chains: list[Chain] = []

    def new(postgres: str = "") -> Chain:
        folder = tmp_path / str(len(chains))
        folder.mkdir()
        chains.append(Chain(servers, postgres or servers["postgres"], folder))
        return chains[-1]

    yield new
    for chain in chains:
        chain.close()


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    """A chain whose source is a database of the shared server."""
    return new_chain()
