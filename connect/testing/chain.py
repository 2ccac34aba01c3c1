"""A whole chain under test: a database, a worker's file over it, and the comparison of everything at the end."""

from __future__ import annotations

import datetime as dt
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg
from elasticsearch import Elasticsearch, NotFoundError, helpers

from connect.demo.verdict import Verdict, check, check_events, differing, fold
from connect.demo.worker import RUN
from connect.errors import ConnectError
from connect.testing.oracle import canonical, rows
from connect.testing.origin import PostgresOrigin
from connect.testing.topics import read_topic
from connect.testing.victim import Victim, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from connect.demo.verdict import Row
    from connect.testing.oracle import TableLog
    from connect.testing.origin import Origin

SOURCE: Final = "bench"  # the source's name
_QUIET_SECONDS: Final = 0.7
_SAY_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Of the servers, as clients take them; a sink whose address is empty is left out of the file.

    ``database`` is Postgres' own: another source has an ``Origin``.
    """

    kafka: str
    registry: str
    database: str = ""
    warehouse: str = ""
    search: str = ""


@dataclass
class Compared:
    """What was found of one table.

    Attributes:
        changes: The topic against the log.
        rows: In the source.
        sql: Rows that the SQL table has not, or has too many, or other ones.
        index: The same of the index.
        topic: The same of the topic folded by key.
        moved: Keys that are in two partitions.
    """

    changes: Verdict = field(default_factory=Verdict)
    rows: int = 0
    sql: int = 0
    index: int = 0
    topic: int = 0
    moved: int = 0

    @property
    def clean(self) -> bool:
        """Everything is equal."""
        return self.changes.clean and not (self.sql or self.index or self.topic or self.moved)


class Chain:
    """One worker's file and what it works on.

    Args:
        group: The worker group's name, and the topics' prefix; names of slots and logs follow.
        where: The servers.
        tables: Table → its key columns; () for a table without a key.
        folder: For the file and the worker's log.
        partitions: Of the topics.
        origin: The database that is captured; by default the Postgres of ``where``.
    """

    def __init__(
        self,
        group: str,
        where: Addresses,
        tables: Mapping[str, tuple[str, ...]],
        folder: Path,
        *,
        partitions: int = 3,
        origin: Origin | None = None,
    ) -> None:
        self.group = group
        self.where = where
        self.tables = dict(tables)
        self.slot = f"connect_{group.replace('-', '_')}"
        self.positions = f"{group}.{SOURCE}.positions"
        self.origin = origin or PostgresOrigin(where.database, self.slot, self.tables)
        self._folder = folder
        self._partitions = partitions
        self._workers: list[Victim] = []
        self.write_file(list(self.tables))

    @property
    def file(self) -> Path:
        """The worker's configuration."""
        return self._folder / f"{self.group}.yaml"

    def write_file(self, tables: Sequence[str]) -> None:
        """Write the file anew, capturing these tables."""
        source = {
            **self.origin.config(),
            "topic_prefix": self.group,
            "defaults": {"partitions": self._partitions},
            # Without a key there is no order but a partition's, and a TRUNCATE needs one.
            "tables": {table: {} if self.tables[table] else {"partitions": 1} for table in tables},
        }
        schemas = sorted({table.split(".")[0] for table in self.tables})
        topics = [f"{self.group}.{schema}.*{view}" for schema in schemas for view in ("", ".events")]
        targets = {"warehouse": ("sql", self.where.warehouse), "search": ("elasticsearch", self.where.search)}
        config = {
            "name": self.group,
            "kafka": {"bootstrap": self.where.kafka},
            "schema_registry": {"url": self.where.registry},
            "worker": {"listen": "127.0.0.1:0"},
            "sources": {SOURCE: source},
            "sinks": {
                name: {"plugin": plugin, "url": url, "topics": topics} for name, (plugin, url) in targets.items() if url
            },
        }
        self.file.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML

    @property
    def sinks(self) -> list[str]:
        """The sinks' names in the file."""
        return [name for name, url in (("warehouse", self.where.warehouse), ("search", self.where.search)) if url]

    def worker(self, environment: Mapping[str, str] | None = None, command: Sequence[str] = RUN) -> Victim:
        """Another worker over the file, started with ``command``."""
        log = self._folder / f"worker-{len(self._workers)}.log"
        worker = Victim(self.file, self.group, environment or {}, log, command)
        self._workers.append(worker)
        worker.start()
        return worker

    def topic(self, table: str) -> str:
        """Where a table's changes go."""
        return f"{self.group}.{table}" if self.tables[table] else f"{self.group}.{table}.events"

    def settle(self, worker: Victim, seconds: float, say: Callable[[str], None] = lambda _: None) -> float:
        """Wait until everything that was written has arrived everywhere; how many seconds it took.

        ``say`` hears every few seconds how the worker is.

        Raises:
            ConnectError: It has not in time, or the worker ended.
        """
        end, started, quiet, said = self.origin.end(), time.monotonic(), 0, 0.0
        wanted = {self.topic(table) for table in self.tables}
        while quiet < 2:
            worker.check()
            status = worker.status()
            quiet = quiet + 1 if self._arrived(status, end, wanted) else 0
            if time.monotonic() - said > _SAY_SECONDS:
                said = time.monotonic()
                say(brief(status))
            if time.monotonic() - started > seconds:
                tail = "\n".join(worker.log.read_text(errors="replace").splitlines()[-10:])
                message = f"the worker did not catch up within {seconds:.0f} s: {brief(status)}\n{tail}"
                raise ConnectError(message, code="victim_worker")
            time.sleep(_QUIET_SECONDS)
        return time.monotonic() - started

    def _arrived(self, status: Mapping[str, Any], end: Any, wanted: set[str]) -> bool:
        source = status.get(SOURCE, {})
        if not source.get("complete") or self.origin.place(source.get("position") or {}) < end:
            return False
        sinks = [status.get(name, {}) for name in self.sinks]
        return all(wanted <= set(sink.get("tables", ())) and sink.get("lag_records") == 0 for sink in sinks)

    def compare(self, late: Collection[str] = ()) -> dict[str, Compared]:
        """Log, topics, SQL tables and indices, table by table; everything has to be at rest.

        ``late`` names tables that were written to before their capture began.
        """
        logs = self.origin.logs()
        return {table: self._compare(table, logs[table], late=table in late) for table in self.tables}

    def _compare(self, table: str, log: TableLog, *, late: bool) -> Compared:
        content = read_topic(self.where.kafka, self.where.registry, self.topic(table))
        here, names = list(self.origin.rows(table)), self.origin.columns(table)
        result = Compared(rows=len(here), moved=content.moved)
        if self.tables[table]:
            result.changes = check(log.histories, content.histories, late=late)
            result.topic = differing(here, fold(content.histories).values())
        else:
            result.changes = check_events(log.events, content.events)
        if self.where.warehouse:
            result.sql = differing(here, self._sql_rows(table, names))
        if self.where.search:
            result.index = differing(here, self._documents(table, names))
        return result

    def _sql_rows(self, table: str, names: Sequence[str]) -> Iterator[Row]:
        with psycopg.connect(self.where.warehouse) as target, suppress(psycopg.errors.UndefinedTable):
            yield from rows(target, table.split(".")[1], names)

    def _documents(self, table: str, names: Sequence[str]) -> Iterator[Row]:
        index = table.split(".")[1]
        with Elasticsearch(self.where.search, request_timeout=60) as client, suppress(NotFoundError):
            client.indices.refresh(index=index)
            for hit in helpers.scan(client, index=index, size=5000, source=list(names)):
                yield tuple(_from_document(hit["_source"].get(name)) for name in names)

    def close(self) -> None:
        """End every worker and let the source forget."""
        for worker in self._workers:
            worker.stop()
        self.origin.close()


def _from_document(value: object) -> str | None:
    """An ISO timestamp of a document as the comparison's text."""
    if isinstance(value, str) and len(value) >= len("2026-01-01T00:00") and value[10] == "T" and value[:4].isdigit():
        with suppress(ValueError):
            return canonical(dt.datetime.fromisoformat(value))
    return canonical(value)


def total(found: Mapping[str, Compared]) -> Verdict:
    """The verdicts on all tables' changes as one."""
    verdict = Verdict()
    for one in found.values():
        verdict.add(one.changes)
    return verdict
