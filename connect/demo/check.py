"""Holds the topics against the ledger, change by change, and the targets against the source, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from connect.demo.verdict import Change, Verdict, differing
from connect.record import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connect.demo.origin import Connection
    from connect.demo.verdict import Histories, Key, Row
    from connect.record import SinkRecord

KEYLESS: Final = frozenset({"audit_log"})
INDEXED: Final = ("customers", "products", "orders")
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


def ledger(connection: Connection) -> dict[str, Histories]:
    """What the monolith did, by table; a change's number stands for its row."""
    made: dict[str, Histories] = defaultdict(lambda: defaultdict(list))
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT table_name, row_key, n, op FROM ledger.changes ORDER BY table_name, row_key, n, id")
        for table, key, n, op in cursor.fetchall():
            made[table][key_texts(orjson.loads(key))].append(Change(op, None if op == "d" else (str(n),)))
    return made


def topics(records: Iterable[SinkRecord], saw: Callable[[int], None]) -> tuple[dict[str, Histories], Counter[str]]:
    """What the topics hold: changes by table, and the times that each event of a keyless table was met."""
    found: dict[str, Histories] = defaultdict(lambda: defaultdict(list))
    events: Counter[str] = Counter()
    for number, record in enumerate(records):
        if number % 1000 == 0:
            saw(number)
        table = str(record.table)
        if record.table.name in KEYLESS:
            events[_text(record.after["event"]) if record.after else ""] += 1
        elif record.op in _CHANGES and not record.tombstone and record.key is not None:
            row = (str(record.after["lock_version"]),) if record.after is not None else None
            found[table][key_texts(record.key.key)].append(Change(record.op.value, row))
    return found, events


def key_texts(key: Iterable[Any]) -> Key:
    """A key as it is compared, of the ledger, of a topic or of a table."""
    return tuple(_text(part) for part in key)


def _text(value: Any) -> str:
    """The bytes in these keys are UUIDs, as the ledger writes them."""
    return str(UUID(bytes=value)) if isinstance(value, bytes) else str(value)


def compare_events(result: TableResult, made: Histories, found: Counter[str]) -> None:
    """The same for a table without a key, whose rows have a number of their own; the fill is not in the ledger."""
    for (event,) in made:
        assert event is not None  # noqa: S101 - the ledger's key
        result.made += 1
        result.found += found[event] > 0
        result.lost += found[event] == 0
    result.repeated += sum(times - 1 for times in found.values() if times > 1)


def compare_rows(result: TableResult, source: Iterable[Row], target: Iterable[Row]) -> None:
    """Every column of every row of the source beside the SQL target's, as text."""
    here, there = list(source), list(target)
    result.source_rows, result.sql_rows = len(here), len(there)
    result.differing += differing(here, there)
