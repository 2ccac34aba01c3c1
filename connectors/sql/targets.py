"""Tables made from schemas, checked and evolved additively (rules V6, K4; F135, F136, F137)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import Failed, RecordError
from connect.schema.model import NO_DEFAULT, Field, Kind, TableSchema, Type
from connectors.sql.config import target_table
from connectors.sql.database import Column, ColumnType, Database, Table, quote, quoted
from connectors.sql.ledger import TABLES, Ledger, TargetRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.record import Row, SinkRecord
    from connectors.sql.config import SqlTarget

# A topic without keys is appended; a record is its place in Kafka.
APPEND_KEY: Final = ("__connect_topic", "__connect_partition", "__connect_offset")
_APPEND_FIELDS: Final = (
    Field(APPEND_KEY[0], Type(Kind.STRING), optional=False),
    Field(APPEND_KEY[1], Type(Kind.INT32), optional=False),
    Field(APPEND_KEY[2], Type(Kind.INT64), optional=False),
    Field("__connect_op", Type(Kind.STRING)),
)


class Wanted(NamedTuple):
    """A column that records of one shape need."""

    field: Field
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Plan:
    """How records of one topic and shape are written.

    Attributes:
        key: Key columns, in key order.
        key_writers: One for each of them.
        columns: All columns of a row: what is added in front of the row's own, then those.
        writers: One for each of the row's own columns.
        extra: How many of ``columns`` are added in front.
        append: The topic has no keys.
    """

    key: tuple[str, ...]
    key_writers: tuple[Callable[[Any], Any], ...]
    columns: tuple[str, ...]
    writers: tuple[Callable[[Any], Any], ...]
    extra: int
    append: bool


@dataclass(slots=True)
class Target:
    """A topic's table as this task knows it."""

    table: Table
    key: tuple[str, ...]
    append: bool
    number: int
    stage: str
    direct: bool = True  # straight COPY has met no key that was there already


