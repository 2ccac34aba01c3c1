"""The tables that are filled, and how: each by its columns and an expression of ``i``, the row's number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence

Column = tuple[str, str, str]


@dataclass(frozen=True)
class Table:
    """Columns are (name, type, expression of ``i``); the first is the key."""

    columns: Sequence[Column]
    name: str = "orders"

    def create(self, name: str | None = None) -> str:
        columns = ", ".join(f"{column} {kind}" for column, kind, _ in self.columns)
        return f"CREATE TABLE {name or self.name} ({columns}, PRIMARY KEY ({self.columns[0][0]}))"

    def select(self) -> str:
        """The expressions, to stand before ``FROM generate_series(…) i``."""
        return ", ".join(expression for _, _, expression in self.columns)


NARROW: Final = Table(
    (
        ("id", "bigint", "i"),
        ("customer", "bigint NOT NULL", "i % 1000"),
        ("status", "text NOT NULL", "'placed'"),
        ("total", "numeric(12,2) NOT NULL", "i / 100.0"),
        ("placed", "timestamptz NOT NULL", "now()"),
        ("note", "text", "'note number ' || i"),
        ("paid", "boolean NOT NULL", "i % 2 = 0"),
        ("weight", "float8 NOT NULL", "i / 7.0"),
    )
)
_KINDS: Final = (
    ("bigint", "i"),
    ("text", "'text number ' || i"),
    ("numeric(12,2)", "i / 100.0"),
    ("timestamptz", "now()"),
    ("boolean", "i % 2 = 0"),
    ("float8", "i / 7.0"),
)
WIDE: Final = Table(
    (("id", "bigint", "i"), *((f"c{n}", *_KINDS[n % len(_KINDS)]) for n in range(1, 60))),
)
TEN_KB: Final = Table(
    (
        ("id", "bigint", "i"),
        ("payload", "text", "(SELECT string_agg(md5((i * 1000 + n)::text), '') FROM generate_series(1, 313) n)"),
    )
)


def fill(url: str, table: Table, rows: int, transaction: int, *, name: str | None = None, first: int = 1) -> None:
    """``rows`` rows in transactions of so many rows, written by the server itself."""
    last = first + rows - 1
    text = f"""DO $$ BEGIN FOR start IN {first}..{last} BY {transaction} LOOP
      INSERT INTO {name or table.name} SELECT {table.select()}
      FROM generate_series(start, least(start + {transaction - 1}, {last})) i;
      COMMIT;
    END LOOP; END $$"""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(text.encode())
        connection.execute("CHECKPOINT")  # all of it is on disk, and no checkpoint comes in between later


def value(connection: psycopg.Connection[Any], query: str) -> Any:
    """The one value of a query; None if there is no row."""
    row = connection.execute(query.encode()).fetchone()
    return row and row[0]
