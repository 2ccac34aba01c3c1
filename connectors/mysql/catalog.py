"""Tables as information_schema describes them now; the log may be older (F50)."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

import pymysql

from connect.schema.model import TableId
from connectors.mysql.charsets import BINARY
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.connection import server_kind
from connectors.mysql.position import LogPosition
from connectors.mysql.quoting import quoted
from connectors.mysql.server import log_end

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server

    Row = Sequence[Any]

_ABSENT: Final = (1146, 1049)  # no such table, no such database
_SYSTEM: Final = ("information_schema", "mysql", "performance_schema", "sys")

_TABLES: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_COLLATION, TABLE_TYPE, TABLE_ROWS, DATA_LENGTH
  FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND {where}
"""
_COLUMNS: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION,
       NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLUMN_COMMENT
  FROM information_schema.COLUMNS WHERE {where} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""
_KEYS: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE, INDEX_TYPE, {usable}
  FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND {where}
 ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
"""
_JSON: Final = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS
 WHERE LEVEL = 'Column' AND CHECK_CLAUSE LIKE 'json_valid(%%' AND {where}
"""
_MEMBER: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_NUMBERS: Final = re.compile(r"\((\d+)(?:,(\d+))?\)")
_CONSTANT: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|b'[01]*'", re.IGNORECASE)
_ESCAPES: Final = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)
_CANONICAL: Final = {"geomcollection": "geometrycollection", "integer": "int", "numeric": "decimal"}


def read_tables(connection: Connection, tables: Collection[TableId] | None = None) -> dict[TableId, TableDefinition]:
    """The base tables of these names that exist; None for all but the server's own.

    Raises:
        pymysql.Error: As the server says.
    """
    mariadb = server_kind(connection.server_version)[0] == "mariadb"
    usable = "IGNORED = 'NO'" if mariadb else "IS_VISIBLE = 'YES' AND EXPRESSION IS NULL"
    heads = _rows(connection, _TABLES, tables)
    columns = _by_table(_rows(connection, _COLUMNS, tables))
    keys = _by_table(_rows(connection, _KEYS.replace("{usable}", usable), tables))
    checks = _rows(connection, _JSON, tables, "CONSTRAINT_SCHEMA") if mariadb else ()
    json = {(schema, table, column.lower()) for schema, table, column in checks}
    found = {}
    for schema, name, engine, collation, kind, *_ in heads:
        table = TableId(schema, name)
        described = tuple(_column(row, mariadb=mariadb, json=json) for row in columns.get(table, ()))
        primary, unique = _keys(keys.get(table, ()))
        charset = charset_name(collation.partition("_")[0]) if collation else None
        versioned = kind == "SYSTEM VERSIONED"
        found[table] = TableDefinition(table, described, primary, unique, charset, engine, versioned)
    return found


def read_sizes(connection: Connection, tables: Collection[TableId]) -> dict[TableId, tuple[int, int]]:
    """Rows and bytes without indexes of each table, by the server's statistics."""
    rows = _rows(connection, _TABLES, tables)
    return {TableId(row[0], row[1]): (int(row[5] or 0), int(row[6] or 0)) for row in rows}


def read_database_charsets(connection: Connection) -> dict[str, str]:
    """The default character set of each database, for CREATE TABLE statements that name none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA")
        return {name: charset_name(charset) for name, charset in cursor.fetchall()}


def settle(connection: Connection, tables: Collection[TableId]) -> None:
    """Wait until no DDL of these tables is under way: a statement can stand in the log before the catalogue shows it.

    A query takes the table's metadata lock, which DDL holds until it is visible.
    """
    for table in tables:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM {quoted(table)} LIMIT 0")  # noqa: S608 - a quoted identifier
        except pymysql.Error as error:
            if not error.args or error.args[0] not in _ABSENT:
                raise


def charset_name(name: str) -> str:
    """A character set's name of today: MySQL's ``utf8`` of before 8.0.29 is utf8mb3."""
    return "utf8mb3" if name == "utf8" else name


def _rows(
    connection: Connection,
    query: str,
    tables: Collection[TableId] | None,
    schema_column: str = "TABLE_SCHEMA",
) -> list[Row]:
    """The query's rows for these tables, asked schema by schema: the server looks up what is named, and no more."""
    if tables is None:
        return _fetch(connection, query, f"{schema_column} NOT IN ({_places(_SYSTEM)})", _SYSTEM)
    found = []
    for schema, named in groupby(sorted(tables), key=lambda table: table.schema):
        for names in _asked_together([table.name for table in named]):
            where = f"{schema_column} = %s AND TABLE_NAME IN ({_places(names)})"
            found += _fetch(connection, query, where, [schema, *names])
    return found


