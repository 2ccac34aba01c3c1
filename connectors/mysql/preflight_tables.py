"""What ``doctor`` checks on each captured table: rights, columns, keys, engine, cascades."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pymysql

from connect.api import Finding, Severity
from connect.schema.model import TableId
from connectors.mysql import quoting
from connectors.mysql.quoting import quoted
from connectors.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.api import TableOptions
    from connectors.mysql.columns import TableDefinition
    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server

_OK: Final = Severity.OK
_WARNING: Final = Severity.WARNING
_PROBLEM: Final = Severity.PROBLEM
_DENIED: Final = frozenset({1044, 1142, 1143})
_MISSING: Final = frozenset({1049, 1146})
_LOGS_CASCADES: Final = (9, 6)
_CHILDREN: Final = """
SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
 WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
 ORDER BY 1, 2
"""
_FOREIGN_KEY: Final = re.compile(r"^ *CONSTRAINT .* FOREIGN KEY .* REFERENCES (.*?) \(`.*?`\)(.*)$", re.MULTILINE)
_RULE: Final = re.compile(r"ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL)")
_CHANGING: Final = frozenset({"CASCADE", "SET NULL"})
_CASCADES: Final = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, DELETE_RULE, UPDATE_RULE
  FROM information_schema.REFERENTIAL_CONSTRAINTS
 WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
   AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL'))
 ORDER BY 1, 2
"""


def check_table(
    connection: Connection,
    server: Server,
    account: str,
    table: TableId,
    definition: TableDefinition | None,
    options: TableOptions,
) -> Iterator[Finding]:
    """Everything about one table; one finding that says so where all is well."""
    problem = _unreadable(connection, account, table)
    if problem is not None:
        yield problem
        return
    if definition is None:
        yield Finding(str(table), _PROBLEM, f"{table} is no base table", "take it out of `tables:`")
        return
    findings = [
        *_versions(table, definition),
        *_columns(table, definition, options),
        *_key(table, definition, options),
        *_engine(table, definition),
        *_cascades(connection, server, table),
    ]
    yield from findings or [Finding(str(table), _OK, "it can be read, and its changes are in the log")]


def _versions(table: TableId, definition: TableDefinition) -> Iterator[Finding]:
    if definition.versioned:
        message = "it keeps its old rows (WITH SYSTEM VERSIONING), which the log has as if they were current"
        remedy = f"ALTER TABLE {quoted(table)} DROP SYSTEM VERSIONING; -- or take the table out of `tables:`"
        yield Finding(str(table), _PROBLEM, message, remedy)


def _unreadable(connection: Connection, account: str, table: TableId) -> Finding | None:
    """The account sees nothing of a table that it may not read, not even that it exists."""
    try:
        connection.query(f"SELECT 1 FROM {quoted(table)} LIMIT 0")  # noqa: S608 - quoted
    except pymysql.Error as error:
        if error.args[0] in _DENIED:
            remedy = f"GRANT SELECT ON {quoted(table)} TO {account};"
            return Finding(str(table), _PROBLEM, "no SELECT on the table", remedy, is_sql=True)
        if error.args[0] in _MISSING:
            return Finding(str(table), _PROBLEM, f"there is no table {table}", "take it out of `tables:`, or create it")
        raise
    return None


def _columns(table: TableId, definition: TableDefinition, options: TableOptions) -> Iterator[Finding]:
    for name in (*(options.columns or ()), *(options.mask or ()), *(options.key or ())):
        if definition.column(name) is None:
            yield Finding(str(table), _PROBLEM, f"it has no column {name!r}", "mend the file")


def _key(table: TableId, definition: TableDefinition, options: TableOptions) -> Iterator[Finding]:
    if definition.unique_keys:
        return
    add = f"ALTER TABLE {quoted(table)} ADD PRIMARY KEY (…);"
    if definition.primary_key:
        message = "its primary key has prefixes of columns only: each chunk of its snapshot sorts the table"
        yield Finding(str(table), _WARNING, message, add)
    elif options.key:
        message = "it has no unique index over NOT NULL columns, so it cannot be read in chunks"
        yield Finding(str(table), _PROBLEM, message, f"{add} -- or `snapshot: {{mode: never}}` for it")
    else:
        message = "it has no key: only the event view, and it is read whole while the stream waits"
        yield Finding(str(table), _WARNING, message, add)


def _engine(table: TableId, definition: TableDefinition) -> Iterator[Finding]:
    if (definition.engine or "").lower() in {"innodb", "rocksdb"}:
        return
    message = (
        f"its engine is {definition.engine}: changes show before they are in the log, and rollbacks keep them (F71)"
    )
    yield Finding(str(table), _WARNING, message, f"ALTER TABLE {quoted(table)} ENGINE = InnoDB;")


def _cascades(connection: Connection, server: Server, table: TableId) -> Iterator[Finding]:
    """Foreign keys change rows of child tables inside the engine, unseen by the log (F48)."""
    if not server.is_mariadb and server.version >= _LOGS_CASCADES:
        return
    found = _told_by_definitions(connection, table) if server.is_mariadb else _told_by_rules(connection, table)
    for schema, name, rule in found:
        message = (
            f"{schema}.{name} refers to it with {rule}: what that changes in {schema}.{name} is not in the log (F48)"
        )
        yield Finding(str(table), _WARNING, message, "let the application, or a trigger, change those rows itself")


def _told_by_rules(connection: Connection, table: TableId) -> Iterator[tuple[str, str, str]]:
    """The table's child tables and the first rule of each that changes them."""
    for schema, name, on_delete, on_update in rows(connection, _CASCADES, table):
        yield schema, name, f"ON DELETE {on_delete}" if on_delete in _CHANGING else f"ON UPDATE {on_update}"


def _told_by_definitions(connection: Connection, table: TableId) -> Iterator[tuple[str, str, str]]:
    """The same on MariaDB, which shows rules to who may write only, and definitions to who may read."""
    for schema, name in rows(connection, _CHILDREN, table):
        child = TableId(schema, name)
        (_, definition) = rows(connection, f"SHOW CREATE TABLE {quoted(child)}")[0]
        for parent, rules in _FOREIGN_KEY.findall(definition):
            rule = _RULE.search(rules)
            if rule is not None and parent in {quoted(table), quoting.name(table.name)}:
                yield schema, name, rule[0]
                break