class Targets:
    """The targets of one sink: makes plans, and the tables for them, before a batch and never inside one."""

    def __init__(self, database: Database, ledger: Ledger, options: Callable[[str], SqlTarget]) -> None:
        """``options``: topic → its target options."""
        self._db = database
        self._ledger = ledger
        self._options = options
        self._remembered: dict[str, TargetRow] = {}
        self._plans: dict[tuple[str, str, str], Plan] = {}
        self.by_topic: dict[str, Target] = {}

    def check(self) -> None:
        """Compare every remembered target with what is there (invariant 4).

        Raises:
            Failed: ``target_missing`` or ``target_changed``.
        """
        self._remembered = self._ledger.targets()
        for topic, row in self._remembered.items():
            self._describe(topic, row)

    def _describe(self, topic: str, row: TargetRow) -> Table:
        table = self._db.describe(row.table)
        if table is None:
            hint = "Restore it with its bookkeeping, or run connect rebuild for this sink."
            raise Failed("target_missing", f"table {row.table}, the target of topic {topic}, is gone", hint=hint)
        if table.identity != row.identity:
            message = f"table {row.table} is not the one that the position of topic {topic} describes"
            hint = "It was dropped and made again. Run connect rebuild for this sink."
            raise Failed("target_changed", message, hint=hint)
        gone = [name for name in row.columns if name not in table.columns]
        if gone:
            raise _column_error(row.table, gone[0], "it was dropped", "Restore it, or run connect rebuild.")
        return table

    def plan(self, record: SinkRecord) -> Plan | None:
        """How to write a record; makes or evolves its table first. None where there is no table to change yet.

        Raises:
            RecordError: The record does not fit the kind of target that its topic has.
            Failed: ``target_column``, ``key_changed``, ``name_too_long``, ``target_shared`` and the like.
        """
        row = record.after or (record.before if record.key is None else None)
        key = record.key.shape.schema if record.key is not None else None
        place = (record.topic, key.fingerprint if key else "", row.shape.schema.fingerprint if row else "")
        found = self._plans.get(place)
        if found is None:
            found = self._make(record.topic, key, row)
            if found is not None:
                self._plans[place] = found
        return found

    def recheck(self) -> None:
        """After rows were refused: look whether a target was altered under us (F136)."""
        for topic, row in self._remembered.items():
            if topic in self.by_topic:
                self._describe(topic, row)
        self._plans.clear()

    def find(self, topic: str) -> Target | None:
        """A topic's target, where one was made in this run or an earlier one."""
        target = self.by_topic.get(topic)
        row = self._remembered.get(topic)
        if target is None and row is not None:
            target = self._use(topic, self._describe(topic, row), row.key)
        return target

    def _make(self, topic: str, key: TableSchema | None, row: Row | None) -> Plan | None:
        if row is None:
            target = self.find(topic)
            return None if target is None or key is None else self._key_plan(topic, target, key)
        fields = row.shape.schema.columns
        names = row.shape.schema.index
        front = _APPEND_FIELDS if key is None else tuple(f for f in key.columns if f.name not in names)
        key_names = APPEND_KEY if key is None else tuple(f.name for f in key.columns)
        wanted = [Wanted(field, self._db.column_type(field.type)) for field in (*front, *fields)]
        target = self._evolve(topic, key_names, wanted)
        _check_key(topic, target, key_names)
        key_writers = tuple(self._db.column_type(f.type).write for f in key.columns) if key else ()
        columns = tuple(column.field.name for column in wanted)
        writers = tuple(column.type.write for column in wanted[len(front) :])
        return Plan(key_names, key_writers, columns, writers, len(front), append=key is None)

    def _key_plan(self, topic: str, target: Target, key: TableSchema) -> Plan:
        names = tuple(field.name for field in key.columns)
        if target.append:
            raise RecordError(f"{topic} has records without a key, so a record with one is not written")
        _check_key(topic, target, names)
        writers = tuple(self._db.column_type(field.type).write for field in key.columns)
        return Plan(names, writers, names, (), len(names), append=False)

    def _use(self, topic: str, table: Table, key: tuple[str, ...]) -> Target:
        old = self.by_topic.get(topic)
        number = old.number if old else len(self.by_topic)
        stage = self._db.stage(f"connect_stage_{number}", self._db.place(table.name))
        target = Target(table, key, key == APPEND_KEY, number, stage, direct=old.direct if old else True)
        self.by_topic[topic] = target
        return target

    def _evolve(self, topic: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Target:
        """The target with every wanted column, in one transaction of its own (F135: under one lock for all sinks)."""
        old = self.find(topic)
        if old is not None and old.append != (key == APPEND_KEY):
            raise RecordError(f"{topic} has records with a key and records without one")
        for column in wanted:
            self._check_name(topic, column.field.name)
        with self._db.transaction():
            self._ledger.lock()
            self._db.lock_tables()
            table = self._evolved(topic, key, wanted)
        return self._use(topic, table, key)

    def _evolved(self, topic: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Table:
        row = self._remembered.get(topic)
        table = self._describe(topic, row) if row else self._first(topic, key, wanted)
        missing = [column for column in wanted if column.field.name not in table.columns]
        for column in missing:
            self._db.run(f"ALTER TABLE {self._db.place(table.name)} ADD COLUMN {self._definition(column, ())}")
        if missing:
            table = self._again(table.name)
        _check_columns(table, key, wanted, self._db.accepts)
        names = tuple(table.columns)
        if row is None or row.columns != names:
            row = row or TargetRow(table.name, table.identity, bool(table.constraint), key, names)
            row = row._replace(columns=names)
            self._ledger.keep_target(topic, row)
            self._remembered[topic] = row
        return table

    def _first(self, topic: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Table:
        """The table that a topic meets for the first time, made if nobody made it."""
        name = target_table(self._options(topic).table, topic)
        self._check_name(topic, name)
        if name in TABLES:
            message = f"topic {topic} wants table {name}, which is the sink's own bookkeeping"
            raise Failed("target_shared", message, hint="Give it a table: of its own.")
        owner = self._ledger.owner_of(name)
        if owner is not None:
            message = f"table {name} is the target of topic {owner[1]} of sink {owner[0]} already, and {topic} wants it"
            raise Failed("target_shared", message, hint='Give one of them a table: of its own, as "{schema}_{table}".')
        table = self._db.describe(name)
        if table is None:
            self._create(name, key, wanted)
            return self._again(name)
        if table.constraint:
            message = f"table {name} was made by a sink whose bookkeeping is gone"
            raise Failed("target_changed", message, hint="DROP it, or restore connect_targets and connect_positions.")
        return table

    def _create(self, name: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> None:
        columns = ", ".join(self._definition(column, key) for column in wanted)
        constraint = f"connect_{secrets.token_hex(8)}"  # names this very table (invariant 4)
        self._db.run(
            f"CREATE TABLE {self._db.place(name)}"
            f" ({columns}, CONSTRAINT {quote(constraint)} PRIMARY KEY ({quoted(key)}))"
        )

    def _again(self, name: str) -> Table:
        table = self._db.describe(name)
        if table is None:  # somebody dropped it inside our lock's reach
            raise Failed("target_missing", f"table {name} is gone", hint="Run connect rebuild for this sink.")
        return table

    def _definition(self, column: Wanted, key: tuple[str, ...]) -> str:
        """A column for DDL. The schema's constant default makes rows that are there equal to the source's (V3)."""
        text = f"{quote(column.field.name)} {column.type.sql}"
        default = column.field.default
        if default is not NO_DEFAULT and default is not None:
            text += f" DEFAULT {_literal(column.type.write(default))}"
        return f"{text} NOT NULL" if column.field.name in key else text

    def _check_name(self, topic: str, name: str) -> None:
        if not name or "\0" in name or len(name.encode()) > self._db.longest_name:
            message = f"the target of topic {topic} cannot have the name {name!r}: it is empty or too long"
            hint = f"{self._db.longest_name} bytes are the limit; give the topic a table:, or rename the column."
            raise Failed("name_too_long", message, hint=hint)


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _check_key(topic: str, target: Target, key: tuple[str, ...]) -> None:
    if frozenset(key) not in target.table.keys:
        name = target.table.name
        message = f"table {name} has no primary key of ({', '.join(key)}), the key of topic {topic} (F109)"
        hint = f"ALTER TABLE {quote(name)} ADD PRIMARY KEY ({quoted(key)}), or run connect rebuild for this sink."
        raise Failed("key_changed", message, hint=hint)


def _check_columns(
    table: Table, key: tuple[str, ...], wanted: Sequence[Wanted], accepts: Callable[[str, str], bool]
) -> None:
    for field, type_ in wanted:
        column = table.columns[field.name]
        if not accepts(column.sql, type_.sql):
            fault = f"it is {column.sql} and the topic holds {type_.sql}"
            sql = f"ALTER TABLE {quote(table.name)} ALTER COLUMN {quote(field.name)} TYPE {type_.sql}"
            raise _column_error(table.name, field.name, fault, sql)
        if column.not_null and field.optional and field.name not in key:
            raise _not_null(table.name, column, "the topic may hold NULL")
    names = {column.field.name for column in wanted}
    for column in table.columns.values():
        if column.not_null and not column.filled and column.name not in names and column.name not in key:
            raise _not_null(table.name, column, "the topic does not have it")


def _not_null(table: str, column: Column, why: str) -> Failed:
    sql = f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column.name)} DROP NOT NULL"
    return _column_error(table, column.name, f"it is {column.sql} NOT NULL and {why}", sql)


def _column_error(table: str, column: str, fault: str, hint: str) -> Failed:
    return Failed("target_column", f"column {table}.{column} does not fit: {fault}", hint=hint)