def _asked_together(names: Sequence[str]) -> list[list[str]]:
    """Names without two that are one to MariaDB's IN, which then finds one of their tables only."""
    groups: list[dict[str, str]] = []
    for name in filter(str.isascii, names):
        group = next((one for one in groups if name.lower() not in one), None)
        if group is None:
            groups.append(group := {})
        group[name.lower()] = name
    alone = [[name] for name in names if not name.isascii()]  # an ä is an a to it, and more
    return [list(group.values()) for group in groups] + alone


def _places(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values))


def _fetch(connection: Connection, query: str, where: str, values: Sequence[str]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query.replace("{where}", where), values)
        return [[_text(value) for value in row] for row in cursor.fetchall()]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _by_table(rows: Iterable[Row]) -> dict[TableId, list[Row]]:
    """The rows of each table; those of names that differ in case or accents only come mixed (MariaDB's collation)."""
    found: dict[TableId, list[Row]] = {}
    for row in rows:
        found.setdefault(TableId(row[0], row[1]), []).append(row)
    return found


def _keys(rows: Iterable[Row]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The primary key, and every unique index over whole NOT NULL columns, the primary key first."""
    primary: tuple[str, ...] = ()
    unique = []
    for index, group in groupby(rows, key=lambda row: row[2]):
        parts = list(group)
        names = tuple(part[3] for part in parts)
        if index == "PRIMARY":
            primary = names
        whole = all(part[4] is None and part[5] != "YES" and part[6] == "BTREE" and part[7] for part in parts)
        if whole:
            unique.append((index != "PRIMARY", len(names), names))
    return primary, tuple(dict.fromkeys(names for _, _, names in sorted(unique)))


def _column(row: Row, *, mariadb: bool, json: Collection[tuple[str, str, str]]) -> Column:
    schema, table, name, data_type, column_type, characters, precision, scale, fraction = row[:9]
    charset, nullable, default, extra, comment = row[9:]
    data_type, extra = _CANONICAL.get(data_type.lower(), data_type.lower()), extra.upper()
    if (schema, table, name.lower()) in json and data_type == "longtext":
        data_type = "json"
    labelled = data_type in {"enum", "set"}
    generated: Literal["", "stored", "virtual"] = ""
    if "GENERATED" in extra.replace("DEFAULT_GENERATED", ""):
        generated = "virtual" if "VIRTUAL" in extra else "stored"
    return Column(
        name,
        data_type,
        unsigned=not labelled and "unsigned" in column_type,
        length=_length(data_type, column_type, characters, precision),
        scale=scale if data_type in {"decimal", "float", "double"} else None,
        fraction=fraction or 0,
        charset=charset_name(charset) if charset else BINARY if labelled else None,
        members=tuple(unescaped(label) for label in _MEMBER.findall(column_type)) if labelled else (),
        nullable=nullable == "YES",
        default=_mariadb_default(default) if mariadb else _mysql_default(default, extra),
        generated=generated,
        invisible="INVISIBLE" in extra,
        comment=comment,
    )


def _length(data_type: str, column_type: str, characters: int | None, precision: int | None) -> int | None:
    match data_type:
        case "bit" | "decimal":
            return precision
        case "vector":
            found = _NUMBERS.search(column_type)
            return int(found[1]) if found else None
        case "char" | "varchar" | "binary" | "varbinary":
            return characters
        case _:
            return None


def _mysql_default(default: str | None, extra: str) -> str | None:
    return None if "DEFAULT_GENERATED" in extra else default


def _mariadb_default(default: str | None) -> str | None:
    """MariaDB gives an expression's text: quoted constants, NULL as a word."""
    if default is None:
        return None
    if found := _MEMBER.fullmatch(default):
        return unescaped(found[1])
    return default if _CONSTANT.fullmatch(default) else None


def unescaped(quoted_text: str) -> str:
    """What a quoted text of SQL holds, without its quotes."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]) if found[1] else "'", quoted_text)


class ServerCatalog:
    """What ``History`` asks the server for, over one connection.

    Args:
        connection: Of the thread that reads the log.
        server: Its server.
        here: Where the event in hand ends, in that server's log.
    """

    def __init__(self, connection: Connection, server: Server, here: Callable[[], LogPosition]) -> None:
        self._connection = connection
        self._server = server
        self._here = here
        self.mariadb = server.is_mariadb
        self.lower_names = server.lower_case_names == 1

    def tables(self, tables: Collection[TableId], *, settled: bool = False) -> dict[TableId, TableDefinition]:
        """The tables of these names that exist; ``settled``: once no DDL of them is under way."""
        if settled:
            settle(self._connection, tables)
        return read_tables(self._connection, tables)

    def database_charset(self, database: str) -> str | None:
        """The default character set of a database; None where there is none of that name."""
        return read_database_charsets(self._connection).get(database)

    def here(self) -> tuple[int, int]:
        """Where the event in hand ends, to be compared with ``end``."""
        return self._here().order

    def end(self) -> tuple[int, int]:
        """Where the log ends now."""
        end = log_end(self._connection, self._server)
        return LogPosition(end.file, end.pos).order
