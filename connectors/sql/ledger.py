"""The sink's own tables in the target: who owns it, next offsets, targets, rows that wait for columns (K1, K2)."""

# ruff: noqa: S608 - names are quoted by `quote`, values are parameters

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final, NamedTuple

from connect.api import TopicPartition, readable
from connect.errors import Failed, Fenced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.sql.changes import Key
    from connectors.sql.database import Database

VERSION: Final = 1
# {key} and {text} are the dialect's types of texts.
TABLES: Final = {
    "connect_sinks": "connector {key} PRIMARY KEY, epoch BIGINT NOT NULL, version INTEGER NOT NULL",
    "connect_positions": 'connector {key}, topic {key}, "partition" INTEGER, topic_id {text} NOT NULL,'
    ' next_offset BIGINT NOT NULL, PRIMARY KEY (connector, topic, "partition")',
    "connect_targets": "connector {key}, topic {key}, table_name {key} NOT NULL, identity {text} NOT NULL,"
    " made BOOLEAN NOT NULL, row_key {text} NOT NULL, columns {text} NOT NULL, PRIMARY KEY (connector, topic),"
    " UNIQUE (table_name)",
    "connect_incomplete": "connector {key}, topic {key}, row_key {key}, PRIMARY KEY (connector, topic, row_key)",
}
_AT_ONCE: Final = 300
_LONGEST_KEY: Final = 255  # characters of a key's text in connect_incomplete


class TargetRow(NamedTuple):
    """What is remembered of a topic's target.

    Attributes:
        table: Its name.
        identity: Of the very table (invariant 4).
        made: This sink made it, so ``rebuild`` may drop it.
        key: Its key columns, in the order of the record's key.
        columns: Names that it had when the sink last looked: one that is gone was dropped by somebody. Without any
            the table is about to be made, and need not be there.
    """

    table: str
    identity: str
    made: bool
    key: tuple[str, ...]
    columns: tuple[str, ...]


