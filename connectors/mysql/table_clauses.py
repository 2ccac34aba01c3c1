"""The parts of CREATE TABLE and ALTER TABLE → changes of a draft."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from connect.schema.model import TableId
from connectors.mysql.ddl_columns import (
    ColumnClause,
    Cursor,
    NotUnderstoodError,
    charset_value,
    collation_value,
    default_value,
    split_at_commas,
)
from connectors.mysql.drafts import Draft
from connectors.mysql.sql_tokens import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.mysql.sql_tokens import Token
    from connectors.mysql.statements import Change


class Names(NamedTuple):
    """How a statement's names are read: in which database, and whether the server keeps them in small letters."""

    database: str
    lower: bool = False

    def table(self, cursor: Cursor) -> TableId:
        """The table whose name is here, with its database or in the session's."""
        first = cursor.name()
        found = (first, cursor.name()) if cursor.accept_sign(".") else (self.database, first)
        return TableId(*map(self.spelled, found))

    def spelled(self, name: str) -> str:
        """A name as the server keeps it."""
        return name.lower() if self.lower else name


class Clauses:
    """What the parts of one statement say, gathered.

    Attributes:
        renamed: The table's new name.
        unlogged: Whether rows come or go unseen.
        exchanged: The other table that they come from or go to.
        charset: The table's default character set, where it is named.
        engine: Likewise.
    """

    def __init__(self, names: Names, sql_mode: int, *, mariadb: bool) -> None:
        self._columns: list[Change] = []
        self._keys: list[Change] = []
        self.renamed: TableId | None = None
        self.unlogged = False
        self.exchanged: TableId | None = None
        self.charset: str | None = None
        self.engine: str | None = None
        self._names = names
        self._sql_mode = sql_mode
        self._mariadb = mariadb

    @property
    def changes(self) -> tuple[Change, ...]:
        """In the statement's order, but new keys last: they may be written before their columns."""
        return (*self._columns, *self._keys)

    def _clause(self, cursor: Cursor) -> ColumnClause:
        return ColumnClause(cursor.name(), cursor, self._sql_mode, mariadb=self._mariadb)

    def options(self, cursor: Cursor) -> None:
        """Options of a table up to its partitions."""
        while cursor and not cursor.next.is_word("PARTITION", "SELECT", "AS"):
            if cursor.next.is_sign("("):
                cursor.group()
            elif cursor.accept("WITH", "SYSTEM", "VERSIONING"):
                raise NotUnderstoodError("system versioning is not followed")
            else:
                self.option(cursor, cursor.take())

    def option(self, cursor: Cursor, token: Token) -> None:
        """One option; ``token`` is its first word."""
        if token.is_word("CHARSET") or (token.is_word("CHARACTER", "CHAR") and cursor.accept("SET")):
            self.charset = charset_value(cursor)
        elif token.is_word("COLLATE"):
            self.charset = collation_value(cursor) or self.charset
        elif token.is_word("ENGINE"):
            cursor.accept_sign("=")
            self.engine = cursor.take().text
        elif token.is_word("COMMENT", "CONNECTION", "DIRECTORY"):
            cursor.accept_sign("=")
            cursor.take()

    def element(self, cursor: Cursor) -> None:
        """A column, a key or a constraint, as CREATE TABLE and ADD have them."""
        if not cursor or self._key_element(cursor):
            return
        clause = self._clause(cursor)
        self._columns.append(lambda draft: draft.add(clause))

    def _key_element(self, cursor: Cursor) -> bool:
        if cursor.accept("CONSTRAINT"):
            cursor.accept("IF", "NOT", "EXISTS")
            if not cursor.next.is_word("PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
                cursor.name()
        if cursor.accept("PRIMARY", "KEY"):
            parts = _key_parts(_first_group(cursor))
            if parts is None:
                raise NotUnderstoodError("its primary key cannot be read")
            names, whole = [name for name, _ in parts], all(entire for _, entire in parts)
            self._keys.append(lambda draft: draft.set_primary(names, whole=whole))
        elif cursor.accept("UNIQUE"):
            self._keys.append(partial(add_unique, _first_group(cursor)))
        else:
            return _is_other_key(cursor)
        return True

    # Actions of ALTER TABLE.

    def action(self, cursor: Cursor) -> None:
        """One action of ALTER TABLE."""
        token = cursor.take() if cursor else None
        if token is None:
            return
        word = token.text.upper() if token.kind is Kind.WORD else ""
        if word in _ACTIONS:
            _ACTIONS[word](self, cursor)
        elif word in _HARMLESS_ACTIONS:
            self.charset_action(cursor)  # options follow each other without commas
        else:
            raise NotUnderstoodError(f"the action {token.text} is not known")

    def add_action(self, cursor: Cursor) -> None:
        """ADD: a column, several in parentheses, an index, a constraint, a partition."""
        explicit = cursor.accept("COLUMN")
        if_missing = cursor.accept("IF", "NOT", "EXISTS")
        if cursor.next.is_sign("("):
            for element in split_at_commas(cursor.group()):
                self.element(Cursor(element))
            return
        if not explicit and (_is_partition(cursor) or self._key_element(cursor)):
            return
        clause = self._clause(cursor)
        self._columns.append(lambda draft: draft.add(clause, if_missing=if_missing))

    def change_action(self, cursor: Cursor) -> None:
        """CHANGE [COLUMN]."""
        cursor.accept("COLUMN")
        if_there = cursor.accept("IF", "EXISTS")
        old, clause = cursor.name(), self._clause(cursor)
        self._columns.append(lambda draft: draft.change(old, clause, if_there=if_there))

    def modify_action(self, cursor: Cursor) -> None:
        """MODIFY [COLUMN]."""
        cursor.accept("COLUMN")
        if_there = cursor.accept("IF", "EXISTS")
        clause = self._clause(cursor)
        self._columns.append(lambda draft: draft.change(clause.column.name, clause, if_there=if_there))

    def drop_action(self, cursor: Cursor) -> None:
        """DROP: a column, an index, a partition."""
        if cursor.accept("PRIMARY", "KEY"):
            self._columns.append(Draft.drop_primary)
        elif cursor.next.is_word("INDEX", "KEY", "CONSTRAINT"):
            self._columns.append(Draft.drop_index)
        elif cursor.accept("PARTITION"):
            self.unlogged = True
        elif cursor.accept("SYSTEM", "VERSIONING") or cursor.accept("PERIOD", "FOR"):
            raise NotUnderstoodError("system versioning is not followed")
        elif not cursor.next.is_word("FOREIGN", "CHECK"):
            cursor.accept("COLUMN")
            if_there = cursor.accept("IF", "EXISTS")
            name = cursor.name()
            self._columns.append(lambda draft: draft.drop(name, if_there=if_there))

    def rename_action(self, cursor: Cursor) -> None:
        """RENAME: the table, a column or an index."""
        if cursor.accept("COLUMN"):
            if_there = cursor.accept("IF", "EXISTS")
            old = cursor.name()
            if not cursor.accept("TO"):
                raise NotUnderstoodError("the new name is missing")
            new = cursor.name()
            self._columns.append(lambda draft: draft.rename(old, new, if_there=if_there))
        elif not (cursor.next.is_word("INDEX", "KEY") and len(cursor.tokens) > cursor.at + 1):
            if not cursor.accept("TO") and not cursor.accept("AS"):
                cursor.accept_sign("=")
            self.renamed = self._names.table(cursor)

    def alter_action(self, cursor: Cursor) -> None:
        """ALTER [COLUMN]: its default or visibility; of an index, nothing."""
        if cursor.next.is_word("INDEX", "KEY", "CHECK", "CONSTRAINT"):
            return
        cursor.accept("COLUMN")
        cursor.accept("IF", "EXISTS")
        name = cursor.name()
        if cursor.accept("DROP", "DEFAULT"):
            self._columns.append(lambda draft: draft.set(name))
        elif cursor.accept("SET", "DEFAULT"):
            default = default_value(cursor)
            self._columns.append(lambda draft: draft.set(name, default=default))
        elif cursor.accept("SET", "INVISIBLE") or cursor.accept("SET", "VISIBLE"):
            invisible = cursor.tokens[cursor.at - 1].is_word("INVISIBLE")
            self._columns.append(lambda draft: draft.set(name, invisible=invisible))
        else:
            raise NotUnderstoodError(f"what happens to column {name} is not known")

    def convert_action(self, cursor: Cursor) -> None:
        """CONVERT TO CHARACTER SET; MariaDB: of a partition to a table and back."""
        if cursor.next.is_word("PARTITION", "TABLE"):
            self.exchange_action(cursor)
            return
        cursor.accept("TO")
        charset = self._charset_in(cursor)
        if charset is None:
            raise NotUnderstoodError("the character set to convert to is not named")
        self._columns.append(lambda draft: draft.convert(charset))

    def charset_action(self, cursor: Cursor) -> None:
        """Options of the table, of which the default character set matters."""
        cursor.at -= 1
        charset = self._charset_in(cursor)
        if charset is not None:
            self._columns.append(lambda draft: setattr(draft, "charset", charset))

    def _charset_in(self, cursor: Cursor) -> str | None:
        options = Clauses(self._names, self._sql_mode, mariadb=self._mariadb)
        options.options(cursor)
        return options.charset

    def unlogged_action(self, _: Cursor) -> None:
        """Partitions and tablespaces that are emptied or brought in."""
        self.unlogged = True

    def exchange_action(self, cursor: Cursor) -> None:
        """A partition and a table: EXCHANGE … WITH TABLE, CONVERT … TO TABLE, CONVERT TABLE … TO."""
        self.unlogged = True
        while cursor and not cursor.accept("TABLE"):
            cursor.take()
        self.exchanged = self._names.table(cursor)


def add_unique(parts: Sequence[Token], draft: Draft) -> None:
    """A unique index over these parts, the tokens in its parentheses."""
    keys = _key_parts(parts)
    whole = keys is not None and all(entire for _, entire in keys)
    draft.add_unique([name for name, _ in keys or ()] if whole else None)


def _key_parts(found: Sequence[Token]) -> list[tuple[str, bool]] | None:
    """Names of an index's columns, and whether each is whole; None where one is an expression."""
    parts = []
    for part in split_at_commas(found):
        cursor = Cursor(part)
        if not cursor or cursor.next.is_sign("("):
            return None
        parts.append((cursor.name(), not cursor.group()))
    return parts


def _first_group(cursor: Cursor) -> list[Token]:
    while cursor and not cursor.next.is_sign("("):
        cursor.take()
    return cursor.group()


def _is_other_key(cursor: Cursor) -> bool:
    """An index that is no key of rows, a constraint, a period."""
    token = cursor.next
    if token.is_word("PERIOD") or (token.is_word("SYSTEM") and len(cursor.tokens) > cursor.at + 1):
        following = cursor.tokens[cursor.at + 1]
        if following.is_word("FOR", "VERSIONING"):
            raise NotUnderstoodError("system versioning is not followed")
        return False
    if token.is_word("VECTOR"):
        return len(cursor.tokens) > cursor.at + 1 and cursor.tokens[cursor.at + 1].is_word("INDEX", "KEY")
    return token.is_word("INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK")


def _is_partition(cursor: Cursor) -> bool:
    return cursor.next.is_word("PARTITION")


_ACTIONS: Final[dict[str, Callable[[Clauses, Cursor], None]]] = {
    "ADD": Clauses.add_action,
    "ALTER": Clauses.alter_action,
    "CHANGE": Clauses.change_action,
    "CHARACTER": Clauses.charset_action,
    "CHARSET": Clauses.charset_action,
    "COLLATE": Clauses.charset_action,
    "CONVERT": Clauses.convert_action,
    "DEFAULT": Clauses.charset_action,
    "DISCARD": Clauses.unlogged_action,
    "DROP": Clauses.drop_action,
    "EXCHANGE": Clauses.exchange_action,
    "IMPORT": Clauses.unlogged_action,
    "MODIFY": Clauses.modify_action,
    "RENAME": Clauses.rename_action,
    "TRUNCATE": Clauses.unlogged_action,
}
_HARMLESS_ACTIONS: Final = frozenset(
    """
    ALGORITHM ANALYZE AUTOEXTEND_SIZE AUTO_INCREMENT AVG_ROW_LENGTH CHECK CHECKSUM COALESCE COMMENT COMPRESSION
    CONNECTION DATA DELAY_KEY_WRITE DISABLE ENABLE ENCRYPTED ENCRYPTION ENCRYPTION_KEY_ID ENGINE ENGINE_ATTRIBUTE FORCE
    IETF_QUOTES INDEX INSERT_METHOD KEY_BLOCK_SIZE LOCK MAX_ROWS MIN_ROWS NOWAIT OPTIMIZE ORDER PACK_KEYS PAGE_CHECKSUM
    PAGE_COMPRESSED PAGE_COMPRESSION_LEVEL PARTITION PASSWORD REBUILD REMOVE REORGANIZE REPAIR ROW_FORMAT
    SECONDARY_ENGINE SECONDARY_ENGINE_ATTRIBUTE SECONDARY_LOAD SECONDARY_UNLOAD SEQUENCE START STATS_AUTO_RECALC
    STATS_PERSISTENT STATS_SAMPLE_PAGES STORAGE TABLESPACE TRANSACTIONAL TYPE UNION UPGRADE WAIT WITH WITHOUT
    """.split()  # noqa: SIM905 - sixty quoted words are no easier to read
)
