"""Tables made from schemas, checked and evolved additively (rules V6, K4; F135, F136, F137)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.config.fields import fill
from connect.errors import Failed, RecordError
from connect.schema.model import NO_DEFAULT, Field, Kind, TableSchema, Type
from connectors.sql.database import Column, ColumnType, Database, Dialect, Table, quote
from connectors.sql.ledger import TABLES, Ledger, TargetRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from connect.api import SinkContext
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


class Direct(IntEnum):
    """Which rows may be loaded straight into a table: a load takes none whose key is there already."""

    NONE = 0
    NEW = 1  # those that the log says are new
    ALL = 2  # until the first key that is there


@dataclass(slots=True)
class Target:
    """A topic's table as this task knows it."""

    table: Table
    key: tuple[str, ...]
    append: bool
    number: int
    stage: str
    direct: Direct = Direct.ALL

    @property
    def folds_keys(self) -> bool:
        """Whether a key column of an adopted table may take two keys that differ for one."""
        return any("citext" in self.table.columns[name].sql for name in self.key if name in self.table.columns)


class Targets:
    """The targets of one sink: makes plans, and the tables for them, before a batch and never inside one."""

    def __init__(self, database: Database, ledger: Ledger, context: SinkContext) -> None:
        self._db = database
        self._spell = database.dialect
        self._ledger = ledger
        self._context = context
        self._remembered: dict[str, TargetRow] = {}
        self._plans: dict[tuple[str, str, str], Plan] = {}
        self.by_topic: dict[str, Target] = {}

    def check(self, topics: Collection[str]) -> None:
        """Compare the remembered targets of these topics with the file and with what is there (invariant 4).

        Raises:
            Failed: ``target_missing`` or ``target_changed``.
        """
        self._remembered = self._ledger.targets()
        for topic, row in self._remembered.items():
            if topic in topics:
                self._check_option(topic, row)
                self._describe(topic, row)

    def _check_option(self, topic: str, row: TargetRow) -> None:
        """Going on in another table would leave the rows before the position out of it."""
        wanted = self._wanted_name(topic)
        if wanted != row.table:
            message = f"the rows of topic {topic} are in table {row.table}, and table: names {wanted} now"
            rebuild = f"stop the worker and run: connect rebuild {self._context.connector} FILE"
            hint = f"Change table: back, or {rebuild}. It drops what the sink made, and the next start fills {wanted}."
            raise Failed("target_changed", message, hint=hint)

    def _describe(self, topic: str, row: TargetRow) -> Table | None:
        """The table; None where a kill came between the note that it is made and the making."""
        table = self._db.describe(row.table)
        if table is None and not row.columns:
            return None
        if table is None:
            hint = "Restore it with its bookkeeping, or run connect rebuild SINK FILE."
            raise Failed("target_missing", f"table {row.table}, the target of topic {topic}, is gone", hint=hint)
        if table.identity != row.identity:
            message = f"table {row.table} is not the one that the position of topic {topic} describes"
            same = self._spell.same_table.format(table=self._spell.spell(row.table), identity=row.identity)
            hint = f"It was dropped and made again. Run connect rebuild SINK FILE.{same}"
            raise Failed("target_changed", message, hint=hint)
        gone = [name for name in row.columns if name not in table.columns]
        if gone:
            raise _column_error(row.table, gone[0], "it was dropped", "Restore it, or run connect rebuild SINK FILE.")
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
        table = self._describe(topic, row) if target is None and row is not None else None
        return self._use(topic, table, row.key) if table is not None and row is not None else target

    def _make(self, topic: str, key: TableSchema | None, row: Row | None) -> Plan | None:
        if row is None:
            target = self.find(topic)
            return None if target is None or key is None else self._key_plan(topic, target, key)
        fields = row.shape.schema.columns
        names = row.shape.schema.index
        front = _APPEND_FIELDS if key is None else tuple(f for f in key.columns if f.name not in names)
        key_names = APPEND_KEY if key is None else tuple(f.name for f in key.columns)
        keys = self._key_types(_APPEND_FIELDS[:3] if key is None else key.columns)
        wanted = [Wanted(f, keys.get(f.name) or self._spell.column_type(f.type)) for f in (*front, *fields)]
        target = self._evolve(topic, key_names, wanted)
        self._check_key(topic, target, key_names)
        key_writers = tuple(keys[f.name].write for f in key.columns) if key else ()
        columns = tuple(column.field.name for column in wanted)
        there = target.table.columns
        writers = tuple(column.type.into(there[column.field.name].sql) for column in wanted[len(front) :])
        return Plan(key_names, key_writers, columns, writers, len(front), append=key is None)

    def _key_plan(self, topic: str, target: Target, key: TableSchema) -> Plan:
        names = tuple(field.name for field in key.columns)
        if target.append:
            raise RecordError(f"{topic} has records without a key, so a record with one is not written")
        self._check_key(topic, target, names)
        writers = tuple(kept.write for kept in self._key_types(key.columns).values())
        return Plan(names, writers, names, (), len(names), append=False)

    def _key_types(self, fields: Sequence[Field]) -> dict[str, ColumnType]:
        types = self._spell.key_types([field.type for field in fields])
        return {field.name: kept for field, kept in zip(fields, types, strict=True)}

    def _use(self, topic: str, table: Table, key: tuple[str, ...]) -> Target:
        old = self.by_topic.get(topic)
        number = old.number if old else len(self.by_topic)
        stage = self._db.stage(f"connect_stage_{number}", table)
        target = Target(table, key, key == APPEND_KEY, number, stage, direct=old.direct if old else Direct.ALL)
        self.by_topic[topic] = target
        return target

    def _evolve(self, topic: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Target:
        """The target with every wanted column, in one transaction of its own (F135: under one lock for all sinks)."""
        old = self.find(topic)
        if old is not None and old.append != (key == APPEND_KEY):
            raise RecordError(f"{topic} has records with a key and records without one")
        for column in wanted:
            self._check_name(topic, column.field.name)
        self._check_twins(topic, [column.field.name for column in wanted])
        with self._db.transaction():
            self._ledger.lock()
            self._db.lock_tables()
            # Where DDL commits, an owner that is fenced by now may have made it while we waited.
            self._remembered = self._ledger.targets()
            table = self._evolved(topic, key, wanted)
        return self._use(topic, table, key)

    def _evolved(self, topic: str, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Table:
        row = self._remembered.get(topic)
        table = (self._describe(topic, row) if row else self._first(topic)) or self._create(topic, row, key, wanted)
        missing = [column for column in wanted if column.field.name not in table.columns]
        self._check_twins(topic, [*table.columns, *(column.field.name for column in missing)])
        for column in missing:
            self._db.ddl(f"ALTER TABLE {self._db.place(table.name)} ADD COLUMN {self._definition(column, ())}")
        if missing:
            table = self._again(table.name)
        self._check_columns(table, key, wanted)
        names = tuple(table.columns)
        if row is None or row.columns != names:
            made = row.made if row else bool(table.mark)
            row = TargetRow(table.name, table.identity, made, row.key if row and row.columns else key, names)
            self._ledger.keep_target(topic, row)
            self._remembered[topic] = row
        return table

    def _first(self, topic: str) -> Table | None:
        """The table that a topic meets for the first time; None where it is to be made."""
        name = self._name(topic)
        if name in TABLES:
            message = f"topic {topic} wants table {name}, which is the sink's own bookkeeping"
            raise Failed("target_shared", message, hint="Give it a table: of its own.")
        owner = self._ledger.owner_of(name)
        if owner is not None:
            message = f"table {name} is the target of topic {owner[1]} of sink {owner[0]} already, and {topic} wants it"
            raise Failed("target_shared", message, hint='Give one of them a table: of its own, as "{schema}_{table}".')
        table = self._db.describe(name)
        if table is not None and table.mark:
            message = f"table {name} was made by a sink whose bookkeeping is gone"
            raise Failed("target_changed", message, hint="DROP it, or restore connect_targets and connect_positions.")
        return None if table is None else self._ours(self._db.adopt(table))

    def _wanted_name(self, topic: str) -> str:
        options: SqlTarget = self._context.target(topic)
        return fill(options.table, topic)

    def _name(self, topic: str) -> str:
        name = self._wanted_name(topic)
        self._check_name(topic, name, table=True)
        return name

    def _create(self, topic: str, noted: TargetRow | None, key: tuple[str, ...], wanted: Sequence[Wanted]) -> Table:
        """Make a topic's table. The note of it comes first: where DDL commits, the next start goes on from it."""
        name = noted.table if noted else self._name(topic)
        mark = noted.identity if noted else f"connect_{secrets.token_hex(8)}"  # names this very table (invariant 4)
        self._ledger.keep_target(topic, TargetRow(name, mark, made=True, key=key, columns=()))
        self._db.create(name, ", ".join(self._definition(column, key) for column in wanted), key, mark)
        return self._again(name)

    def _ours(self, table: Table) -> Table:
        """A table after DDL, which may have given up our lock: a fenced owner goes no further (rule K2)."""
        self._ledger.lock()
        return table

    def _again(self, name: str) -> Table:
        table = self._db.describe(name)
        if table is None:  # somebody dropped it inside our lock's reach
            raise Failed("target_missing", f"table {name} is gone", hint="Run connect rebuild SINK FILE.")
        return self._ours(table)

    def _definition(self, column: Wanted, key: tuple[str, ...]) -> str:
        """A column for DDL. The schema's constant default makes rows that are there equal to the source's (V3)."""
        text = f"{quote(column.field.name)} {column.type.sql}"
        default = column.field.default
        if default is not NO_DEFAULT and default is not None:
            text += f" DEFAULT {self._spell.constant(column.type, default)}"
        return f"{text} NOT NULL" if column.field.name in key else text

    def _check_name(self, topic: str, name: str, *, table: bool = False) -> None:
        fault = "it is empty" if not name else "it holds NUL" if "\0" in name else self._spell.name_fault(name, table)
        if fault:
            message = f"the target of topic {topic} cannot have the name {name!r}: {fault}"
            raise Failed("name_too_long", message, hint="Give the topic a table:, or rename the column.")

    def _check_twins(self, topic: str, names: Sequence[str]) -> None:
        """Names that the database takes for one: of two columns one table cannot hold both."""
        known: dict[str, str] = {}
        for name in names:
            other = known.setdefault(self._spell.fold(name), name)
            if other != name:
                message = f"columns {other} and {name} of topic {topic} are one name to the target, which ignores case"
                rename = f"rename: {{topics: [{json.dumps(topic)}], fields: {{{json.dumps(name)}: NEW_NAME}}}}"
                raise Failed("target_column", message, hint=f"Rename one at this sink: transforms: [{{{rename}}}]")

    def _check_key(self, topic: str, target: Target, key: tuple[str, ...]) -> None:
        if frozenset(key) not in target.table.keys:
            name, spell = target.table.name, self._spell.spell
            message = f"table {name} has no primary key of ({', '.join(key)}), the key of topic {topic} (F109)"
            sql = f"ALTER TABLE {spell(name)} ADD PRIMARY KEY ({', '.join(map(spell, key))})"
            raise Failed("key_changed", message, hint=f"{sql}, or run connect rebuild SINK FILE.")

    def _check_columns(self, table: Table, key: tuple[str, ...], wanted: Sequence[Wanted]) -> None:
        for field, type_ in wanted:
            column = table.columns[field.name]
            if not self._spell.accepts(column.sql, type_.sql):
                fault = f"it is {column.sql} and the topic holds {type_.sql}"
                sql = _alter(self._spell, self._spell.retype, table.name, field.name, type_.sql)
                raise _column_error(table.name, field.name, fault, sql)
            if column.not_null and field.optional and field.name not in key:
                raise self._not_null(table.name, column, "the topic may hold NULL")
        names = {column.field.name for column in wanted}
        for column in table.columns.values():
            if column.not_null and not column.filled and column.name not in names and column.name not in key:
                raise self._not_null(table.name, column, "the topic does not have it")

    def _not_null(self, table: str, column: Column, why: str) -> Failed:
        sql = _alter(self._spell, self._spell.nullable, table, column.name, column.sql)
        return _column_error(table, column.name, f"it is {column.sql} NOT NULL and {why}", sql)


def _alter(dialect: Dialect, statement: str, table: str, column: str, sql: str) -> str:
    return statement.format(table=dialect.spell(table), column=dialect.spell(column), type=sql)


def _column_error(table: str, column: str, fault: str, hint: str) -> Failed:
    return Failed("target_column", f"column {table}.{column} does not fit: {fault}", hint=hint)
