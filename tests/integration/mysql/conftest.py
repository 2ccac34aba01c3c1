"""The MySQL source on real servers: a database of its own for each test, read as the runtime reads it."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import Resume, SourceContext, TableOptions
from connect.schema.model import TableId
from connectors.mysql.config import MysqlConfig
from connectors.mysql.position import MysqlPosition
from connectors.mysql.source import MysqlSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pymysql.connections import Connection

    from connect.api import SourceBatch
    from connect.local.mysql_client import MysqlClient
    from connect.record import ChangeEvent

PATIENCE = 120.0
_numbers = itertools.count()
WITHOUT_GTIDS = {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}


class Reader:
    """A source that is read; what it gave is kept, the position and the notes as the runtime keeps them."""

    def __init__(self, source: MysqlSource, start: MysqlPosition, notes: dict[str, Any]) -> None:
        self.source = source
        self.start = start
        self.position = start
        self.notes = dict(notes)
        self.events: list[ChangeEvent] = []
        self.batches: list[SourceBatch] = []

    def read(self, count: int) -> list[ChangeEvent]:
        """The next ``count`` events, whole batches; fails when they do not come."""
        got: list[ChangeEvent] = []
        deadline = time.monotonic() + PATIENCE
        while len(got) < count:
            assert time.monotonic() < deadline, f"{len(got)} of {count} events came"
            got += self.step()
        assert len(got) == count, got[count:]
        return got

    def step(self, timeout: float = 0.3) -> list[ChangeEvent]:
        """One read."""
        batch = self.source.read(timeout)
        if batch is None:
            return []
        self.batches.append(batch)
        self.events += batch.events
        assert isinstance(batch.resume_after, MysqlPosition)
        self.position = batch.resume_after
        for name, note in batch.notes.items():
            self.notes[name] = note
            if note is None:
                del self.notes[name]
        return list(batch.events)

    def until(self, there: Callable[[], bool]) -> None:
        """Read on until it holds."""
        deadline = time.monotonic() + PATIENCE
        while not there():
            assert time.monotonic() < deadline, f"it never came: {self.position}"
            self.step()

    def drain(self) -> None:
        """Read for a bounded time; for errors that must come."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.step()

    @property
    def resume(self) -> Resume:
        """What a next source goes on from: what the runtime stored, read back from JSON."""
        stored = json.loads(json.dumps([self.position.to_json(), self.notes]))
        return Resume(MysqlPosition.from_json(stored[0]), stored[1])

    def close(self) -> Resume:
        """End it; what a next one resumes from."""
        self.source.close()
        return self.resume


class Shop:
    """A database with a table ``t``, and the sources on it."""

    def __init__(self, server: MysqlClient, folder: Path, columns: str = "id INT PRIMARY KEY, v TEXT") -> None:
        self.server = server
        self.database = f"b_{uuid.uuid4().hex[:10]}"
        self.table = TableId(self.database, "t")
        self.group = self.database
        self._folder = folder
        self._numbers = itertools.count()
        self._resources = contextlib.ExitStack()
        self.said: list[str] = []
        server.create_database(self.database)
        self.sql(f"CREATE TABLE t ({columns})")

    def sql(self, *statements: str, on: MysqlClient | None = None) -> list[tuple[Any, ...]]:
        """Run statements in one session; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing((on or self.server).connect(self.database)) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def session(self) -> Connection[Any]:
        """A session of its own, closed with the test."""
        return self._resources.enter_context(contextlib.closing(self.server.connect(self.database)))

    def insert(self, first: int, last: int) -> None:
        """Rows of these ids in one transaction."""
        self.sql("INSERT INTO t (id) VALUES " + ", ".join(f"({number})" for number in range(first, last + 1)))

    def open(
        self,
        resume: Resume | None = None,
        *,
        tables: tuple[str, ...] = ("t",),
        on: MysqlClient | None = None,
        url: str | None = None,
        stopping: Callable[[], bool] = lambda: False,
        temporary: bool = False,
        **config: Any,
    ) -> Reader:
        """A source on these tables, opened."""
        made = MysqlConfig(**{"url": url or (on or self.server).address, "heartbeat": "200ms", **config})
        captured = {TableId(self.database, name): TableOptions() for name in tables}
        spool = self._folder / f"spool-{next(self._numbers)}"
        context = SourceContext(
            "shop", self.group, captured, spool, say=self.said.append, stopping=stopping, temporary=temporary
        )
        source = MysqlSource(made, context)
        self._resources.callback(source.close)
        return Reader(source, source.open(resume), dict(resume.notes) if resume else {})

    def close_readers(self) -> None:
        """End what is open."""
        self._resources.close()

    def close(self) -> None:
        """And drop the database."""
        self.close_readers()
        self.server.execute(f"DROP DATABASE IF EXISTS {self.database}")


@pytest.fixture(scope="module")
def server_without_gtids(stack: Any) -> Iterator[MysqlClient]:
    """A MySQL whose positions are files."""
    server = stack.new_mysql(f"b_{next(_numbers)}_without_gtids", settings=WITHOUT_GTIDS)
    yield server
    server.stop()


@pytest.fixture(params=["mysql", "mariadb", "mysql without gtids"])
def shop(stack: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """On each kind of positions."""
    if request.param in {"mysql", "mariadb"}:
        server = getattr(stack, request.param)
    else:
        server = request.getfixturevalue("server_without_gtids")
    made = Shop(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def mysql_shop(stack: Any, tmp_path: Path) -> Iterator[Shop]:
    """On MySQL."""
    made = Shop(stack.mysql, tmp_path)
    yield made
    made.close()


@pytest.fixture
def mariadb_shop(stack: Any, tmp_path: Path) -> Iterator[Shop]:
    """On MariaDB."""
    made = Shop(stack.mariadb, tmp_path)
    yield made
    made.close()


@pytest.fixture
def new_shop(stack: Any, tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """On servers of this test's own, which it may break: ``new_shop("mysql", "name", settings={…})``."""
    with contextlib.ExitStack() as made:

        def make(kind: str, name: str, **options: Any) -> Shop:
            server = getattr(stack, f"new_{kind}")(f"b_{next(_numbers)}_{name}", **options)
            made.callback(server.stop)
            shop = Shop(server, tmp_path)
            made.callback(shop.close_readers)
            return shop

        yield make
