"""The source contract, kept by ``postgres``; with a fault in it, a test of the suite tells."""

from __future__ import annotations

import contextlib
import inspect
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from connect.schema.model import TableId
from connect.testing.source_contract import SourceContract, five_transactions, seven_rows
from connect.testing.source_tail import Connector
from connectors.postgres import PLUGIN
from connectors.postgres.snapshots import PostgresSnapshots
from connectors.postgres.source import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator

_MADE = (
    "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"
    " UNION ALL SELECT pubname::text FROM pg_publication"
)


class Writer:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def insert(self, *rows: tuple[int, str | None]) -> None:
        with self._connection.cursor() as cursor, cursor.copy("COPY rows FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def update(self, key: int, name: str | None) -> None:
        self._connection.execute("UPDATE rows SET name = %s WHERE id = %s", (name, key))

    def delete(self, key: int) -> None:
        self._connection.execute("DELETE FROM rows WHERE id = %s", (key,))

    def truncate(self) -> None:
        self._connection.execute("TRUNCATE rows")


class Driver:
    plugin = PLUGIN
    table = TableId("public", "rows")
    rows_to_split = 12_000

    def __init__(self, server: str, database: str) -> None:
        parts = conninfo_to_dict(server)
        self._url = f"postgresql://{parts['user']}@{parts['host']}:{parts['port']}/{database}"
        self.options = {"url": self._url, "heartbeat": "200ms"}
        self.unreachable = {"url": "postgresql://nobody@127.0.0.1:1/nowhere"}
        self._look = psycopg.connect(self._url, autocommit=True)
        self._look.execute("CREATE TABLE rows (id int PRIMARY KEY, name text)")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Writer]:
        with contextlib.closing(psycopg.connect(self._url)) as connection, connection.transaction():
            yield Writer(connection)

    def left_on_server(self) -> list[str]:
        return [name for (name,) in self._look.execute(_MADE).fetchall()]

    def close(self) -> None:
        self._look.close()


@pytest.fixture
def driver(postgres: str) -> Iterator[Driver]:
    name = f"m_{uuid.uuid4().hex[:10]}"
    with contextlib.closing(psycopg.connect(postgres, autocommit=True)) as server:
        server.execute(f"CREATE DATABASE {name}")
        driver = Driver(postgres, name)
        yield driver
        driver.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestPostgres(SourceContract):
    @pytest.fixture
    def driver(self, driver: Driver) -> Driver:
        return driver


OF_SNAPSHOTS = [
    name
    for name, test in inspect.getmembers(SourceContract, inspect.isfunction)
    if name.startswith("test_") and "snapshots" in inspect.signature(test).parameters
]


@pytest.mark.parametrize("test", OF_SNAPSHOTS)
def test_three_readers_of_a_chunk_keep_the_contract_too(driver, tmp_path, monkeypatch, test):
    """In chunks of three rows and more, once the first one has told how wide rows are."""
    monkeypatch.setattr("connectors.postgres.readers.BYTES_WORTH", 1)
    driver.options["snapshot"] = {"readers": 3}
    connector = Connector(driver, tmp_path)
    given = {"driver": driver, "connector": connector, "size": 3, "snapshots": seven_rows(driver, connector)}
    run = getattr(SourceContract(), test)
    try:
        run(**{name: given[name] for name in inspect.signature(run).parameters})
    finally:
        given["snapshots"][1].close()
        connector.close()


class LosesARowAtRestarts(PostgresSource):
    def open(self, resume):
        self._lost = resume is None
        return super().open(resume)

    def read(self, timeout):
        batch = super().read(timeout)
        if batch is None or self._lost or not batch.events:
            return batch
        self._lost = True
        return batch._replace(events=batch.events[1:])


class StartsOverAtRestarts(PostgresSource):
    first = None

    def open(self, resume):
        type(self).first = type(self).first or super().open(None)
        return super().open(resume._replace(position=self.first)) if resume else self.first


class SplitsAnywhere(PostgresSource):
    def read(self, timeout):
        batch = super().read(timeout)
        return batch and batch._replace(boundary=False)


class CountsFromOne(PostgresSource):
    def read(self, timeout):
        batch = super().read(timeout)
        return batch and batch._replace(events=[replace(e, ordinal=e.ordinal + 1) for e in batch.events])


class ShowsOldRowsOfInserts(PostgresSource):
    def read(self, timeout):
        batch = super().read(timeout)
        return batch and batch._replace(events=[replace(e, before=e.after) for e in batch.events])


class NeverCloses(PostgresSource):
    def close(self):
        pass


class ReadsAgain(PostgresSnapshots):
    def read_chunk(self, *arguments):
        chunk = super().read_chunk(*arguments)
        return replace(chunk, last_key=self.key_text(chunk.rows[0])) if chunk.rows else chunk


class SeesEverything(PostgresSnapshots):
    def read_chunk(self, *arguments):
        return replace(super().read_chunk(*arguments), sees=lambda _: True)


class MarksEverywhere(PostgresSnapshots):
    def mark(self):
        return replace(super().mark(), lsn=0)


def source_with(reader):
    class Source(PostgresSource):
        def snapshots(self):
            snapshots = super().snapshots()
            snapshots.__class__ = reader
            self._resources.callback(snapshots.close)
            return snapshots

    Source.__name__ = reader.__name__
    return Source


FAULTS = {
    LosesARowAtRestarts: "test_a_restart_at_any_boundary_repeats_and_loses_nothing",
    StartsOverAtRestarts: "test_a_restart_inside_a_transaction_repeats_and_loses_nothing",
    SplitsAnywhere: "test_batches_end_at_boundaries_and_positions_only_rise",
    CountsFromOne: "test_ordinals_count_the_rows_of_a_transaction",
    ShowsOldRowsOfInserts: "test_an_insert_has_the_new_row",
    NeverCloses: "test_close_lets_go_of_everything_and_may_be_called_again",
    source_with(ReadsAgain): "test_chunks_cover_the_table_once_and_in_key_order",
    source_with(SeesEverything): "test_a_chunk_sees_exactly_what_was_committed_before_it",
    source_with(MarksEverywhere): "test_a_mark_is_reached_after_what_was_committed_before_it",
}


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_the_suite_finds_a_fault(driver, tmp_path, monkeypatch, fault, test):
    monkeypatch.setattr("connect.testing.source_tail.PATIENCE", 2.0)
    driver.plugin = replace(PLUGIN, build=fault)
    connector = Connector(driver, tmp_path)
    given = {
        "driver": lambda: driver,
        "connector": lambda: connector,
        "size": lambda: 2,
        "history": lambda: five_transactions(driver, connector),
        "snapshots": lambda: seven_rows(driver, connector),
    }
    run = getattr(SourceContract(), test)
    try:
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            run(**{name: given[name]() for name in inspect.signature(run).parameters})
    finally:
        for source in connector._sources:
            PostgresSource.close(source)
        connector.remove()
