"""A statement of the log → tokens, as the server's own scanner cuts it: comments, executable comments, quotes.

sqlglot's parser leaves half of ALTER TABLE's actions as bare text and drops executable comments; tokens are all that
``ddl`` needs.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from connectors.mysql.catalog import unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSI_QUOTES: Final = 1 << 2  # bits of sql_mode, the same on both servers
NO_BACKSLASH_ESCAPES: Final = 1 << 20

# MariaDB leaves out what MySQL 5.7 and later alone would execute.
_MYSQL_ONLY: Final = range(50_700, 100_000)


class Kind(Enum):
    """What a token is."""

    WORD = 1  # a keyword, a name without quotes, a number
    NAME = 2  # a name in quotes
    TEXT = 3
    SIGN = 4


class Token(NamedTuple):
    """One token; ``text`` without quotes and escapes."""

    kind: Kind
    text: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, which are in capitals."""
        return self.kind is Kind.WORD and self.text.upper() in words

    def is_sign(self, sign: str) -> bool:
        """Whether it is this sign."""
        return self.kind is Kind.SIGN and self.text == sign


_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*|--(?=\s|$)[^\n]*|/\*(?!M?!).*?(?:\*/|$)|\*/)
    |(?P<executable>/\*(?P<mariadb>M)?!(?P<version>\d{5,6})?)
    |(?P<word>[0-9A-Za-z_$\u0080-\uffff]+)
    |`(?P<name>(?:[^`]|``)*)`
    |'(?P<single>(?:[^'\\]|''|\\.)*)'
    |"(?P<double>(?:[^"\\]|""|\\.)*)"
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_TEXT: Final = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"", re.DOTALL)


def tokens(sql: str, sql_mode: int = 0, *, mariadb: bool = False) -> Iterator[Token]:
    """The tokens of a statement.

    Args:
        sql: The statement.
        sql_mode: Of the session that ran it: quotes and backslashes depend on it.
        mariadb: Whether MariaDB ran it: it executes other comments than MySQL.
    """
    at = 0
    while at < len(sql):
        plain = _PLAIN_TEXT.match(sql, at) if sql_mode & NO_BACKSLASH_ESCAPES and sql[at] in "'\"" else None
        if plain is not None:
            yield _plain(plain, sql_mode)
            at = plain.end()
            continue
        found = _TOKEN.match(sql, at)
        if found is None:  # never: a sign is any character
            return
        at = found.end()
        if found["executable"] is not None:
            at = at if _executed(found, mariadb=mariadb) else _comment_end(sql, at)
        elif found["space"] is None:
            yield _token(found, sql_mode)


def _executed(found: re.Match[str], *, mariadb: bool) -> bool:
    if found["mariadb"]:
        return mariadb
    return not (mariadb and int(found["version"] or 0) in _MYSQL_ONLY)


def _comment_end(sql: str, at: int) -> int:
    end = sql.find("*/", at)
    return len(sql) if end < 0 else end + 2


def _plain(found: re.Match[str], sql_mode: int) -> Token:
    if found[1] is not None:
        return Token(Kind.TEXT, found[1].replace("''", "'"))
    return Token(Kind.NAME if sql_mode & ANSI_QUOTES else Kind.TEXT, found[2].replace('""', '"'))


def _token(found: re.Match[str], sql_mode: int) -> Token:
    if found["word"] is not None:
        return Token(Kind.WORD, found["word"])
    if found["name"] is not None:
        return Token(Kind.NAME, found["name"].replace("``", "`"))
    if found["single"] is not None:
        return Token(Kind.TEXT, unescaped(found["single"]))
    if found["double"] is not None:
        if sql_mode & ANSI_QUOTES:
            return Token(Kind.NAME, found["double"].replace('""', '"'))
        return Token(Kind.TEXT, unescaped(found["double"].replace('""', '"')))
    return Token(Kind.SIGN, found["sign"])