class Ledger:
    """Reads and writes one connector's rows. Every method runs inside a transaction of the caller."""

    def __init__(self, database: Database, connector: str, epoch: int = 0) -> None:
        """``connector``: the sink's name with its worker group's; ``epoch``: under which it owned the target before."""
        self._db = database
        self._connector = connector
        self.epoch = epoch

    def make_tables(self) -> None:
        """Make what is missing of the bookkeeping; needs no right to make tables once they are there."""
        if self.exists():
            return
        self._db.lock_tables()
        for name, columns in TABLES.items():
            types = columns.format(key=self._db.dialect.key_text, text=self._db.dialect.long_text)
            self._db.ddl(f"CREATE TABLE IF NOT EXISTS {self._db.place(name)} ({types})")

    def exists(self) -> bool:
        """Whether the bookkeeping is there."""
        return all(self._db.describe(name) is not None for name in TABLES)

    def take_over(self) -> None:
        """Raise the epoch: every older owner's next transaction is refused (rules K2, F-1).

        Raises:
            Fenced: We owned it before, and another owner took over since: it is not taken back (rule F-3).
            Failed: ``state_is_newer``, with nothing changed.
        """
        self._check_version()
        if self.epoch:
            self.lock()
        sinks = self._db.place("connect_sinks")
        self._db.run(
            self._sql(
                f"INSERT INTO {sinks} (connector, epoch, version) VALUES (?, 0, {VERSION}){self._db.dialect.or_leave}"
            ),
            self._connector,
        )
        self._db.run(
            self._sql(f"UPDATE {sinks} SET epoch = epoch + 1, version = {VERSION} WHERE connector = ?"), self._connector
        )
        [(epoch,)] = self._db.rows(self._sql(f"SELECT epoch FROM {sinks} WHERE connector = ?"), self._connector)
        self.epoch = epoch

    def _check_version(self) -> None:
        sql = self._sql(f"SELECT version FROM {self._db.place('connect_sinks')} WHERE connector = ?")
        for (version,) in self._db.rows(sql, self._connector):
            readable(f"the state of sink {self._connector} in table connect_sinks", version, VERSION)

    def lock(self) -> None:
        """The first statement of each transaction that writes: we are still the owner, and stay it until its end.

        Raises:
            Fenced: Another owner took over (rule K2, F131).
        """
        sinks = self._db.place("connect_sinks")
        sql = self._sql(f"SELECT epoch FROM {sinks} WHERE connector = ?{self._db.dialect.locking}")
        found = self._db.rows(sql, self._connector)
        if found != [(self.epoch,)]:  # Invariant 4
            hint = "Another worker runs this sink; run one of them."
            raise Fenced(f"another owner of sink {self._connector} took over its target", hint=hint)

    def positions(self) -> dict[TopicPartition, int]:
        """Next offsets by partition."""
        sql = self._sql(
            'SELECT topic, topic_id, "partition", next_offset'
            f" FROM {self._db.place('connect_positions')} WHERE connector = ?"
        )
        return {TopicPartition(*row[:3]): row[3] for row in self._db.rows(sql, self._connector)}

    def begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Give partitions that were never seen their position: 0."""
        sql = self._sql(
            f"INSERT INTO {self._db.place('connect_positions')}"
            ' (connector, topic, topic_id, "partition", next_offset) VALUES (?, ?, ?, ?, 0)'
        )
        if partitions:
            self._db.run_each(sql, [(self._connector, *partition) for partition in partitions])

    def advance(self, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Move positions by compare-and-set, each from the offset that this task stored last (rule K2).

        Raises:
            Failed: ``position_changed``: somebody else wrote them.
        """
        if not moves:
            return
        sql = self._sql(
            f"UPDATE {self._db.place('connect_positions')} SET next_offset = ?"
            ' WHERE connector = ? AND topic = ? AND "partition" = ? AND topic_id = ? AND next_offset = ?'
        )
        rows = [(new, self._connector, tp.topic, tp.partition, tp.topic_id, old) for tp, (old, new) in moves.items()]
        if self._db.run_each(sql, rows) != len(rows):
            message = f"the stored position of sink {self._connector} is not the one that it wrote last"
            hint = "Somebody changed connect_positions while the sink ran; restart it to go on from what stands there."
            raise Failed("position_changed", message, hint=hint)

    def targets(self) -> dict[str, TargetRow]:
        """What is remembered of targets, by topic."""
        sql = self._sql(
            "SELECT topic, table_name, identity, made, row_key, columns"
            f" FROM {self._db.place('connect_targets')} WHERE connector = ?"
        )
        return {
            topic: TargetRow(table, identity, bool(made), tuple(json.loads(key)), tuple(json.loads(columns)))
            for topic, table, identity, made, key, columns in self._db.rows(sql, self._connector)
        }

    def keep_target(self, topic: str, row: TargetRow) -> None:
        """Remember a target, or what is new of it."""
        targets = self._db.place("connect_targets")
        values = (row.table, row.identity, row.made, json.dumps(row.key), json.dumps(row.columns))
        update = self._sql(
            f"UPDATE {targets} SET table_name = ?, identity = ?, made = ?, row_key = ?, columns = ?"
            " WHERE connector = ? AND topic = ?"
        )
        if not self._db.run(update, *values, self._connector, topic):
            insert = self._sql(
                f"INSERT INTO {targets} (table_name, identity, made, row_key, columns, connector, topic)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
            )
            self._db.run(insert, *values, self._connector, topic)

    def owner_of(self, table: str) -> tuple[str, str] | None:
        """The connector and topic whose target a table is."""
        sql = self._sql(f"SELECT connector, topic FROM {self._db.place('connect_targets')} WHERE table_name = ?")
        found = self._db.rows(sql, table)
        return (str(found[0][0]), str(found[0][1])) if found else None

    def incomplete(self) -> int:
        """How many rows wait for columns that the log did not carry (F138)."""
        sql = self._sql(f"SELECT count(*) FROM {self._db.place('connect_incomplete')} WHERE connector = ?")
        [(count,)] = self._db.rows(sql, self._connector)
        return int(count)

    def add_incomplete(self, topic: str, keys: Sequence[Key]) -> None:
        """Rows of these keys were inserted without all their columns."""
        place = self._db.place("connect_incomplete")
        for part in _parts(keys):
            rows = ", ".join(["(?, ?, ?)"] * len(part))
            sql = f"INSERT INTO {place} (connector, topic, row_key) VALUES {rows}{self._db.dialect.or_leave}"
            self._db.run(self._sql(sql), *(value for key in part for value in (self._connector, topic, key_text(key))))

    def drop_incomplete(self, topic: str, keys: Sequence[Key] | None) -> None:
        """Rows of these keys are whole now, or gone; None for all rows of the topic."""
        sql = f"DELETE FROM {self._db.place('connect_incomplete')} WHERE connector = ? AND topic = ?"
        if keys is None:
            self._db.run(self._sql(sql), self._connector, topic)
            return
        for part in _parts(keys):
            listed = ", ".join("?" * len(part))
            self._db.run(self._sql(f"{sql} AND row_key IN ({listed})"), self._connector, topic, *map(key_text, part))

    def forget(self) -> None:
        """Remove everything of this connector but its epoch, which goes on rising."""
        for name in ("connect_positions", "connect_targets", "connect_incomplete"):
            self._db.run(self._sql(f"DELETE FROM {self._db.place(name)} WHERE connector = ?"), self._connector)

    def _sql(self, sql: str) -> str:
        """Our own statement with the dialect's numbered placeholders; it holds no other question mark."""
        parts = sql.split("?")
        return parts[0] + "".join(self._db.dialect.mark(i) + part for i, part in enumerate(parts[1:], 1))


def _parts(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """So many keys a statement that each database takes its parameters."""
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def key_text(key: Key) -> str:
    """A key as one text: a JSON list, or its digest where that is longer than an index of every dialect takes."""
    text = json.dumps([value.hex() if isinstance(value, bytes) else value for value in key], ensure_ascii=False)
    return text if len(text) <= _LONGEST_KEY else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
