"""The tables of the log at each position (invariant 8, rules V1 and V2): what the stream reader asks of this plugin.

How the reader uses it, in log order::

    catalog = ServerCatalog(connection, server, here)              # here() -> LogPosition: where the event in hand ends
    history = History(captured, catalog, options, resume_notes)
    position, notes = history.first(read_position)                 # first start only; the notes ride with the position
    effect = history.statement(database, sql, sql_mode, where)     # each QUERY event that is no BEGIN, COMMIT, XA, …
    table = history.table_map(body, where)                         # each TABLE_MAP event: a LogTable, or None
    rows = table.changes(event_type, body)                         # each rows event: (before, after) pairs of Rows

``body`` is an event without its 19 bytes of header and without checksum, decompressed where MariaDB compressed it. A
table map is remembered by its bytes without the table id, so the same map gives the same shape object again; the reader
keeps table id -> LogTable of the current statement. ``where`` names file and position, for messages.

Rules. A definition begins as the catalogue's, at a moment when no DDL was under way, and follows the statements of the
log. A map with names (``binlog_row_metadata=FULL``) is right by itself; where it and the definition differ, the
catalogue of now is asked for what a map lacks, and taken column by column where it fits. A map without names needs a
definition: of a statement that was not understood, or of other columns, it stops the source. A table that the file
names later than the first start begins as the catalogue has it now, which may be ahead of the stream: until that passes
the log's end of then, each statement about the table has the catalogue asked again.

A captured table that is given a name outside the file may get its own back, or a copy in its place (gh-ost in two
steps, F53): so the first row under the other name stops the source, and nothing before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from connect.errors import Failed, Retriable
from connectors.mysql import statements
from connectors.mysql.agreement import fits
from connectors.mysql.ddl import parse
from connectors.mysql.ddl_columns import NotUnderstoodError
from connectors.mysql.definition_notes import note_name
from connectors.mysql.known import Known, known_from
from connectors.mysql.row_image import LogTable
from connectors.mysql.shapes import log_table, snapshot_shape, system_versioned
from connectors.mysql.table_clauses import Names
from connectors.mysql.table_map import TableMap, map_key, map_table, parse_table_map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from connect.api.tables import TableOptions
    from connect.record import RowShape
    from connect.schema.model import TableId
    from connectors.mysql.columns import Column, TableDefinition
    from connectors.mysql.type_options import TypeOptions

__all__ = ["Effect", "History", "LogTable"]

Notes = dict[str, dict[str, Any] | None]
P = TypeVar("P")

_LONGEST_STATEMENT: Final = 2000  # characters kept of one that was not understood
_MEMORY: Final = 10_000  # maps remembered
_TRIES: Final = 20


class Catalog(Protocol):
    """What the history asks the server for."""

    mariadb: bool
    lower_names: bool  # whether the server keeps tables' names in small letters, however they are written

    def tables(self, tables: Collection[TableId], *, settled: bool = False) -> Mapping[TableId, TableDefinition]:
        """The tables of these names that exist; ``settled``: once no DDL of them is under way."""
        ...

    def database_charset(self, database: str) -> str | None:
        """The default character set of a database."""
        ...

    def here(self) -> tuple[int, int]:
        """Where the event in hand ends, to be compared with ``end``."""
        ...

    def end(self) -> tuple[int, int]:
        """Where the server's log ends now."""
        ...


class Effect(NamedTuple):
    """What a statement of the log means to the stream.

    Attributes:
        notes: Ride with the position after the statement: the definitions that it changed, None for a dropped table.
        truncated: Shapes of captured tables that it emptied, in the statement's order: one ``op=t`` event each.
        data: Whether it changes rows as a statement, which the log should hold as rows (F46): FAILED(statement_dml).
        warning: What an operator should hear of it: rows that came or went unlogged; "" for nothing.
    """

    notes: Mapping[str, dict[str, Any] | None]
    truncated: tuple[RowShape, ...] = ()
    data: bool = False
    warning: str = ""


