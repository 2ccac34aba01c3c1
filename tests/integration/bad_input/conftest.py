"""A worker that meets bad input on real servers: started as an operator starts it, read as an operator reads it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from connect.cli import main as cli
from connect.cli.explain import explanations
from connect.kafka.client import LOGGER
from connect.kafka.topics import Topics
from connect.runtime.topic_records import Query, read_topic, to_json
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PATIENCE = 120.0


class Worker:
    """``connect run FILE --json``, and the events that it printed."""

    def __init__(self, file: Path, environment: Mapping[str, str], *options: str) -> None:
        self.file = file
        self._errors = file.with_suffix(".err")
        self._came = threading.Condition()
        self.events: list[dict[str, Any]] = []
        self._ended = False
        command = [sys.executable, "-m", "connect", "run", str(file), "--json", *options]
        with self._errors.open("a") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
            )
        self._reader = threading.Thread(target=self._read, name="worker-events")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.events.append(json.loads(line))
                self._came.notify_all()
        with self._came:
            self._ended = True
            self._came.notify_all()

    @property
    def said(self) -> str:
        """All that it printed, on both streams."""
        return "".join(json.dumps(event) for event in self.events) + self._errors.read_text()

    def wait(self, connector: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event of a connector that is wanted."""

        def found() -> dict[str, Any] | None:
            of_it = (event for event in self.events if event.get("connector") == connector)
            return next((event for event in of_it if wanted(event)), None)

        with self._came:
            self._came.wait_for(lambda: found() or self._ended, PATIENCE)
        event = found()
        assert event, f"{[e for e in self.events if e.get('connector') == connector][-2:]} {self._errors.read_text()}"
        return event

    def state(self, connector: str, *states: str) -> dict[str, Any]:
        """Its first event in one of these states."""
        return self.wait(connector, lambda event: event["state"] in states)

    def now(self, connector: str) -> dict[str, Any]:
        """Its last event."""
        return [event for event in self.events if event.get("connector") == connector][-1]

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """How it ended, by itself."""
        code = self.process.wait(seconds)
        self._reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.exit_code()

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class World:
    """The servers, a folder for files, a database, and names that nobody else uses."""

    kafka: str
    postgres: str
    folder: Path
    home: Path
    secret: str = "S3CR3T-canary-73"
    group: str = field(default_factory=lambda: f"n{uuid.uuid4().hex[:8]}")
    reader: Any = None  # of a slot, in the name of somebody else
    environment: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of this world's database."""
        return self.at(self.postgres)

    def at(self, server: str, user: str = "postgres", password: str = "") -> str:
        """This world's database on a server, as a user."""
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@{urlsplit(server).hostname}:{urlsplit(server).port}/{self.group}"

    def sql(self, *statements: str, server: str = "") -> list[tuple[Any, ...]]:
        """Run statements, each by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.at(server or self.postgres), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def topic(self, name: str) -> str:
        """A topic of this world."""
        return f"{self.group}.{name}"

    def write(self, text: str, *, kafka: str = "", registry: str = "", name: str = "worker.yaml") -> Path:
        """A file: what it says of Kafka and registry, and ``text`` below, its sources with topics of this world."""
        head = f'name: {self.group}\nkafka: {{bootstrap: "{kafka or self.kafka}"}}\nworker: {{listen: "127.0.0.1:0"}}\n'
        if registry:
            head += f'schema_registry: {{url: "{registry}"}}\n'
        path = self.folder / name
        named = rf'  \1:\2{{plugin: postgres, topic_prefix: "{self.group}.\1",'
        path.write_text(head + re.sub(r"(?m)^  (\w+):(\s*)\{plugin: postgres,", named, text))
        return path

    def run(self, file: Path, *options: str) -> Worker:
        """Start a worker."""
        environment = {"CONNECT_HOME": str(self.home), **self.environment}
        self.workers.append(Worker(file, environment, *options))
        return self.workers[-1]

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [sys.executable, "-m", "connect", *map(str, arguments)]
        environment = {**os.environ, "CONNECT_HOME": str(self.home), **self.environment}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)

    def ids(self, topic: str, registry: str = "") -> list[int]:
        """The column ``id`` of every record of ``topic(…)`` with a row, in its order; [] while there is no topic."""
        topic = self.topic(topic)
        client, settings = RegistryClient(registry) if registry else None, {"bootstrap.servers": self.kafka}
        if not Topics(settings).describe([topic]):
            return []
        records = read_topic(settings, RecordReader(client), Query(topic=topic))
        shown = [to_json(record) for record in records]
        return [record["after"]["id"] for record in shown if record.get("after")]

    def told(self, event: Mapping[str, Any], code: str, says: str, mends: str) -> None:
        """An event has a code that is explained, and one message: what and where, then how to mend it; no secret."""
        first, *hints = event["message"].split("\n")
        assert (event["code"], says in first) == (code, True), event
        assert mends in "\n".join(hints), event
        assert code in explanations()
        assert "Traceback" not in event["message"]
        assert self.secret not in event["message"]

    def until(self, met: Callable[[], Any]) -> Any:
        """The first true answer; fails when none comes."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := met()):
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.1)
        return answer

    def arrive(self, topic: str, *ids: int, registry: str = "") -> None:
        """Wait until a topic holds these rows; each once, since nothing is repeated."""
        self.until(lambda: set(ids) <= set(self.ids(topic, registry)))
        assert sorted(self.ids(topic, registry)) == sorted(ids)

    def close(self) -> None:
        """End what is left."""
        for worker in self.workers:
            worker.kill()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Kafka of the environment, else of the local stack."""
    return os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """As ``kafka``."""
    return os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest) -> str:
    """As ``kafka``."""
    return os.environ.get("CONNECT_TEST_SCHEMA_REGISTRY") or str(
        request.getfixturevalue("stack").schema_registry.address
    )


@pytest.fixture(scope="session")
def elasticsearch(request: pytest.FixtureRequest) -> str:
    """As ``kafka``."""
    return os.environ.get("CONNECT_TEST_ELASTICSEARCH") or str(request.getfixturevalue("stack").elasticsearch.address)


@pytest.fixture(scope="module")
def world(kafka: str, postgres: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database and one folder for a module's tests; nothing of it is left behind."""
    made = World(kafka, postgres, tmp_path_factory.mktemp("bad"), home)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{made.group}"'.encode())
    try:
        yield made
    finally:
        made.close()
        drop_database(postgres, made.group)


