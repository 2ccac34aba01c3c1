"""The Postgres source on real servers: a database of its own for each test, on every version at hand."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.api import Resume, SourceContext, TableOptions
from connect.local.postgres import postgres_versions
from connect.schema.model import TableId
from connectors.postgres.config import PostgresConfig
from connectors.postgres.preflight import remove
from connectors.postgres.source import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from connect.api import Position, SourceBatch
    from connect.local.postgres import Postgres
    from connect.local.stack import Stack
    from connect.record import ChangeEvent

VERSIONS = postgres_versions()[:2]
PATIENCE = 120.0
_numbers = itertools.count()


class Reader:
    """A source that is read; what it gave is kept."""

    def __init__(self, world: World, source: PostgresSource, start: Position, said: list[str]) -> None:
        self.world = world
        self.source = source
        self.start = start
        self.position = start
        self.events: list[ChangeEvent] = []
        self.batches: list[SourceBatch] = []
        self.said = said
        self.notes: dict[str, Any] = {}

    def read(self, count: int, *, acknowledge: bool = True) -> list[ChangeEvent]:
        """The next ``count`` events, whole batches; fails when they do not come."""
        got: list[ChangeEvent] = []
        deadline = time.monotonic() + PATIENCE
        while len(got) < count:
            assert time.monotonic() < deadline, f"{len(got)} of {count} events came"
            got += self.step(acknowledge=acknowledge)
        assert len(got) == count
        return got

    def step(self, timeout: float = 0.5, *, acknowledge: bool = True) -> list[ChangeEvent]:
        """One read."""
        batch = self.source.read(timeout)
        if batch is None:
            return []
        self.batches.append(batch)
        self.events += batch.events
        self.position = batch.resume_after
        self.notes |= batch.notes
        if acknowledge:
            self.source.acknowledge(batch.resume_after)
        return list(batch.events)

    def drain(self, *, acknowledge: bool = True) -> None:
        """Read for a bounded time; for errors that must come."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.step(0.2, acknowledge=acknowledge)

    def to_mark(self, mark: Any) -> list[ChangeEvent]:
        """Everything up to a mark."""
        got: list[ChangeEvent] = []
        deadline = time.monotonic() + PATIENCE
        while not mark.reached(self.position):
            assert time.monotonic() < deadline, "the mark was not reached"
            got += self.step()
        return got

    def close(self) -> Resume:
        """End it; what a next one resumes from."""
        self.source.close()
        return Resume(self.position, self.notes)


class World:
    """One database, its captured tables and the sources on it."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self.server = server
        self.database = f"d{next(_numbers)}"
        self.url = server.create_database(self.database)
        self.connection = psycopg.connect(self.url, autocommit=True)
        self._folder = folder
        self._readers: list[Reader] = []

    @property
    def version(self) -> int:
        return self.server.version

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            cursor = self.connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
        return rows

    def session(self, **options: Any) -> psycopg.Connection[Any]:
        """Another session, in a transaction of its own."""
        return psycopg.connect(self.url, **options)

    def config(self, **keys: Any) -> PostgresConfig:
        return PostgresConfig(**{"url": self.url, "heartbeat": "200ms", **keys})

    def context(self, *tables: str, options: dict[str, TableOptions] | None = None, **more: Any) -> SourceContext:
        wanted = {name: (options or {}).get(name, TableOptions()) for name in tables}
        captured = {TableId(*name.split(".", 1)): value for name, value in wanted.items()}
        spool = self._folder / f"spool-{next(_numbers)}"
        return SourceContext(self.database, "test", captured, spool, **more)

    def open(
        self,
        *tables: str,
        resume: Resume | None = None,
        options: dict[str, TableOptions] | None = None,
        stopping: Callable[[], bool] = lambda: False,
        **keys: Any,
    ) -> Reader:
        """A source on these tables, opened."""
        said: list[str] = []
        context = self.context(*tables, options=options, say=said.append, stopping=stopping)
        source = PostgresSource(self.config(**keys), context)
        try:
            start = source.open(resume)
        except BaseException:
            source.close()
            raise
        reader = Reader(self, source, start, said)
        self._readers.append(reader)
        return reader

    @property
    def slot(self) -> str:
        return f"connect_test__{self.database}"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait, a bounded time, until it holds."""
        wait_for(condition)

    def confirmed(self) -> int:
        """The slot's confirmed_flush_lsn as a number."""
        query = f"SELECT (confirmed_flush_lsn - '0/0')::int8 FROM pg_replication_slots WHERE slot_name = '{self.slot}'"
        return int(self.sql(query)[0][0])

    def kill(self) -> None:
        """``kill -9`` of the whole server."""
        self.connection.close()
        self.server.kill()

    def restart(self) -> None:
        """Start it again: crash recovery."""
        self.server.start()
        self.connection = psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        for reader in self._readers:
            reader.source.close()
        if not self.server.running:
            self.connection.close()
            return
        context = self.context()
        wait_for(lambda: not self.connection.execute(_ACTIVE, (self.database,)).fetchall())
        remove(self.config(), context)
        self.connection.close()
        self.server.execute(f"DROP DATABASE {self.database} WITH (FORCE)")


_ACTIVE = "SELECT 1 FROM pg_replication_slots WHERE database = %s AND active"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait, a bounded time, until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"pg{version}")
def server(request: pytest.FixtureRequest, stack: Stack) -> Postgres:
    """One server for each version, which streams transactions early."""
    name = f"source{request.param}"
    if name not in stack.servers:
        settings = {"logical_decoding_work_mem": "64kB", "fsync": "off"}
        stack.new_postgres(name, version=request.param, settings=settings)
    return stack.servers[name]  # type: ignore[return-value]


@pytest.fixture
def world(server: Postgres, tmp_path: Path) -> Iterator[World]:
    """A database of its own."""
    made = World(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def own_world(stack: Stack, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """``own_world(settings…)``: a database on a server of its own, for tests that break it."""
    worlds: list[World] = []

    def make(version: int = VERSIONS[0], **settings: str) -> World:
        server = stack.new_postgres(f"own{next(_numbers)}", version=version, settings=settings)
        worlds.append(World(server, tmp_path))
        return worlds[-1]

    yield make
    for made in worlds:
        for reader in made._readers:
            reader.source.close()
        made.connection.close()
        made.server.stop()
