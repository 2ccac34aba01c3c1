"""Statements of the log that say what tables are (V2, F52, F73): parsed as far as rows depend on it, and no further.

What is not understood is said to be so (``NotUnderstood``); who needs it then stops (invariant 6).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from connectors.mysql.ddl_columns import Cursor, NotUnderstoodError, split_at_commas
from connectors.mysql.drafts import Draft
from connectors.mysql.sql_tokens import Kind, Token, tokens
from connectors.mysql.statements import (
    AlterTable,
    CreateTable,
    Data,
    DatabaseCharset,
    DropDatabase,
    DropTables,
    NotUnderstood,
    RenameTables,
    Statement,
    TemporaryTable,
    TruncateTable,
)
from connectors.mysql.table_clauses import Clauses, Names, add_unique

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.schema.model import TableId

_DATA: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "MERGE", "DO")
# First words of statements that leave tables as they are.
_HARMLESS: Final = frozenset(
    """
    ANALYZE BEGIN BINLOG CHANGE CHECK CLONE COMMIT DEALLOCATE EXECUTE FLUSH GRANT HANDLER HELP INSTALL KILL LOCK
    OPTIMIZE PREPARE PURGE RELEASE REPAIR RESET RESTART REVOKE ROLLBACK SAVEPOINT SELECT SET SHOW SHUTDOWN SIGNAL START
    STOP UNINSTALL UNLOCK USE VALUES XA
    """.split()  # noqa: SIM905 - forty quoted words are no easier to read
)


def parse(sql: str, names: Names | str, sql_mode: int = 0, *, mariadb: bool = False) -> Statement:
    """What a statement does to tables; None for nothing.

    Args:
        sql: The statement as the log has it.
        names: The default database of the session that ran it, and how names are spelled.
        sql_mode: Of that session, as bits.
        mariadb: Whether MariaDB ran it.
    """
    found = list(tokens(sql, sql_mode, mariadb=mariadb))
    while found and found[-1].is_sign(";"):
        found.pop()
    parser = _Parser(found, Names(names) if isinstance(names, str) else names, sql_mode, mariadb=mariadb)
    try:
        return parser.statement()
    except NotUnderstoodError as error:
        return NotUnderstood(parser.table, _names(found), str(error))


def _names(found: Sequence[Token]) -> frozenset[str]:
    return frozenset(token.text for token in found if token.kind in {Kind.WORD, Kind.NAME})


class _Parser:
    """One statement. ``table`` is the table that it is about, once that is known."""

    def __init__(self, found: Sequence[Token], names: Names, sql_mode: int, *, mariadb: bool) -> None:
        self.table: TableId | None = None
        self._cursor = Cursor(found)
        self._names = names
        self._clauses = Clauses(names, sql_mode, mariadb=mariadb)

    def statement(self) -> Statement:
        first = self._cursor.take()
        word = first.text.upper() if first.kind is Kind.WORD else ""
        if word in _STATEMENTS:
            return _STATEMENTS[word](self)
        if word in _DATA:
            return Data(_names(self._cursor.tokens), self._names.database)
        if not word or word in _HARMLESS:
            return None
        raise NotUnderstoodError(f"{word} is not known")

    def _name(self) -> TableId:
        return self._names.table(self._cursor)

    def create(self) -> Statement:
        cursor = self._cursor
        replaces = cursor.accept("OR", "REPLACE")
        if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
            cursor.accept("IF", "NOT", "EXISTS")
            return self._database_charset()
        if cursor.accept("TABLE"):
            return self._create_table(replaces=replaces)
        if cursor.accept("TEMPORARY", "TABLE"):
            cursor.accept("IF", "NOT", "EXISTS")
            return TemporaryTable(self._name())
        unique = cursor.accept("UNIQUE")
        if unique or any(cursor.next.is_word(word) for word in ("INDEX", "FULLTEXT", "SPATIAL", "VECTOR")):
            return self._create_index(unique=unique)
        return None  # of views, routines, users

    def _create_index(self, *, unique: bool) -> Statement:
        cursor = self._cursor
        while cursor and not cursor.accept("ON"):
            cursor.take()
        self.table = self._name()
        parts = cursor.group()
        return AlterTable(self.table, (partial(add_unique, parts),) if unique else ())

    def _create_table(self, *, replaces: bool) -> Statement:
        cursor = self._cursor
        if_missing = cursor.accept("IF", "NOT", "EXISTS")
        self.table = table = self._name()
        like = self._like()
        if like is not None:
            return CreateTable(table, like=like, replaces=replaces, if_missing=if_missing)
        elements = split_at_commas(cursor.group())
        if not elements[0]:
            raise NotUnderstoodError("its columns are not listed")
        self._clauses.options(cursor)
        for element in elements:
            self._clauses.element(Cursor(element))
        clauses = self._clauses
        return CreateTable(
            table, clauses.changes, None, clauses.charset, clauses.engine, replaces=replaces, if_missing=if_missing
        )

    def _like(self) -> TableId | None:
        cursor = self._cursor
        inside = cursor.next.is_sign("(")
        start = cursor.at
        if inside:
            cursor.take()
        if cursor.accept("LIKE"):
            return self._name()
        cursor.at = start
        return None

    def alter(self) -> Statement:
        cursor = self._cursor
        if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
            return self._database_charset()
        while any(cursor.accept(word) for word in ("ONLINE", "OFFLINE", "IGNORE")):
            pass
        if not cursor.accept("TABLE"):
            return None  # of views, events, users, servers, instances
        cursor.accept("IF", "EXISTS")
        self.table = table = self._name()
        _skip_wait(cursor)
        for action in split_at_commas(cursor.tokens[cursor.at :]):
            self._clauses.action(Cursor(action))
            if any(token.is_word("ORDER", "PARTITION") for token in action[:2]):
                break  # it ends the statement, and has commas of its own
        clauses = self._clauses
        return AlterTable(table, clauses.changes, clauses.renamed, clauses.unlogged, clauses.exchanged)

    def drop(self) -> Statement:
        cursor = self._cursor
        if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
            cursor.accept("IF", "EXISTS")
            return DropDatabase(self._names.spelled(cursor.name()))
        if cursor.accept("TABLE") or cursor.accept("TABLES"):
            cursor.accept("IF", "EXISTS")
            return DropTables(self._table_list())
        if cursor.accept("INDEX"):
            cursor.accept("IF", "EXISTS")
            primary = cursor.name().upper() == "PRIMARY"
            if not cursor.accept("ON"):
                raise NotUnderstoodError("its table is missing")
            self.table = self._name()
            return AlterTable(self.table, (Draft.drop_primary if primary else Draft.drop_index,))
        return None

    def _table_list(self) -> tuple[TableId, ...]:
        found = [self._name()]
        while self._cursor.accept_sign(","):
            found.append(self._name())
        return tuple(found)

    def rename(self) -> Statement:
        cursor = self._cursor
        if not cursor.accept("TABLE") and not cursor.accept("TABLES"):
            return None  # of a user
        cursor.accept("IF", "EXISTS")
        pairs = []
        while True:
            old = self._name()
            _skip_wait(cursor)
            if not cursor.accept("TO"):
                raise NotUnderstoodError("the new name is missing")
            pairs.append((old, self._name()))
            if not cursor.accept_sign(","):
                return RenameTables(tuple(pairs))

    def truncate(self) -> Statement:
        self._cursor.accept("TABLE")
        return TruncateTable(self._name())

    def _database_charset(self) -> Statement:
        cursor = self._cursor
        named = cursor.next.kind is Kind.NAME or not cursor.next.is_word(
            "DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT", "UPGRADE"
        )
        name = cursor.name() if cursor and named else self._names.database
        while cursor:
            self._clauses.option(cursor, cursor.take())
        return DatabaseCharset(self._names.spelled(name), self._clauses.charset)


def _skip_wait(cursor: Cursor) -> None:
    if cursor.accept("WAIT"):
        cursor.take()
    cursor.accept("NOWAIT")


_STATEMENTS: Final[dict[str, Callable[[_Parser], Statement]]] = {
    "ALTER": _Parser.alter,
    "CREATE": _Parser.create,
    "DROP": _Parser.drop,
    "RENAME": _Parser.rename,
    "TRUNCATE": _Parser.truncate,
}
