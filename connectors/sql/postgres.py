"""Postgres as a target: one psycopg connection, COPY for data, errors by SQLSTATE (rule W4)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import RawCursor
from psycopg.conninfo import conninfo_to_dict

from connect.compiled import COMPILED
from connect.config.fields import libpq_authorities, or_rotated
from connect.errors import ConnectError, Failed, Retriable
from connectors.sql import staged
from connectors.sql.database import BadRowsError, Column, Dialect, Table, TakenKeyError, quote, quoted, swapped
from connectors.sql.postgres_types import accepts, column_type

if COMPILED:
    from connectors.sql.copy_c import CopyWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connect.record import RowShape
    from connect.schema.avro_reader_c import RowLayout
    from connectors.sql.config import SqlConfig
    from connectors.sql.database import Lines

# Dead links are noticed, locks and statements are waited for with a bound (invariant 7).
_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    # A zombie that was stopped inside a transaction loses its locks, and so its successor can take over (F131).
    "options": "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c lock_timeout=15s"
    " -c statement_timeout=2min -c idle_in_transaction_session_timeout=30s -c client_encoding=UTF8"
    " -c standard_conforming_strings=on",
}
# Data exceptions, constraint violations, a key twice in one upsert, a row beyond a program limit: rows are at fault.
_BAD_ROWS: Final = ("21", "22", "23", "54")
_TAKEN: Final = "23505"
_COLUMN: Final = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull,
       atthasdef OR attidentity <> '' OR attgenerated <> ''
FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_KEYS: Final = """
SELECT conname, contype, ARRAY(SELECT attname::text FROM pg_attribute
                               WHERE attrelid = conrelid AND attnum = ANY(conkey))
