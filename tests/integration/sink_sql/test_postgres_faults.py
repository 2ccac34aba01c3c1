"""The SQL sink on a real Postgres when the world is against it: no Kafka, so each fault is exact."""

from __future__ import annotations

import select
import socket
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from connect.api import SinkContext, TopicPartition, WriteResult
from connect.errors import ConnectError, Failed, Fenced, Retriable
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql import postgres as postgres_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sql.sink import SqlSink

TABLE = TableId("public", "orders")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))


def changed(url: str, **parts: Any) -> str:
    """The URL of a server with other parts."""
    known = {**conninfo_to_dict(url), **parts}
    password = f":{known['password']}" if "password" in known else ""
    return f"postgresql://{known['user']}{password}@{known['host']}:{known['port']}/{known['dbname']}"


class Target:
    """A schema of its own; sinks that fill it, each under a connector's name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.schema = f"g_{uuid.uuid4().hex[:10]}"
        self.sql = psycopg.connect(url, autocommit=True)
        self.sql.execute(f"CREATE SCHEMA {self.schema}")
        self.sql.execute(f"SET search_path = {self.schema}")
        self.columns = COLUMNS
        self.offset = 0
        self._sinks: list[SqlSink] = []

    def sink(self, name: str = "warehouse", table: str = "{table}", url: str = "") -> SqlSink:
        context = SinkContext(name, self.schema, lambda _: SqlTarget(table=table))
        sink: SqlSink = PLUGIN.build(SqlConfig(url=url or self.url, schema=self.schema), context)
        self._sinks.append(sink)
        return sink

    def open(self, *names: str, table: str = "{table}") -> SqlSink:
        sink = self.sink(*names, table=table)
        sink.open([self.partition])
        return sink

    partition = TopicPartition("shop.public.orders", "id", 0)

    def put(self, *values: Any) -> SinkRecord:
        key = plain_row(TableSchema(TABLE, COLUMNS[:1], ("id",)), values[:1])
        after = plain_row(TableSchema(TABLE, self.columns, ("id",)), values)
        self.offset += 1
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.UPDATE, key, None, after, TABLE)

    def delete(self, number: int) -> SinkRecord:
        self.offset += 1
        key = plain_row(TableSchema(TABLE, COLUMNS[:1], ("id",)), (number,))
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.DELETE, key, None, None, TABLE)

    def position(self) -> int:
        [(offset,)] = self.sql.execute("SELECT next_offset FROM connect_positions").fetchall()
        return int(offset)

    def truncate(self) -> SinkRecord:
        self.offset += 1
        return SinkRecord(self.partition.topic, 0, self.offset - 1, 0, Op.TRUNCATE, None, None, None, TABLE)

    def slow(self, what: str) -> None:
        """Every statement of this kind on the table takes longer than a sink of ``impatient`` waits."""
        body = "'BEGIN PERFORM pg_sleep(2); RETURN NULL; END'"
        self.sql.execute(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS {body}")
        self.sql.execute(f"CREATE TRIGGER slow BEFORE {what} ON orders EXECUTE FUNCTION slow()")

    def write(self, sink: SqlSink, *records: SinkRecord) -> WriteResult:
        return sink.write(records, {self.partition: records[-1].offset + 1}, frozenset())

    def rows(self, table: str = "orders") -> list[tuple[Any, ...]]:
        return self.sql.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
        self.sql.execute(f"DROP SCHEMA {self.schema} CASCADE")
        self.sql.close()


@pytest.fixture
def target(postgres: str) -> Iterator[Target]:
    made = Target(postgres)
    yield made
    made.close()


class Proxy:
    """Passes bytes on, until an answer that ends a COMMIT comes after ``eat``: that one is lost with the connection."""

    def __init__(self, url: str) -> None:
        server = conninfo_to_dict(url)
        self._to = (str(server["host"]), int(server["port"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = changed(url, port=self._listener.getsockname()[1])
        self.eat = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy")
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(self._to) as server:
                    self._pass(client, server)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            for readable in select.select([client, server], [], [])[0]:
                data = readable.recv(65536)
                if not data or (readable is server and self.eat.is_set() and b"COMMIT\0" in data):
                    return
                (server if readable is client else client).sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def test_F130_a_commit_whose_answer_is_lost_is_found_and_not_repeated(target: Target) -> None:
    proxy = Proxy(target.url)
    try:
        sink = target.sink(url=proxy.url)
        sink.open([target.partition])
        target.write(sink, target.put(1, "a"))
        proxy.eat.set()
        with pytest.raises(Retriable) as caught:
            target.write(sink, target.put(2, "b"))
        sink.close()
    finally:
        proxy.close()
    assert caught.value.code == "target_unreachable"
    assert target.sink().open([target.partition]) == {target.partition: 2}
    assert target.rows() == [(1, "a"), (2, "b")]


def test_F131_a_zombie_whose_transaction_was_open_writes_nothing_after_the_hand_over(target: Target) -> None:
    old = target.open()
    target.write(old, target.put(1, "a"))
    target.write(target.open(), target.put(1, "new owner"))
    with pytest.raises(Fenced):
        target.write(old, target.put(1, "zombie"))
    assert target.rows() == [(1, "new owner")]


def test_F134_a_deadlock_is_retriable_and_the_batch_is_whole_afterwards(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"), target.put(2, "b"))
    with psycopg.connect(target.url) as other:
        other.execute(f"SET search_path = {target.schema}")
        other.execute("SET deadlock_timeout = '1h'")  # so that the sink is the one that gives way
        other.execute("SELECT FROM orders WHERE id = 2 FOR UPDATE")
        crossing = threading.Timer(0.3, other.execute, ["SELECT FROM orders WHERE id = 1 FOR UPDATE"])
        crossing.start()
        with pytest.raises(Retriable) as caught:
            target.write(sink, target.put(1, "c"), target.put(2, "d"))
        crossing.join()
        other.rollback()
    assert caught.value.code == "target_conflict"
    assert sink.open([target.partition]) == {target.partition: 2}
    target.offset = 2
    target.write(sink, target.put(1, "c"), target.put(2, "d"))
    assert target.rows() == [(1, "c"), (2, "d")]


def test_F135_sinks_that_make_their_tables_at_once_do_not_hinder_each_other(target: Target) -> None:
    errors: list[ConnectError] = []

    def work(number: int) -> None:
        try:
            sink = target.open(f"sink{number}", table=f"t{number}")
            target.write(sink, target.put(number, "a"))
        except ConnectError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert [target.rows(f"t{number}") for number in range(4)] == [[(number, "a")] for number in range(4)]


def test_F136_a_not_null_that_somebody_added_is_named_and_no_row_is_blamed(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.sql.execute("ALTER TABLE orders ALTER COLUMN name SET NOT NULL")
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(2, None))
    assert caught.value.code == "target_column"
    assert "orders.name" in str(caught.value)
    assert 'ALTER TABLE "orders" ALTER COLUMN "name" DROP NOT NULL' in caught.value.hint


def test_invariant_4_a_target_swapped_while_the_sink_runs_gets_no_row(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.sql.execute("ALTER TABLE orders RENAME TO old")
    target.sql.execute("CREATE TABLE orders (id bigint PRIMARY KEY, name text)")
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(2, "b"))
    assert caught.value.code == "target_missing"
    assert target.rows() == []


@pytest.fixture(params=["made by the sink", "adopted"])
def swapped(request: pytest.FixtureRequest, target: Target) -> SqlSink:
    """A sink that has written a row, and whose table was swapped for another one of the same columns since."""
    columns = "(id bigint PRIMARY KEY, name text)"
    if request.param == "adopted":
        target.sql.execute(f"CREATE TABLE orders {columns}")
    sink = target.open()
    target.write(sink, target.put(0, "a"))
    target.sql.execute(f"CREATE TABLE copy {columns}")
    target.sql.execute("INSERT INTO copy VALUES (0, 'theirs')")
    target.sql.execute("ALTER TABLE orders RENAME TO old")
    target.sql.execute("ALTER TABLE copy RENAME TO orders")
    return sink


@pytest.mark.parametrize("rows", [1, 600])  # by a stage, and straight by COPY
def test_invariant_4_rows_for_a_swapped_target_are_not_written(target: Target, swapped: SqlSink, rows: int) -> None:
    with pytest.raises(Failed) as caught:
        target.write(swapped, *(target.put(number, "b") for number in range(1, rows + 1)))
    assert caught.value.code in {"target_changed", "target_missing"}
    assert target.rows() == [(0, "theirs")]
    assert target.position() == 1


def test_invariant_4_a_delete_for_a_swapped_target_is_not_done(target: Target, swapped: SqlSink) -> None:
    with pytest.raises(Failed) as caught:
        target.write(swapped, target.delete(0))
    assert caught.value.code == "target_changed"
    assert target.rows() == [(0, "theirs")]
    assert target.position() == 1


def test_invariant_4_a_truncate_for_a_swapped_target_is_not_done(target: Target, swapped: SqlSink) -> None:
    with pytest.raises(Failed) as caught:
        target.write(swapped, target.truncate())
    assert caught.value.code == "target_changed"
    assert target.rows() == [(0, "theirs")]


def test_a_batch_is_confirmed_by_one_statement_for_all_its_tables(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    said: list[str] = []
    rows = postgres_target.PostgresDatabase.rows

    def spy(database: Any, sql: str, *parameters: Any) -> Any:
        said.append(sql)
        return rows(database, sql, *parameters)

    monkeypatch.setattr(postgres_target.PostgresDatabase, "rows", spy)
    target.write(sink, *(target.put(number, "b") for number in range(100)))
    assert len([sql for sql in said if "pg_constraint" in sql]) == 1


def test_another_table_option_is_refused_and_the_old_table_not_continued(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    with pytest.raises(Failed) as caught:
        target.open(table="new_{table}")
    assert caught.value.code == "target_changed"
    assert "connect rebuild warehouse FILE" in caught.value.hint


def test_F137_a_name_that_postgres_would_cut_is_refused(target: Target) -> None:
    with pytest.raises(Failed) as caught:
        target.write(target.open(table="x" * 64), target.put(1, "a"))
    assert caught.value.code == "name_too_long"


def test_F132_the_refused_column_is_named_without_its_value(target: Target) -> None:
    target.sql.execute("CREATE TYPE mood AS ENUM ('good')")
    target.sql.execute("CREATE TABLE orders (id bigint PRIMARY KEY, name mood)")
    result = target.write(target.open(), target.put(1, "good"), target.put(2, "secret"))
    [failure] = result.failures
    assert failure.index == 1
    assert failure.error == "InvalidTextRepresentation (22P02) at column name"


def test_the_constraint_that_refuses_a_row_is_named_without_its_value(target: Target) -> None:
    target.sql.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text CONSTRAINT short CHECK (length(name) < 5))"
    )
    result = target.write(target.open(), target.put(1, "good"), target.put(2, "secret"))
    assert [failure.error for failure in result.failures] == ["CheckViolation (23514) by constraint short"]


def test_columns_whose_names_differ_by_case_only_are_two_columns(target: Target) -> None:
    target.columns = (*COLUMNS, Field("Name", Type(Kind.STRING)))
    target.write(target.open(), target.put(1, "a", "b"))
    assert target.rows() == [(1, "a", "b")]


def test_F194_a_time_of_mysql_that_no_day_has_is_kept_by_an_interval_alone(target: Target) -> None:
    target.columns = (COLUMNS[0], Field("at", Type(Kind.INT64, "io.debezium.time.MicroTime", 1)))
    late, early = target.put(1, 3_020_399_000_000), target.put(2, -1)
    result = target.write(target.open(), late, early)
    assert {failure.error for failure in result.failures} == {
        "column at: a time below 00:00 or above 24:00; an interval column would keep it"
    }
    target.sql.execute("ALTER TABLE orders ALTER COLUMN at TYPE interval")
    assert not target.write(target.open(), late, early).failures
    assert target.sql.execute("SELECT at::text FROM orders ORDER BY id").fetchall() == [
        ("838:59:59",),
        ("-00:00:00.000001",),
    ]


def test_a_database_that_does_not_exist_is_failed_and_not_retried(target: Target) -> None:
    with pytest.raises(Failed) as caught:
        target.sink(url=changed(target.url, dbname="no_such_database")).open([target.partition])
    assert caught.value.code == "target_database"


def test_a_user_that_does_not_exist_is_failed_and_not_retried(target: Target) -> None:
    with pytest.raises(Failed) as caught:
        target.sink(url=changed(target.url, user="nobody_of_that_name")).open([target.partition])
    assert caught.value.code == "target_credentials"


def test_a_server_that_is_not_there_is_retriable(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Retriable) as caught:
        target.sink(url=changed(target.url, port=port)).open([target.partition])
    assert caught.value.code == "target_unreachable"


def test_preflight_names_the_missing_right_and_the_grant(target: Target) -> None:
    user = target.schema
    target.sql.execute(f"CREATE ROLE {user} LOGIN")
    try:
        config = SqlConfig(url=changed(target.url, user=user), schema=user)
        findings = list(PLUGIN.preflight(config, SinkContext("w", "g", lambda _: SqlTarget())))
        assert f'GRANT USAGE, CREATE ON SCHEMA "{user}" TO "{user}";' in [finding.remedy for finding in findings]
    finally:
        target.sql.execute(f"DROP ROLE {user}")


def test_preflight_names_a_table_that_is_gone_unless_its_topic_is_read_no_more(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    target.sql.execute(f"DROP TABLE {target.schema}.orders")
    config = SqlConfig(url=target.url, schema=target.schema)

    def gone(targets: dict[str, SqlTarget]) -> list[str]:
        found = PLUGIN.preflight(config, SinkContext("warehouse", target.schema, targets.__getitem__))
        return [finding.message for finding in found if "is gone" in finding.message]

    assert gone({target.partition.topic: SqlTarget()}) == ["table orders, a target of the sink, is gone"]
    assert gone({}) == []


def test_rebuild_drops_the_tables_and_the_next_start_is_at_0(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    context = SinkContext("warehouse", target.schema, lambda _: SqlTarget())
    done = list(PLUGIN.rebuild(SqlConfig(url=target.url, schema=target.schema), context))
    assert done == ["Dropped table orders of topic shop.public.orders.", "Forgot 1 stored positions."]
    assert target.sink().open([target.partition]) == {target.partition: 0}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks whose statements may take a second."""
    options = postgres_target._SETTINGS["options"]
    assert "statement_timeout=2min" in options
    monkeypatch.setitem(postgres_target._SETTINGS, "options", options.replace("timeout=2min", "timeout=1s"))


@pytest.mark.usefixtures("impatient")
def test_a_truncate_takes_as_long_as_it_takes(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.slow("DELETE")
    target.write(sink, target.truncate(), target.put(2, "b"))
    assert target.rows() == [(2, "b")]


@pytest.mark.usefixtures("impatient")
def test_what_follows_a_truncate_is_bounded_again(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.slow("INSERT")
    with pytest.raises(Retriable) as caught:
        target.write(sink, target.truncate(), target.put(2, "b"))
    assert caught.value.code == "target_conflict"
    assert target.rows() == [(1, "a")]
