"""MySQL and MariaDB as a target: statements of many rows, DDL that commits, errors by number (rule W4)."""

# ruff: noqa: S608 - names are quoted by `quote`, values are literals of `mysql_text`

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pymysql

from connect.compiled import COMPILED
from connect.errors import ConnectError, Failed, Retriable
from connectors.sql.config import parse_url
from connectors.sql.database import BadRowsError, Column, ColumnType, Dialect, Table, quote, quoted, swapped
from connectors.sql.mysql_errors import CHANGED_VALUES, translate
from connectors.sql.mysql_link import IDLE_SECONDS, Server, connect
from connectors.sql.mysql_text import line_statements, literal, statements
from connectors.sql.mysql_types import MARIADB, MYSQL, OLD_MARIADB, Flavour, accepts, column_type, key_types

if COMPILED:
    from connectors.sql.values_c import ValuesWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connect.record import RowShape
    from connect.schema.avro_reader_c import RowLayout
    from connectors.sql.config import SqlConfig
    from connectors.sql.database import Lines

# A zombie that was stopped inside a transaction loses its locks, and so its successor can take over (F131).
_IDLE_IN_TRANSACTION: Final = 30
_LOCK_SECONDS: Final = 15
_NAME_CHARACTERS: Final = 64
_CLEARED_AT_ONCE: Final = 20_000
_MADE: Final = re.compile(r"(connect_[0-9a-f]{16})(?:/(.*))?", re.DOTALL)  # a mark, and the table that it was given
_ADOPTED: Final = re.compile(r"connect_adopted_[0-9a-f]{16}")
_MARKER: Final = re.compile(r"\0(\d+)\0")  # a parameter; no name holds NUL
_DISPLAY_WIDTH: Final = re.compile(r"^(smallint|mediumint|int|bigint)\(\d+\)|^tinyint\((?!1\))\d+\)|^(year)\(4\)")
_KINDS_OF_TABLES: Final = ("BASE TABLE", "SYSTEM VERSIONED")
_UUID_SINCE: Final = (10, 7, 0)
_NO_PLAIN_DEFAULT: Final = ("longtext", "longblob", "point", "geometry")


def _constant(type_: ColumnType, default: Any) -> str:
    """Long columns take their default as an expression only; others as a constant, which is added without a copy."""
    value = type_.write(default)
    text = f"x'{value.hex()}'" if isinstance(value, bytes) else literal(value).decode()
    return f"({text})" if type_.sql.startswith(_NO_PLAIN_DEFAULT) else text