class History:
    """Definitions by table, followed through the statements of the log.

    Args:
        captured: The tables of the file.
        catalog: The server's.
        options: How values are published.
        notes: What rode with the position that the stream starts from; empty at a first start.

    Raises:
        Failed: ``history_note``.
    """

    def __init__(
        self,
        captured: Mapping[TableId, TableOptions],
        catalog: Catalog,
        options: TypeOptions,
        notes: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._captured = captured
        self._databases = frozenset(table.schema for table in captured)
        self._catalog = catalog
        self._options = options
        self._known = known_from(notes)
        self._charsets: dict[str, str | None] = {}
        self._maps: dict[bytes, LogTable | None] = {}
        self._changed: set[TableId] = set()

    def first(self, position: Callable[[], P]) -> tuple[P, Notes]:
        """A position, and the definitions of the captured tables at it.

        A position between two equal readings of the catalogue; the second waits for DDL whose statement the log had
        before the catalogue showed it.

        Raises:
            Failed: ``system_versioned``.
            Retriable: ``ddl_under_way``: the tables are altered all the time.
            pymysql.Error: Of the catalogue.
        """
        before = self._catalog.tables(self._captured, settled=True)
        for _ in range(_TRIES):
            at = position()
            after = self._catalog.tables(self._captured, settled=True)
            if after == before:
                _refuse_versioned(after.values())
                self._known = {table: Known(definition) for table, definition in after.items()}
                return at, {note_name(table): known.note() for table, known in self._known.items()}
            before = after
        raise Retriable("captured tables are being altered all the time", code="ddl_under_way")

    # Table maps.

    def table_map(self, body: bytes, where: str) -> LogTable | None:
        """What decodes the rows events that name this map; None for a table that is not captured.

        Raises:
            Failed: ``schema_mismatch``, ``ddl_not_understood``, ``table_unknown``, ``table_renamed``, and what
                ``parse_table_map`` and ``shapes.log_table`` raise; the message ends in ``where``.
        """
        key = map_key(body)
        try:
            return self._maps[key]
        except KeyError:
            pass
        if len(self._maps) >= _MEMORY:
            self._maps.clear()
        found = None
        table = map_table(body)
        if table not in self._captured:
            self._check_moved(table, where)
        else:
            try:
                found = self._log_table(parse_table_map(body, mariadb=self._catalog.mariadb))
            except Failed as error:
                raise Failed(error.code, f"{error.message}, at {where}", hint=error.hint) from None
        self._maps[key] = found
        return found

    def _check_moved(self, table: TableId, where: str) -> None:
        """Rows of a captured table under a name that is not in the file."""
        for old in self._moved_to(table):
            raise Failed(
                "table_renamed",
                f"{old} was renamed to {table}, which is not in the file, and is changed under that name, at {where}",
                hint=f"Name {table} in the file's `tables:` and restart.",
            )

    def _log_table(self, table_map: TableMap) -> LogTable:
        table = table_map.table
        definition = self._with_names(table_map) if table_map.named else self._without_names(table)
        return log_table(definition, table_map, self._options, self._captured[table].key)

    def _with_names(self, table_map: TableMap) -> TableDefinition | None:
        """The definition that says of a map with names what it lacks; any column of it may not fit."""
        known = self._known.get(table_map.table)
        if known is not None and fits(known.definition, table_map):
            return known.definition
        now = self._catalog.tables([table_map.table]).get(table_map.table)
        if known is None or known.definition is None or fits(now, table_map):
            return now
        return known.definition

    def _without_names(self, table: TableId) -> TableDefinition:
        """The definition that a map without names cannot do without (F49, F52)."""
        known = self._known.get(table)
        if known is None:
            known = self._known[table] = self._ask(table)
        if known.statement:
            raise _not_understood(table, known)
        if known.definition is None:
            raise Failed(
                "table_unknown",
                f"{table}: rows of a table whose columns are not known at this position",
                hint="SET GLOBAL binlog_row_metadata = FULL keeps the columns in the log itself; for what is in the "
                "log already, take the table out of `tables:`, or remove the source and start anew.",
            )
        return known.definition

    def _ask(self, table: TableId) -> Known:
        """The table as the catalogue has it: right here if nothing follows in the log, else perhaps ahead."""
        definition = self._catalog.tables([table], settled=True).get(table)
        end = self._catalog.end()
        return Known(definition, ahead=end if end > self._catalog.here() else None)

    def _completed(self, definition: TableDefinition) -> TableDefinition:
        """The catalogue's words for the same columns: it prints defaults as it keeps them, and knows every index."""
        table = definition.table
        now = self._catalog.tables([table]).get(table) if table in self._captured else None
        return _with_fills(now, definition) if now is not None and _alike(now, definition) else definition

    # Statements.

    def statement(self, database: str, sql: str, sql_mode: int, where: str, databases: Collection[str] = ()) -> Effect:
        """What a statement of the log changes.

        Args:
            database: Default database of the session that ran it.
            sql: Its text; bytes that are no UTF-8 as surrogates (``surrogateescape``).
            sql_mode: Of that session, as bits.
            where: File and position, for messages.
            databases: Those of the tables that it uses, triggers' among them, where the server says so.

        Raises:
            Failed: ``table_renamed``: a captured table is emptied under a name that is not in the file.
        """
        names = Names(database, self._catalog.lower_names)
        done = self._legible(parse(sql, names, sql_mode, mariadb=self._catalog.mariadb), sql)
        if done is None:
            return Effect({})
        if isinstance(done, statements.Data):
            return Effect({}, data=self._concerns(done) or not self._databases.isdisjoint(databases))
        if isinstance(done, statements.TemporaryTable):  # what follows under its name cannot be told from the table's
            return Effect({}, data=done.table in self._captured)
        self._changed = set()
        truncated = self._follow(done, sql, where)
        return Effect(self._notes(), truncated, warning=self._warning(done, sql))

    def _warning(self, done: statements.Statement, sql: str) -> str:
        if isinstance(done, statements.AlterTable) and done.unlogged:
            touched = [table for table in (done.table, done.exchanged) if table in self._captured]
            if touched:
                named = " and ".join(map(str, touched))
                why = "rows came or went that the log does not carry; `connect snapshot` reads them anew"
                return f"{named}: {why}: {sql[:100]}"
        for table in self._changed & self._captured.keys():
            moved = self._known[table].moved if table in self._known else None
            if moved is not None:
                return f"{table}: renamed to {moved}, which is not in the file; a change there would stop the source"
        return ""

    def _legible(self, done: statements.Statement, sql: str) -> statements.Statement:
        """The statement, if its names can be read: a session may have written it in another character set."""
        if _is_utf8(sql) or done is None or isinstance(done, statements.Data | statements.NotUnderstood):
            return done
        why = "it is not written in UTF-8"
        if not all(_is_utf8(f"{table}") for table in statements.tables_of(done)):
            meant = frozenset(table.name for table in self._captured if not f"{table}".isascii())
            return statements.NotUnderstood(None, meant, why)
        if isinstance(done, statements.CreateTable | statements.AlterTable):
            return statements.NotUnderstood(done.table, frozenset(), why)
        return done

    def _follow(self, done: statements.Statement, sql: str, where: str) -> tuple[RowShape, ...]:
        match done:
            case statements.CreateTable():
                return self._create(done, sql)
            case statements.AlterTable():
                self._alter(done, sql)
            case statements.DropTables(tables):
                self._drop_all(tables)
            case statements.DropDatabase(database):
                self._drop_database(database)
            case statements.RenameTables(pairs):
                self._rename(pairs)
            case statements.TruncateTable(table) if table in self._captured:
                return (self._shape(table),)
            case statements.TruncateTable(table):
                self._check_moved(table, where)
            case statements.DatabaseCharset(database, charset):
                self._charsets[database] = charset
            case statements.NotUnderstood(table, names, why):
                self._doubt(table, names, sql, why)
        return ()

    def _set(self, table: TableId, known: Known | None) -> None:
        """Note what is known of a table, if it may matter: one that is captured, or that may be renamed to be."""
        self._maps.clear()
        before = self._known.pop(table, None)
        if known is not None and self._matters(table):
            self._known[table] = known
        elif before is None:
            return
        self._changed.add(table)

    def _matters(self, table: TableId) -> bool:
        return table in self._captured or table.schema in self._databases

    def _notes(self) -> Notes:
        return {
            note_name(table): self._known[table].note() if table in self._known else None
            for table in sorted(self._changed)
        }

    def _create(self, done: statements.CreateTable, sql: str) -> tuple[RowShape, ...]:
        table = done.table
        if not self._matters(table):
            return ()
        before = self._known.get(table)
        there = before is not None and (before.definition is not None or bool(before.statement))
        if done.if_missing and (there or table not in self._captured):
            return ()  # it may have been there: then the statement did nothing
        try:
            self._set(table, Known(self._completed(self._created(done))))
        except NotUnderstoodError as error:
            self._doubt(table, frozenset(), sql, str(error))
        emptied = before is not None and table in self._captured
        return (self._shape(table),) if emptied else ()

    def _created(self, done: statements.CreateTable) -> TableDefinition:
        if done.like is None:
            return done.build(self._charset(done.table.schema))
        model = self._known.get(done.like) or self._ask(done.like)
        if model.definition is None or (model.ahead is not None and model.ahead >= self._catalog.here()):
            raise NotUnderstoodError(f"it is made like {done.like}, whose columns are not known at this position")
        return replace(model.definition, table=done.table)

    def _charset(self, database: str) -> str | None:
        if self._charsets.get(database) is None:
            self._charsets[database] = self._catalog.database_charset(database)
        return self._charsets[database]

    def _alter(self, done: statements.AlterTable, sql: str) -> None:
        known = self._known.get(done.table)
        if known is not None and known.definition is not None:
            if known.ahead is not None and known.ahead >= self._catalog.here():
                self._set(done.table, self._ask(done.table))
            elif done.changes:
                try:
                    self._set(done.table, Known(self._completed(done.apply(known.definition))))
                except NotUnderstoodError as error:
                    self._doubt(done.table, frozenset(), sql, str(error))
        if done.renamed is not None:
            self._rename([(done.table, done.renamed)])

    def _drop(self, table: TableId) -> None:
        """A captured one stays known as dropped: its rows go when a new table of its name comes, not before."""
        if table in self._captured:
            self._set(table, Known(None))
        elif table in self._known:
            self._set(table, None)
        for old in self._moved_to(table):
            self._set(old, Known(None))

    def _moved_to(self, table: TableId) -> list[TableId]:
        """The captured tables that bear this name, which is not in the file."""
        return [old for old, known in self._known.items() if known.moved == table]

    def _drop_all(self, tables: Iterable[TableId]) -> None:
        for table in tables:
            self._drop(table)

    def _drop_database(self, database: str) -> None:
        self._drop_all([table for table in (*self._known, *self._captured) if table.schema == database])
        self._charsets.pop(database, None)

    def _rename(self, pairs: Sequence[tuple[TableId, TableId]]) -> None:
        for old, new in pairs:
            known = self._known.get(old)
            if known is not None and known.definition is not None:
                known = replace(known, definition=replace(known.definition, table=new))
            before = [old] if old in self._captured else self._moved_to(old)
            self._set(old, None)
            self._set(new, known)
            for table in before:
                if table != new:
                    self._set(table, None if new in self._captured else Known(None, moved=new))

    def _doubt(self, table: TableId | None, names: Collection[str], sql: str, why: str) -> None:
        """A statement that is not understood: the catalogue knows what it did, if nothing came after it."""
        for one in self._concerned(table, names):
            asked = self._ask(one)
            legible = sql[:_LONGEST_STATEMENT].encode(errors="surrogateescape").decode(errors="replace")
            doubtful = Known(None, legible, why)
            self._set(one, asked if asked.definition is not None and asked.ahead is None else doubtful)

    def _concerned(self, table: TableId | None, names: Collection[str]) -> Iterable[TableId]:
        if table is not None:
            return [table] if table in self._captured or table in self._known else []
        lower = {name.lower() for name in names}
        return [one for one in self._captured if one.name.lower() in lower]

    def _concerns(self, data: statements.Data) -> bool:
        """Whether a change of rows as text may touch a captured table: it names one, or works in its database."""
        lower = {name.lower() for name in data.names}
        named = any(table.name.lower() in lower for table in self._captured)
        return named or data.database in self._databases

    def _shape(self, table: TableId) -> RowShape:
        """A shape of the table at this position, for an event without rows."""
        known = self._known.get(table)
        definition = known.definition if known else None
        if definition is None:
            definition = self._catalog.tables([table]).get(table)
        if definition is None:
            raise Failed(
                "table_unknown",
                f"{table}: emptied, but its columns are not known at this position",
                hint="Take the table out of `tables:`, or remove the source and start anew.",
            )
        return snapshot_shape(definition, self._options, self._captured[table].key)


def _is_utf8(text: str) -> bool:
    """Whether no byte of it had to be kept as a surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_versioned(definitions: Iterable[TableDefinition]) -> None:
    for definition in definitions:
        if definition.versioned:
            raise system_versioned(definition.table)


def _alike(one: TableDefinition, other: TableDefinition) -> bool:
    def bare(definition: TableDefinition) -> list[Column]:
        return [replace(column, default=None) for column in definition.columns]

    return one.primary_key == other.primary_key and bare(one) == bare(other)


def _with_fills(now: TableDefinition, definition: TableDefinition) -> TableDefinition:
    """The catalogue does not know what older rows got in columns that were added."""
    pairs = zip(now.columns, definition.columns, strict=True)
    return replace(now, columns=tuple(replace(column, added=was.added, fill=was.fill) for column, was in pairs))


def _not_understood(table: TableId, known: Known) -> Failed:
    return Failed(
        "ddl_not_understood",
        f"{table}: its columns are not known after a statement that is not understood ({known.why}): {known.statement}",
        hint="SET GLOBAL binlog_row_metadata = FULL keeps the columns in the log itself; for what is in the log "
        "already, take the table out of `tables:`, or remove the source and start anew. Report the statement.",
    )
