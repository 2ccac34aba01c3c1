"""Any history of changes, cut into any batches, gives the table that one change at a time gives (F127, K3, K4)."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connect.api import SinkContext, TopicPartition
from connect.record import UNAVAILABLE, Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql.sink import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TABLE = TableId("public", "t")
TEXT = Type(Kind.STRING)
COLUMNS = (Field("id", Type(Kind.INT32), optional=False), Field("a", TEXT), Field("b", TEXT))
SCHEMA = TableSchema(TABLE, COLUMNS, ("id",))
NARROW = TableSchema(TABLE, COLUMNS[:2], ("id",))  # before column b was added
KEY = TableSchema(TABLE, COLUMNS[:1], ("id",))
_topics = itertools.count()

KEYS = st.integers(1, 4)
VALUES = st.sampled_from([None, "x", "y", "z"])
CHANGES = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES, VALUES),
    st.tuples(st.just("put"), KEYS, VALUES, st.just(UNAVAILABLE)),
    st.tuples(st.just("put"), KEYS, st.just(UNAVAILABLE), st.just(UNAVAILABLE)),
    st.tuples(st.just("narrow"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("tombstone"), KEYS),
    st.just(("clear",)),
)
HISTORIES = st.lists(st.lists(CHANGES, min_size=1, max_size=8), min_size=1, max_size=6)


def model(changes: Sequence[tuple[Any, ...]]) -> tuple[dict[int, dict[str, Any]], set[int]]:
    """The rows that the changes leave one by one, and the keys that wait for a whole row."""
    rows: dict[int, dict[str, Any]] = {}
    waiting: set[int] = set()
    for what, *arguments in changes:
        if what == "clear":
            rows, waiting = {}, set()
            continue
        key, *values = arguments
        if what in {"delete", "tombstone"}:
            rows.pop(key, None)
            waiting.discard(key)
            continue
        given_values = {name: value for name, value in zip("ab", values, strict=False) if value is not UNAVAILABLE}
        if UNAVAILABLE not in values:
            waiting.discard(key)
        elif key not in rows:
            waiting.add(key)
        rows[key] = {"a": None, "b": None} | rows.get(key, {}) | given_values
    return rows, waiting


def record(topic: str, offset: int, change: tuple[Any, ...]) -> SinkRecord:
    what, *arguments = change
    if what == "clear":
        return SinkRecord(topic, 0, offset, 0, Op.TRUNCATE, None, None, None, TABLE)
    key = plain_row(KEY, arguments[:1])
    if what in {"delete", "tombstone"}:
        return SinkRecord(topic, 0, offset, 0, Op.DELETE, key, None, None, TABLE, tombstone=what == "tombstone")
    after = plain_row(NARROW if what == "narrow" else SCHEMA, arguments)
    return SinkRecord(topic, 0, offset, 0, Op.UPDATE, key, None, after, TABLE)


def check(config: SqlConfig, history: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    topic = f"t{next(_topics)}"
    partition = TopicPartition(topic, "id", 0)
    sink = PLUGIN.build(config, SinkContext(topic, "g", lambda _: SqlTarget()))
    offset, waiting = 0, 0
    try:
        sink.open([partition])
        for batch in history:
            records = [record(topic, offset + i, change) for i, change in enumerate(batch)]
            offset += len(batch)
            result = sink.write(records, {partition: offset}, frozenset())
            assert not result.failures
            waiting = result.incomplete
    finally:
        sink.close()
    expected, incomplete = model([change for batch in history for change in batch])
    assert rows_of(config, topic) == expected
    assert waiting == len(incomplete)


def rows_of(config: SqlConfig, table: str) -> dict[int, dict[str, Any]]:
    database = connect(config, "test")
    try:
        described = database.describe(table)
        if described is None:
            return {}
        names = [name for name in ("id", "a", "b") if name in described.columns]
        found = [
            dict(zip(names, row, strict=True))
            for row in database.rows(f"SELECT {', '.join(names)} FROM {database.place(table)}")
        ]
    finally:
        database.close()
    return {row["id"]: {"a": row.get("a"), "b": row.get("b")} for row in found}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqlConfig:
    path: Path = tmp_path_factory.mktemp("sql") / "target.db"
    return SqlConfig(url=f"sqlite:///{path}")


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> Iterator[SqlConfig]:
    url = os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA g_property")
        yield SqlConfig(url=url, schema="g_property")
        connection.execute("DROP SCHEMA g_property CASCADE")


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def mysql(request: pytest.FixtureRequest) -> Iterator[SqlConfig]:
    kind = request.param
    url = os.environ.get(f"CONNECT_TEST_{kind.upper()}") or str(getattr(request.getfixturevalue("stack"), kind).address)
    server = urlsplit(url)
    root = {"host": server.hostname, "port": server.port, "user": server.username, "password": server.password or ""}
    with pymysql.connect(**root) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE k_property CHARACTER SET utf8mb4")
        yield SqlConfig(url=server._replace(path="/k_property").geturl())
        cursor.execute("DROP DATABASE k_property")


@settings(max_examples=60)
@given(HISTORIES)
def test_F127_any_cut_of_a_history_gives_the_same_rows_on_sqlite(
    sqlite: SqlConfig, history: list[list[tuple[Any, ...]]]
) -> None:
    check(sqlite, history)


@pytest.mark.stack
@settings(max_examples=40)
@given(HISTORIES)
def test_F127_any_cut_of_a_history_gives_the_same_rows_on_postgres(
    postgres: SqlConfig, history: list[list[tuple[Any, ...]]]
) -> None:
    check(postgres, history)


@pytest.mark.stack
@settings(max_examples=20)
@given(HISTORIES)
def test_F127_any_cut_of_a_history_gives_the_same_rows_on_mysql_and_mariadb(
    mysql: SqlConfig, history: list[list[tuple[Any, ...]]]
) -> None:
    check(mysql, history)