def _spell(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _name_fault(name: str, table: bool, *, lower_case: bool) -> str:  # noqa: FBT001 - of the protocol
    if len(name) > _NAME_CHARACTERS:
        return f"it is longer than {_NAME_CHARACTERS} characters"
    if name.endswith(" ") or any(character > "\uffff" for character in name):
        return "it ends with a blank, or holds a character beyond U+FFFF"
    if table and lower_case and name != name.lower():
        return "the server writes tables in lower case (lower_case_table_names)"
    return ""


def dialect(flavour: Flavour, *, lower_case: bool = False) -> Dialect:
    """How one of the two servers spells things."""
    return Dialect(
        mark=lambda number: f"\0{number}\0",
        locking=" FOR UPDATE",
        or_leave=" ON DUPLICATE KEY UPDATE connector = connector",
        key_text="varchar(255)",
        long_text="longtext",
        name_fault=partial(_name_fault, lower_case=lower_case),
        fold=str.lower,
        column_type=partial(column_type, flavour=flavour),
        key_types=partial(key_types, flavour=flavour),
        accepts=accepts,
        constant=_constant,
        spell=_spell,
        retype="ALTER TABLE {table} MODIFY COLUMN {column} {type}",
        nullable="ALTER TABLE {table} MODIFY COLUMN {column} {type} NULL",
        same_table=" If only its comment was changed: ALTER TABLE {table} COMMENT = '{identity}'.",
    )


def _flavour(server: Server) -> Flavour:
    if server.kind == "mysql":
        return MYSQL
    return MARIADB if server.version >= _UUID_SINCE else OLD_MARIADB


class MysqlDatabase:
    """A connection to MySQL 8.0.19 or MariaDB 10.5, or later; see ``Database``."""

    def __init__(self, config: SqlConfig, application: str) -> None:
        """Connect.

        Raises:
            Retriable: The server is not there right now.
            Failed: ``target_credentials``, ``target_database``, ``target_tls``, ``target_version``.
        """
        self._link, self.server = connect(config, application)
        self._cursor = self._link.cursor()
        self._locked = False
        self._depth = 0
        self.schema = config.db_schema or parse_url(config.url.reveal()).database
        try:
            [(packet, lower_case)] = self.rows("SELECT @@max_allowed_packet, @@lower_case_table_names")
        except ConnectError:
            self.close()
            raise
        self._packet = int(packet)
        self._flavour = _flavour(self.server)
        self.dialect = dialect(self._flavour, lower_case=bool(lower_case))

    def close(self) -> None:
        """See ``Database``."""
        with suppress(pymysql.Error):  # closed already, or by the server
            self._link.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``Database``."""
        self._run(f"SET SESSION wait_timeout = {_IDLE_IN_TRANSACTION}")
        self._run("START TRANSACTION")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(pymysql.Error):
                self._link.rollback()
            raise
        finally:
            self._depth = 0
            with suppress(pymysql.Error):  # what keeps them from being done ends the session, and them with it
                self._link.query(f"SET SESSION wait_timeout = {IDLE_SECONDS}")
                if self._locked:
                    self._link.query("DO RELEASE_LOCK(" + self._lock_name() + ")")
                    self._locked = False

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See ``Database``; a name of its own, since the server forgets an outer one of the same name."""
        self._depth += 1
        name = f"connect_{self._depth}"
        self._run(f"SAVEPOINT {name}")
        try:
            yield
            self._run(f"RELEASE SAVEPOINT {name}")
        except BadRowsError:  # any other error ends the transaction, as some have done already (F134)
            self._run(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        finally:
            self._depth -= 1

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """See ``Database``."""
        self._run(_bound(sql, parameters))
        return list(self._cursor.fetchall())

    def run(self, sql: str, *parameters: Any) -> int:
        """See ``Database``."""
        return self._run(_bound(sql, parameters))

    def ddl(self, sql: str) -> None:
        """See ``Database``. It takes as long as it takes: a bound would cut it off again at each retry, for ever."""
        mariadb = self.server.kind == "mariadb"
        statement = f"SET STATEMENT max_statement_time = 0 FOR {sql}" if mariadb else sql
        with self._link.patient():
            self._run(statement, ddl=True)
        self._run("START TRANSACTION")

    def run_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Database``."""
        return sum(self.run(sql, *row) for row in rows)

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """INSERT, many rows a statement."""
        self._insert(_head(table, columns), b"", rows)

    def line_writer(self, layout: RowLayout, shape: RowShape, writers: Sequence[Callable[[Any], Any]]) -> ValuesWriter:
        """See ``LineDatabase``."""
        return ValuesWriter(layout, shape, writers)

    def load_lines(self, table: str, columns: Sequence[str], *parts: Lines) -> None:
        """See ``LineDatabase``."""
        self._insert_lines(_head(table, columns), b"", parts)

    def clear(self, table: str) -> None:
        """See ``Database``; TRUNCATE would commit. In parts, each of which is bounded."""
        while self.run(f"DELETE FROM {table} LIMIT {_CLEARED_AT_ONCE}"):
            pass

    def place(self, table: str) -> str:
        """See ``Database``."""
        return f"{quote(self.schema)}.{quote(table)}"

    def describe(self, table: str) -> Table | None:
        """See ``Database``; the identity is our mark in the table's comment, which dumps, ALTER and RENAME keep.

        Raises:
            Failed: ``target_kind`` or ``target_engine``: its rows would not be in one transaction with the position.
        """
        where = "WHERE table_schema = \0001\0 AND table_name = \0002\0"
        sql = f"SELECT table_name, table_type, engine, table_comment FROM information_schema.tables {where}"
        found = [row for row in self.rows(sql, self.schema, table) if str(row[0]).lower() == table.lower()]
        exact = [row for row in found if row[0] == table] or found
        if not exact:
            return None
        name, kind, engine, comment = exact[0]
        if name != table or kind not in _KINDS_OF_TABLES:
            message = f"{self.schema}.{table} is no table, or differs from table {name} by case only"
            raise Failed("target_kind", message, hint="Write another table: for it.")
        if str(engine).lower() != "innodb":
            message = f"table {self.schema}.{table} is {engine}, and only InnoDB has transactions"
            raise Failed("target_engine", message, hint=f"ALTER TABLE {_spell(table)} ENGINE = InnoDB")
        columns = {
            row[0]: _column(*row)
            for row in self.rows(_COLUMNS + where + " ORDER BY ordinal_position", self.schema, table)
        }
        keys: dict[str, set[str]] = {}
        for index, column, part in self.rows(_UNIQUE + where + " AND non_unique = 0", self.schema, table):
            keys.setdefault(index, set()).add("" if part else column)
        whole = [frozenset(names) for names in keys.values() if "" not in names]
        adopted = _ADOPTED.search(comment)
        mark = "" if adopted else _mark(table, comment)
        return Table(table, columns, whole, adopted[0] if adopted else mark, mark, len(keys))

    def create(self, table: str, columns: str, key: Sequence[str], mark: str) -> None:
        """See ``Database``."""
        options = f"ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT COLLATE = {self._flavour.collation}"
        text = literal(f"Made by Connect, which knows it by this mark: {mark}/{table}").decode()
        comment = f"COMMENT = {text}"
        self.ddl(f"CREATE TABLE {self.place(table)} ({columns}, PRIMARY KEY ({quoted(key)})) {options} {comment}")

    def adopt(self, table: Table) -> Table:
        """See ``Database``: a mark at the end of its comment, for a table has nothing else that names it for good."""
        comment = self._comments([table.name]).get(table.name, "")
        mark = f"connect_adopted_{secrets.token_hex(8)}"
        text = f"{_ADOPTED.sub('', comment).strip()} {mark}".strip()
        self.ddl(f"ALTER TABLE {self.place(table.name)} COMMENT = {literal(text).decode()}")
        return replace(table, identity=mark)

    def stage(self, name: str, table: Table) -> str:
        """See ``Database``; with a key, which a server may require of every table."""
        place = self.place(name)
        self._run(f"DROP TEMPORARY TABLE IF EXISTS {place}")
        columns = ", ".join(f"{quote(column.name)} {column.sql} NULL" for column in table.columns.values())
        options = f"ENGINE = InnoDB DEFAULT COLLATE = {self._flavour.collation}"
        number = "__connect_row BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
        self._run(f"CREATE TEMPORARY TABLE {place} ({columns}, {number}) {options}", ddl=True)
        return place

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
        """See ``Database``. With another unique index the statement would change the row that clashes there."""
        if table.uniques == 1:
            self._insert(_head(self.place(table.name), columns), self._over(key, columns), rows)
        return table.uniques == 1

    def upsert_lines(self, table: Table, key: Sequence[str], columns: Sequence[str], *parts: Lines) -> bool:
        """See ``LineDatabase``."""
        if table.uniques == 1:
            self._insert_lines(_head(self.place(table.name), columns), self._over(key, columns), parts)
        return table.uniques == 1

    def _over(self, key: Sequence[str], columns: Sequence[str]) -> bytes:
        others = [column for column in columns if column not in key] or [key[0]]
        mysql = self.server.kind == "mysql"
        value = "connect_new.{0}" if mysql else "VALUES({0})"
        sets = ", ".join(f"{quote(column)} = {value.format(quote(column))}" for column in others)
        return f"{' AS connect_new' if mysql else ''} ON DUPLICATE KEY UPDATE {sets}".encode()

    def merge(self, table: Table, key: Sequence[str], columns: Sequence[str], stage: str) -> None:
        """See ``Database``: UPDATE, then INSERT of what is absent: another unique index is only ever an error."""
        place, same = self.place(table.name), _same(key)
        others = [column for column in columns if column not in key]
        if others:
            sets = ", ".join(f"t.{quote(column)} = s.{quote(column)}" for column in others)
            self._change(f"UPDATE {stage} AS s STRAIGHT_JOIN {place} AS t ON {same} SET {sets}")
        values = ", ".join(f"s.{quote(column)}" for column in columns)
        absent = f"FROM {stage} AS s LEFT JOIN {place} AS t ON {same} WHERE t.{quote(key[0])} IS NULL"
        self._change(f"INSERT INTO {place} ({quoted(columns)}) SELECT {values} {absent}")

    def delete(self, table: Table, key: Sequence[str], stage: str) -> None:
        """See ``Database``."""
        self._run(f"DELETE t FROM {stage} AS s STRAIGHT_JOIN {self.place(table.name)} AS t ON {_same(key)}")

    def confirm(self, tables: Sequence[Table]) -> None:
        """See ``Database``; what the transaction has touched nobody can swap until it ends, so this look counts."""
        comments = self._comments([table.name for table in tables]) if tables else {}
        for table in tables:
            if table.identity not in comments.get(table.name, ""):
                raise swapped(table.name)

    def _comments(self, tables: Sequence[str]) -> dict[str, str]:
        names = ", ".join(literal(table).decode() for table in tables)
        where = f"WHERE table_schema = \0001\0 AND table_name IN ({names})"
        return dict(self.rows(f"SELECT table_name, table_comment FROM information_schema.tables {where}", self.schema))

    def lock_tables(self) -> None:
        """See ``Database``; it outlives the commits of DDL and ends with the transaction or the session."""
        self._locked = True
        if self.rows(f"SELECT GET_LOCK({self._lock_name()}, {_LOCK_SECONDS})") != [(1,)]:
            message = f"another sink makes or alters tables in database {self.schema} for a long time"
            raise Retriable(message, code="target_conflict", hint="SHOW PROCESSLIST says what it waits for.")

    def _lock_name(self) -> str:
        return f"'connect tables {hashlib.sha256(self.schema.encode()).hexdigest()[:32]}'"

    def _insert_lines(self, head: bytes, tail: bytes, parts: Iterable[Lines]) -> None:
        for part in parts:
            for statement in line_statements(head, tail, part, self._packet):
                self._change(statement)

    def _insert(self, head: bytes, tail: bytes, rows: Iterable[Sequence[Any]]) -> None:
        try:
            for statement in statements(head, tail, rows, self._packet):
                self._change(statement)
        except UnicodeEncodeError:  # a lone surrogate
            raise BadRowsError("a text is no valid UTF-8") from None

    def _change(self, sql: str | bytes) -> None:
        """Change rows; a value that the server only noted to have changed is refused like any other (F132)."""
        self._run(sql)
        if not self._cursor.warning_count:
            return
        self._run("SHOW WARNINGS LIMIT 100")
        for _, number, _ in self._cursor.fetchall():
            if number in CHANGED_VALUES:
                raise BadRowsError(f"a value would be changed by its column ({number})")

    def _run(self, sql: str | bytes, *, ddl: bool = False) -> int:
        try:
            return self._cursor.execute(sql)  # type: ignore[arg-type]  # bytes are sent as they are
        except pymysql.Error as error:
            raise translate(error, ddl=ddl) from None


_COLUMNS: Final = (
    "SELECT column_name, column_type, collation_name, is_nullable, column_default, extra"
    " FROM information_schema.columns "
)
# An index over an expression or a prefix is no key; it counts as unique all the same.
_UNIQUE: Final = (
    "SELECT index_name, column_name, sub_part IS NOT NULL OR column_name IS NULL FROM information_schema.statistics "
)


def _column(name: str, type_: str, collation: str | None, nullable: str, default: Any, extra: str) -> Column:
    sql = _DISPLAY_WIDTH.sub(lambda found: found[1] or found[2] or "tinyint", type_)
    filled = default is not None or "auto_increment" in extra.lower() or "generated" in extra.lower()
    return Column(name, f"{sql} COLLATE {collation}" if collation else sql, nullable == "NO", filled)


def _mark(table: str, comment: str) -> str:
    """The mark that a sink gave this table; a copy of it (CREATE TABLE … LIKE) under another name has none."""
    found = _MADE.search(comment)
    return found[1] if found and found[2] in {None, table} else ""


def _head(table: str, columns: Sequence[str]) -> bytes:
    return f"INSERT INTO {table} ({quoted(columns)}) VALUES ".encode()


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in key)


def _bound(sql: str, parameters: Sequence[Any]) -> str:
    """Parameters as literals in the places of their marks."""
    return _MARKER.sub(lambda mark: literal(parameters[int(mark[1]) - 1]).decode(), sql) if parameters else sql
