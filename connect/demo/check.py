"""Holds the topics against the ledger, change by change, and the targets against the source, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg
from psycopg import sql

from connect.demo.verdict import Change, Verdict, differing
from connect.record import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connect.demo.verdict import Histories, Key
    from connect.record import SinkRecord

TABLES: Final = (
    "public.customers",
    "public.addresses",
    "public.categories",
    "public.products",
    "public.warehouses",
    "public.stock",
    "public.coupons",
    "public.orders",
    "public.order_items",
    "public.audit_log",
    "billing.invoices",
    "billing.payments",
)
KEYLESS: Final = frozenset({"public.audit_log"})
INDEXED: Final = ("public.customers", "public.products", "public.orders")
_CHANGES: Final = frozenset({Op.CREATE, Op.UPDATE, Op.DELETE})


@dataclass
class TableResult(Verdict):
    """What was found of one table: its changes, and its rows in the targets."""

    source_rows: int = 0
    sql_rows: int = 0
    index_rows: int | None = None
    differing: int = 0


@dataclass
class Result:
    """What was found of all of them."""

    tables: dict[str, TableResult] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """The sum of one figure over the tables."""
        return sum(getattr(table, name) or 0 for table in self.tables.values())

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing repeated, nothing out of order, nothing different."""
        return not any(self.total(name) for name in ("lost", "repeated", "disordered", "differing"))


def ledger(connection: psycopg.Connection[Any]) -> dict[str, Histories]:
    """What the monolith did, by table; a change's number stands for its row."""
    made: dict[str, Histories] = defaultdict(lambda: defaultdict(list))
    query = "SELECT table_name, key::text, n, op::text FROM ledger.changes ORDER BY table_name, key, n, id"
    for table, key, n, op in connection.execute(query):
        made[table][_key(orjson.loads(key))].append(Change(op, None if op == "d" else (str(n),)))
    return made


def topics(records: Iterable[SinkRecord], saw: Callable[[int], None]) -> tuple[dict[str, Histories], Counter[str]]:
    """What the topics hold: changes by table, and the times that each event of a keyless table was met."""
    found: dict[str, Histories] = defaultdict(lambda: defaultdict(list))
    events: Counter[str] = Counter()
    for number, record in enumerate(records):
        if number % 1000 == 0:
            saw(number)
        table = str(record.table)
        if table in KEYLESS:
            events[record.after["event"] if record.after else ""] += 1
        elif record.op in _CHANGES and not record.tombstone and record.key is not None:
            row = (str(record.after["lock_version"]),) if record.after is not None else None
            found[table][_key(record.key.key)].append(Change(record.op.value, row))
    return found, events


def _key(key: Iterable[Any]) -> Key:
    return tuple(str(part) for part in key)


def compare_events(result: TableResult, made: Histories, found: Counter[str]) -> None:
    """The same for a table without a key, whose rows have a number of their own; the fill is not in the ledger."""
    for (event,) in made:
        assert event is not None  # noqa: S101 - the ledger's key
        result.made += 1
        result.found += found[event] > 0
        result.lost += found[event] == 0
    result.repeated += sum(times - 1 for times in found.values() if times > 1)


def compare_rows(
    result: TableResult, table: str, source: psycopg.Connection[Any], target: psycopg.Connection[Any]
) -> None:
    """Every column of every row of the source beside the SQL target's, as text."""
    columns = _columns(source, table)
    here = list(_rows(source, sql.Identifier(*table.split(".")), columns))
    there = list(_rows(target, sql.Identifier(table.split(".")[1]), columns))
    result.source_rows, result.sql_rows = len(here), len(there)
    result.differing += differing(here, there)


def _columns(source: psycopg.Connection[Any], table: str) -> list[tuple[str, bool]]:
    """Names in table order, and whether the column is a numeric of any scale."""
    query = (
        "SELECT column_name, data_type = 'numeric' AND numeric_scale IS NULL FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    )
    return list(source.execute(query, table.split(".")))


def _rows(
    connection: psycopg.Connection[Any], table: sql.Composable, columns: Sequence[tuple[str, bool]]
) -> Iterator[tuple[Any, ...]]:
    fields = sql.SQL(", ").join(_text(sql.Identifier(name), any_scale=any_scale) for name, any_scale in columns)
    with connection.cursor() as cursor:
        yield from cursor.execute(sql.SQL("SELECT {} FROM {}").format(fields, table))


def _text(column: sql.Identifier, *, any_scale: bool) -> sql.Composable:
    """As the server prints the value, which a cast to text does not for every type; 1.50 and 1.5 are one number."""
    value = sql.SQL("trim_scale({})").format(column) if any_scale else column
    return sql.SQL("CASE WHEN {} IS NOT NULL THEN format('%s', {}) END").format(column, value)