def drop_database(server: str, name: str) -> None:
    """With the slots on it."""
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(server, autocommit=True) as admin:
        while True:
            admin.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE database = %s AND active_pid IS NOT NULL",
                (name,),
            )
            admin.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = %s AND active_pid IS NULL",
                (name,),
            )
            left = admin.execute("SELECT count(*) FROM pg_replication_slots WHERE database = %s", (name,)).fetchone()
            if left == (0,):
                break
            assert time.monotonic() < deadline, "a slot is still read"
            time.sleep(0.1)
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        for (role,) in admin.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"{name}%",)).fetchall():
            admin.execute(f'DROP ROLE "{role}"'.encode())


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this user's workers leave their addresses."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def connect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> Callable[..., tuple[int, str, str]]:
    """A command's arguments → exit code, standard output, standard error."""

    def called(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setenv("CONNECT_HOME", str(home))
        with pytest.raises(SystemExit) as caught:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return called


class Door:
    """A TCP door before a server: closed, its port refuses; open, it forwards."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._server: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._pairs: list[socket.socket] = []

    def open(self) -> None:
        """Let connections through from now on."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._spawn(self._accept)

    def _spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name="door")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._server is not None
        while True:
            try:
                inner, _ = self._server.accept()
            except OSError:
                return
            outer = socket.create_connection(self._target)
            self._pairs += [inner, outer]
            self._spawn(_pump, inner, outer)
            self._spawn(_pump, outer, inner)

    def close(self) -> None:
        """Refuse, and cut what is open."""
        for one in ([self._server] if self._server else []) + self._pairs:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is cut already
                LOGGER.debug("a door's socket was closed before")
        for thread in self._threads:
            thread.join(PATIENCE)
        for one in ([self._server] if self._server else []) + self._pairs:
            one.close()
        self._server = None


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture(scope="module")
def door() -> Iterator[Callable[[str], Door]]:
    """``host:port`` of a server → a closed door before it."""
    doors: list[Door] = []

    def before(target: str) -> Door:
        doors.append(Door(target))
        return doors[-1]

    yield before
    for one in doors:
        one.close()
