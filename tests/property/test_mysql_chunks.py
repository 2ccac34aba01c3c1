"""Chunks of a table by its key: every row once, in order, wherever they are cut (rule N4)."""

import contextlib
import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from connect.schema.model import TableId
from connectors.mysql.chunk_sql import Reading, chunk_order, chunk_query, last_key
from connectors.mysql.columns import Column, TableDefinition

COLUMNS = (
    Column("n", "bigint", nullable=False),
    Column("b", "varbinary", length=9, nullable=False),
    Column("m", "int", nullable=False),
)
# Few values, so that keys agree in their first columns.
KEYS = st.tuples(st.integers(-3, 3), st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"\xff", b"'"]), st.integers(0, 5))
NAMES = st.permutations(["n", "b", "m"])


def reading(names):
    # A key over prefixes: the same SQL without MySQL's FORCE INDEX, so that SQLite can be the server.
    definition = TableDefinition(TableId("s", "t"), COLUMNS, tuple(names), (), None, "InnoDB")
    return Reading(definition, chunk_order(definition), None, mariadb=False, max_ms=0)


@contextlib.contextmanager
def table(rows):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("ATTACH ':memory:' AS s")
        connection.execute("CREATE TABLE s.t (n INTEGER, b BLOB, m INTEGER)")
        connection.executemany("INSERT INTO s.t VALUES (?, ?, ?)", rows)
        yield connection


def cells(row):
    return [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]


@given(st.sets(KEYS), NAMES, st.integers(1, 7))
def test_N4_chunks_of_any_size_give_every_row_once_in_the_order_of_the_key(rows, names, size):
    by_name = {column.name: i for i, column in enumerate(COLUMNS)}
    how, after, found = reading(names), None, []
    with table(rows) as connection:
        while chunk := connection.execute(chunk_query(how, after, size)).fetchall():
            assert len(chunk) <= size
            found += chunk
            after = last_key(how.definition, how.order, cells(chunk[-1]))
    assert found == sorted(rows, key=lambda row: [row[by_name[name]] for name in names])


@given(st.binary(max_size=20))
def test_F168_any_bytes_of_a_key_stay_a_constant(value):
    column = Column("k", "varchar", charset="latin1", nullable=False)
    definition = TableDefinition(TableId("s", "t"), (column,), ("k",), (), None, "InnoDB")
    key = last_key(definition, ("k",), [value])
    query = chunk_query(Reading(definition, ("k",), None, mariadb=False, max_ms=0), key, 1)
    assert f"`k` > _latin1 x'{value.hex()}'" in query
    assert query.isascii()