FROM pg_constraint WHERE conrelid = $1 AND contype IN ('p', 'u')"""
_COPY_COLUMN: Final = re.compile(r"^COPY .*, line \d+, column ([^:]+):")
# A name that leads elsewhere: not to the table of this oid, nor to one that bears this mark.
_SWAPPED: Final = """
SELECT t.name FROM unnest($2::text[], $3::text[]) AS t (name, identity)
WHERE NOT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = t.name AND (t.identity = 'oid:' || c.oid OR EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = t.identity)))"""
_TLS: Final = re.compile(
    "does not support SSL|certificate verify failed|server certificate for|certificate file|private key file"
)
_ADDRESS: Final = re.compile(r"^.*?port \d+ failed: ", re.DOTALL)
OURS: Final = re.compile(r"connect_[0-9a-f]{16}")


_NAME_BYTES: Final = 63


def _name_fault(name: str, table: bool) -> str:  # noqa: FBT001 - of the protocol
    del table
    return "" if len(name.encode()) <= _NAME_BYTES else f"it is longer than {_NAME_BYTES} bytes"


DIALECT: Final = Dialect(
    mark=lambda number: f"${number}",
    locking=" FOR UPDATE",
    or_leave=" ON CONFLICT DO NOTHING",
    key_text="text",
    long_text="text",
    name_fault=_name_fault,
    fold=str,
    column_type=column_type,
    key_types=lambda types: [column_type(type_) for type_ in types],
    accepts=accepts,
    constant=staged.constant,
    spell=quote,
    retype="ALTER TABLE {table} ALTER COLUMN {column} TYPE {type}",
    nullable="ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",
)


class PostgresDatabase:
    """A connection to Postgres 13 or later; see ``Database``."""

    dialect = DIALECT

    def __init__(self, config: SqlConfig, application: str) -> None:
        """Connect.

        Raises:
            Retriable: The server is not there right now.
            Failed: ``target_credentials`` or ``target_database``.
        """
        more: dict[str, Any] = {"password": config.password.reveal()} if config.password else {}
        try:
            more |= libpq_authorities(dict(conninfo_to_dict(config.url.reveal())))
            self._connection = psycopg.connect(
                config.url.reveal(), autocommit=True, application_name=application[:63], **_SETTINGS, **more
            )
        except psycopg.Error as error:
            refusal = _refused_connection(error, config.url.reveal())
            wrong = refusal.code == "target_credentials"
            raise (or_rotated(refusal, config.password, config.url) if wrong else refusal) from None
        self._cursor = RawCursor(self._connection)
        self.schema = config.db_schema or ""
        if not self.schema:
            try:
                self.schema = self._current_schema()
            except ConnectError:
                self._connection.close()
                raise

    def _current_schema(self) -> str:
        [(schema,)] = self.rows("SELECT current_schema()")
        if schema is None:
            hint = "Set schema: of the sink, or ALTER ROLE … SET search_path."
            raise Failed("target_schema", "the search_path of the sink's user names no schema that exists", hint=hint)
        return str(schema)

    def close(self) -> None:
        """See ``Database``."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``Database``."""
        with self._errors(), self._connection.transaction():
            yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See ``Database``."""
        with self._errors(), self._connection.transaction():
            yield

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """See ``Database``."""
        with self._errors():
            return self._cursor.execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: Any) -> int:
        """See ``Database``."""
        with self._errors():
            return self._cursor.execute(sql, parameters or None).rowcount

    def ddl(self, sql: str) -> None:
        """See ``Database``; it is part of the transaction."""
        self.run(sql)

    def run_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Database``."""
        with self._errors():
            self._cursor.executemany(sql, rows)
            return self._cursor.rowcount

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """COPY; every value is a text or None."""
        statement = f"COPY {table} ({quoted(columns)}) FROM STDIN"
        with self._errors(), self._cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def line_writer(self, layout: RowLayout, shape: RowShape, writers: Sequence[Callable[[Any], Any]]) -> CopyWriter:
        """See ``LineDatabase``."""
        return CopyWriter(layout, shape, writers)

    def load_lines(self, table: str, columns: Sequence[str], *parts: Lines) -> None:
        """See ``LineDatabase``: lines of COPY's text form."""
        statement = f"COPY {table} ({quoted(columns)}) FROM STDIN"
        with self._errors(), self._cursor.copy(statement) as copy:
            for part in parts:
                copy.write(part.text)

    def clear(self, table: str) -> None:
        """See ``Database``; a bound on its time would cut it off again at each retry, for ever."""
        self.run("SET LOCAL statement_timeout = 0")
        self.run(f"DELETE FROM {table}")  # noqa: S608 - the caller quotes it
        self.run("SET LOCAL statement_timeout TO DEFAULT")  # the connection's own

    def place(self, table: str) -> str:
        """See ``Database``."""
        return f"{quote(self.schema)}.{quote(table)}"

    def describe(self, table: str) -> Table | None:
        """See ``Database``; the identity is our constraint's name, which survives pg_dump (F140), else the oid."""
        found = self.rows(
            "SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = $1 AND c.relname = $2",
            self.schema,
            table,
        )
        if not found:
            return None
        [(oid, kind)] = found
        if kind not in {"r", "p"}:
            raise Failed("target_kind", f"{self.schema}.{table} is no table", hint="Write another table: for it.")
        columns = {row[0]: Column(*row) for row in self.rows(_COLUMN, oid)}
        keys = self.rows(_KEYS, oid)
        ours = next((name for name, _, _ in keys if OURS.fullmatch(name)), "")
        return Table(table, columns, [frozenset(names) for _, _, names in keys], ours or f"oid:{oid}", ours)

    def create(self, table: str, columns: str, key: Sequence[str], mark: str) -> None:
        """See ``Database``."""
        self.ddl(staged.create(self.place(table), columns, key, mark))

    def adopt(self, table: Table) -> Table:
        """See ``Database``."""
        return table

    def stage(self, name: str, table: Table) -> str:
        """See ``Database``."""
        self.run(f"DROP TABLE IF EXISTS pg_temp.{quote(name)}")
        rows = f"SELECT *, 0 AS __connect_row FROM {self.place(table.name)}"  # noqa: S608 - `place` quotes it
        self.run(f"CREATE TEMP TABLE {quote(name)} ON COMMIT DELETE ROWS AS {rows} WITH NO DATA")
        return f"pg_temp.{quote(name)}"

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
        """See ``Database``; rows come faster by a stage."""
        del table, key, columns, rows
        return False

    def upsert_lines(self, table: Table, key: Sequence[str], columns: Sequence[str], *parts: Lines) -> bool:
        """See ``LineDatabase``."""
        del table, key, columns, parts
        return False

    def merge(self, table: Table, key: Sequence[str], columns: Sequence[str], stage: str) -> None:
        """See ``Database``; a mark stands in no other table of that name (invariant 4)."""
        conflict = f"ON CONSTRAINT {quote(table.mark)}" if table.mark else f"({quoted(key)})"
        self.run(staged.merge(self.place(table.name), key, conflict, columns, stage))

    def delete(self, table: Table, key: Sequence[str], stage: str) -> None:
        """See ``Database``."""
        self.run(staged.delete(self.place(table.name), key, stage))

    def confirm(self, tables: Sequence[Table]) -> None:
        """See ``Database``; what the transaction has changed nobody renames until it ends, so this look counts."""
        names, identities = [table.name for table in tables], [table.identity for table in tables]
        if tables and (found := self.rows(_SWAPPED, self.schema, names, identities)):
            raise swapped(found[0][0])

    def lock_tables(self) -> None:
        """See ``Database``."""
        self.rows("SELECT pg_advisory_xact_lock(hashtext($1))", f"connect tables of {self.schema}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise translate(error) from None
        except UnicodeEncodeError:  # a lone surrogate: no UTF-8
            raise BadRowsError("a text is no valid UTF-8") from None


def translate(error: psycopg.Error) -> Exception:
    """Our error for one of Postgres's, by SQLSTATE. Messages of the server stay out: they quote values (F175)."""
    state, word = error.sqlstate or "", type(error).__name__
    text = f"{word} ({state or 'before it was sent'}){_place(error)}"
    if state == "54000" or state[:2] in _BAD_ROWS[:3] or (not state and isinstance(error, psycopg.DataError)):
        return (TakenKeyError if state == _TAKEN else BadRowsError)(text)
    if not state or state[:2] in {"08", "53", "58"} or state.startswith("57P"):
        return Retriable(f"the target database went away: {text}", code="target_unreachable")
    if state[:2] == "40" or state in {"55P03", "57014"}:
        hint = "Look at pg_stat_activity for who holds locks on the sink's tables."
        return Retriable(f"the target database gave up: {text}", code="target_conflict", hint=hint)
    return _refusal(state, text, error)


def _place(error: psycopg.Error) -> str:
    """The column or constraint, from the error's own fields or COPY's context; what follows its name is a value."""
    column = error.diag.column_name
    if error.diag.constraint_name:
        return f" by constraint {error.diag.constraint_name}"
    if column is None:
        found = _COPY_COLUMN.search(error.diag.context or "")
        column = found[1] if found else None
    return f" at column {column}" if column else ""


def _refusal(state: str, text: str, error: psycopg.Error) -> ConnectError:
    if state == "25006":
        return Retriable("the target database takes no writes", code="target_read_only", hint="Is it a standby?")
    if state[:2] == "28":
        return Failed("target_credentials", f"the target refuses the login: {text}", hint="Check url: and password:.")
    if state == "42501":
        said = (error.diag.message_primary or text).removeprefix("permission ")
        return Failed("target_permission", f"a right is missing in the target: {said}", hint="GRANT it to the user.")
    if state in {"42P01", "42704", "3F000"}:
        hint = "Restore the table with its bookkeeping, or run connect rebuild SINK FILE."
        return Failed("target_missing", f"a table of the sink is gone or another one: {text}", hint=hint)
    if state in {"42703", "42804", "42P10"}:
        hint = "Undo the change of the table, or run connect rebuild SINK FILE."
        return Failed("target_column", f"a table of the sink was altered: {text}", hint=hint)
    return Failed("target_refused", f"the target refuses a statement: {text}")


def _refused_connection(error: psycopg.Error, url: str) -> ConnectError:
    """Libpq gives no SQLSTATE for a refused connection, only the server's words."""
    text = str(error)
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return Failed("target_url", "url: is no address of a database", hint="postgresql://user@host:port/database")
    where, database = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}", str(parts.get("dbname", ""))
    if any(words in text for words in ("authentication failed", "no password supplied", "pg_hba.conf", 'role "')):
        message = f"the target {where} refuses the login of {parts.get('user', 'nobody')}"
        return Failed("target_credentials", message, hint="Check url: and password:.")
    if 'database "' in text and "does not exist" in text:
        message = f"the target {where} has no database {database}"
        return Failed("target_database", message, hint=f"CREATE DATABASE {quote(database)}; or mend url:.")
    if _TLS.search(text):
        message = f"no TLS with the target {where}: {' '.join(_ADDRESS.sub('', text).split())[:300]}"
        return Failed("target_tls", message, hint="Check sslmode and sslrootcert in url: against its certificate.")
    message = f"the target database {where}/{database} cannot be reached"
    return Retriable(message, code="target_unreachable", hint="Does it run, and is url: right?")
