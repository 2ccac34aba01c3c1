"""The definition of a column in CREATE and ALTER TABLE → ``Column``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from connectors.mysql.charsets import max_bytes
from connectors.mysql.columns import Column
from connectors.mysql.sql_tokens import Kind, Token
from connectors.mysql.types import BLOB_TYPES, GEOMETRY_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class NotUnderstoodError(ValueError):
    """A statement, or a part of one, that is not understood."""


# Base type by name; names of two words follow the first word's rule below.
_TYPES: Final = {
    **{
        name: name
        for name in ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit")
    },
    **{name: name for name in ("date", "time", "datetime", "timestamp", "year", "char", "varchar", "json", "vector")},
    **{name: name for name in ("enum", "set", "uuid", "inet4", "inet6", *TEXT_TYPES, *BLOB_TYPES, *GEOMETRY_TYPES)},
    **dict.fromkeys(("bool", "boolean", "int1"), "tinyint"),
    "int2": "smallint",
    **dict.fromkeys(("int3", "middleint"), "mediumint"),
    **dict.fromkeys(("integer", "int4"), "int"),
    **dict.fromkeys(("int8", "serial"), "bigint"),
    **dict.fromkeys(("dec", "numeric", "fixed"), "decimal"),
    "float4": "float",
    **dict.fromkeys(("float8", "real"), "double"),
    **dict.fromkeys(("character", "nchar"), "char"),
    **dict.fromkeys(("varcharacter", "nvarchar"), "varchar"),
    "geomcollection": "geometrycollection",
    "long": "mediumtext",
}
_REAL_AS_FLOAT: Final = 1 << 0  # a bit of sql_mode
_NATIONAL: Final = frozenset(("nchar", "nvarchar"))
_DEFAULT_LENGTH: Final = {"char": 1, "binary": 1, "bit": 1, "decimal": 10, "vector": 2048}
_BYTES_OF: Final = ((0xFF, "tiny"), (0xFFFF, ""), (0xFFFFFF, "medium"), (0xFFFFFFFF, "long"))
_MAX_FLOAT_BITS: Final = 24
_NO_LENGTH: Final = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "float", "double", "year"))
_NUMBERS: Final = (_NO_LENGTH - {"year"}) | {"decimal", "bit"}
_TEMPORAL: Final = frozenset(("time", "datetime", "timestamp"))


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.tokens)

    @property
    def next(self) -> Token:
        """The token here; a sign without text at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def take(self) -> Token:
        """The token here, and step over it."""
        token = self.next
        self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Step over these keywords if they are here, one after another."""
        here = self.tokens[self.at : self.at + len(words)]
        if len(here) == len(words) and all(token.is_word(word) for token, word in zip(here, words, strict=True)):
            self.at += len(words)
            return True
        return False

    def accept_sign(self, sign: str) -> bool:
        """Step over this sign if it is here."""
        if self.next.is_sign(sign):
            self.at += 1
            return True
        return False

    def name(self) -> str:
        """A name, quoted or not."""
        token = self.take()
        if token.kind not in {Kind.WORD, Kind.NAME}:
            raise NotUnderstoodError("a name is missing")
        return token.text

    def group(self) -> list[Token]:
        """The tokens inside the parentheses that begin here, and step over them; empty without any."""
        if not self.accept_sign("("):
            return []
        start, depth = self.at, 1
        while depth:
            token = self.take()
            if token is _END:
                raise NotUnderstoodError("a parenthesis is not closed")
            depth += token.is_sign("(") - token.is_sign(")")
        return list(self.tokens[start : self.at - 1])


_END: Final = Token(Kind.SIGN, "")


def split_at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between commas that are in no parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.is_sign("(") - token.is_sign(")")
        if not depth and token.is_sign(","):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


class ColumnClause:
    """A column as a statement defines it.

    Attributes:
        column: Its ``charset`` is None where the statement leaves it to the table's default.
        primary: Whether the definition makes it the primary key.
        unique: Whether it has a unique index of its own.
        fill: What rows that are there get in a new column, as ``Column.fill`` has it.
        place: "" at the end or where it was, ``FIRST``, or the column that it follows, behind a ``>``.
    """

    def __init__(self, name: str, cursor: Cursor, sql_mode: int, *, mariadb: bool) -> None:
        self.primary = self.unique = False
        self.place = ""
        self._fields: dict[str, Any] = {}
        self._mariadb = mariadb
        self._computed = False
        self._type(cursor, sql_mode)
        while cursor:
            self._attribute(cursor)
        self.column = Column(name, **self._fields)
        self.fill = self.column.default if self._computed or self.column.nullable else _implicit(self.column)

    def _type(self, cursor: Cursor, sql_mode: int) -> None:
        word = cursor.name().lower()
        national = word in _NATIONAL
        if word == "national":
            national, word = True, cursor.name().lower()
        name = _TYPES.get(word)
        if name is None:
            raise NotUnderstoodError(f"the type {word} is not known")
        if word == "real" and sql_mode & _REAL_AS_FLOAT:
            name = "float"
        if word == "long" and cursor.accept("VARBINARY"):
            name = "mediumblob"
        elif word == "long":
            cursor.accept("VARCHAR")
        cursor.accept("PRECISION")
        if name == "char" and (cursor.accept("VARYING") or (national and cursor.accept("VARCHAR"))):
            name = "varchar"
        self._fields["data_type"] = name
        if word == "serial":
            self._fields |= {"unsigned": True, "nullable": False}
            self.unique = self._computed = True
        if national:
            self._fields["charset"] = "utf8mb3"
        if name == "json" and self._mariadb:
            self._fields["charset"] = "utf8mb4"
        self._arguments(name, cursor.group())

    def _arguments(self, name: str, arguments: Sequence[Token]) -> None:
        if name in {"enum", "set"}:
            labels = [_label(part) for part in split_at_commas(arguments)]
            self._fields["members"] = tuple(label.rstrip(" ") for label in labels)
            return
        numbers = [int(token.text) for token in arguments if token.text.isdecimal()]
        first, second = [*numbers, None, None][:2]
        if name == "float" and first is not None and second is None and first > _MAX_FLOAT_BITS:
            self._fields["data_type"] = "double"
        if name in _TEMPORAL:
            self._fields["fraction"] = first or 0
        elif name in _NO_LENGTH:
            self._fields["scale"] = second
        elif name == "decimal":
            self._fields |= {"length": first or 10, "scale": second or 0}
        else:
            self._fields["length"] = _DEFAULT_LENGTH.get(name) if first is None else first

    def _attribute(self, cursor: Cursor) -> None:
        token = cursor.next
        if token.is_sign("("):
            cursor.group()
            return
        cursor.take()
        read = _ATTRIBUTES.get(token.text.upper()) if token.kind is Kind.WORD else None
        if read is not None:  # others say nothing that rows show: AUTO_INCREMENT, COMPRESSED, VISIBLE, …
            read(self, cursor)

    def set(self, **fields: Any) -> None:
        """Note what an attribute says."""
        self._fields |= fields

    def default(self, cursor: Cursor) -> None:
        """DEFAULT: a constant, an expression or NULL."""
        self.set(default=default_value(cursor))
        self._computed = True

    def count(self, _: Cursor) -> None:
        """AUTO_INCREMENT: each row gets a number of its own."""
        self._computed = True

    def collate(self, cursor: Cursor) -> None:
        """COLLATE: its character set, where it has one."""
        charset = collation_value(cursor)
        if charset is not None:
            self.set(charset=charset)

    def unique_key(self, cursor: Cursor) -> None:
        """UNIQUE [KEY]."""
        self.unique = True
        cursor.accept("KEY")

    def primary_key(self, cursor: Cursor) -> None:
        """[PRIMARY] KEY."""
        cursor.accept("KEY")
        self.primary = True
        self.set(nullable=False)

    def generated(self, cursor: Cursor) -> None:
        """AS (expression) [VIRTUAL | STORED | PERSISTENT]."""
        cursor.group()
        self._computed = True
        self.set(generated="stored" if cursor.accept("STORED") or cursor.accept("PERSISTENT") else "virtual")

    def as_bytes(self, _: Cursor) -> None:
        """CHAR BYTE is BINARY."""
        self.set(data_type=bytes_type(self._fields["data_type"]))

    def follow(self, cursor: Cursor) -> None:
        """AFTER column."""
        self.place = f">{cursor.name()}"

    def first(self, _: Cursor) -> None:
        """FIRST."""
        self.place = "FIRST"


def bytes_type(text_type: str) -> str:
    """The type of bytes beside a type of text: CHAR BYTE, and any text CHARACTER SET binary, are of it."""
    return {"char": "binary", "varchar": "varbinary"}.get(text_type, text_type.replace("text", "blob"))


def _label(part: Sequence[Token]) -> str:
    """A label of ENUM or SET: a text, or its bytes as x'…', 0x…, b'…' or 0b…, which of ASCII we know."""
    if len(part) == 1 and part[0].kind is Kind.TEXT:
        return part[0].text
    form, digits = (part[0].text, part[1].text) if len(part) == 2 else (part[0].text[:2], part[0].text[2:])
    base = {"x": 16, "0x": 16, "b": 2, "0b": 2}.get(form.lower())
    try:
        number = int(digits, base or 0)
        return number.to_bytes((number.bit_length() + 7) // 8).decode("ascii")
    except (ValueError, UnicodeDecodeError):
        raise NotUnderstoodError("a label is written in a way that is not known") from None


def _charset(clause: ColumnClause, cursor: Cursor) -> None:
    clause.set(charset=charset_value(cursor))


def _character_set(clause: ColumnClause, cursor: Cursor) -> None:
    if cursor.accept("SET"):
        _charset(clause, cursor)


def _not_null(clause: ColumnClause, cursor: Cursor) -> None:
    if cursor.accept("NULL"):
        clause.set(nullable=False)


def _skip_value(_: ColumnClause, cursor: Cursor) -> None:
    cursor.accept_sign("=")
    cursor.take()


def _references(cursor: Cursor) -> None:
    cursor.name()
    if cursor.accept_sign("."):
        cursor.name()
    cursor.group()
    while cursor.accept("ON", "DELETE") or cursor.accept("ON", "UPDATE") or cursor.accept("MATCH"):
        if not cursor.accept("SET", "DEFAULT"):
            cursor.accept("NO")
            cursor.accept("SET")
            cursor.take()


_ATTRIBUTES: Final[dict[str, Callable[[ColumnClause, Cursor], None]]] = {
    **dict.fromkeys(("UNSIGNED", "ZEROFILL"), lambda clause, _: clause.set(unsigned=True)),
    "CHARSET": _charset,
    **dict.fromkeys(("CHARACTER", "CHAR"), _character_set),
    "COLLATE": ColumnClause.collate,
    "ASCII": lambda clause, _: clause.set(charset="latin1"),
    "UNICODE": lambda clause, _: clause.set(charset="ucs2"),
    "BYTE": ColumnClause.as_bytes,
    "NOT": _not_null,
    "NULL": lambda clause, _: clause.set(nullable=True),
    "DEFAULT": ColumnClause.default,
    "AUTO_INCREMENT": ColumnClause.count,
    **dict.fromkeys(("PRIMARY", "KEY"), ColumnClause.primary_key),
    "UNIQUE": ColumnClause.unique_key,
    "COMMENT": lambda clause, cursor: clause.set(comment=cursor.take().text),
    "AS": ColumnClause.generated,
    "INVISIBLE": lambda clause, _: clause.set(invisible=True),
    "REFERENCES": lambda _, cursor: _references(cursor),
    "FIRST": ColumnClause.first,
    "AFTER": ColumnClause.follow,
    **dict.fromkeys(("COLUMN_FORMAT", "STORAGE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"), _skip_value),
    **dict.fromkeys(("SRID", "REF_SYSTEM_ID", "ON", "CONSTRAINT"), _skip_value),
}


def charset_value(cursor: Cursor) -> str | None:
    """The set after CHARACTER SET, with an optional ``=``; None for DEFAULT."""
    cursor.accept_sign("=")
    token = cursor.take()
    name = token.text.lower()
    if token.kind is Kind.WORD and name == "default":
        return None
    return "utf8mb3" if name == "utf8" else name


def collation_value(cursor: Cursor) -> str | None:
    """The character set of the collation after COLLATE; None for one that goes with several (MariaDB's uca1400)."""
    cursor.accept_sign("=")
    name = cursor.take().text.lower().partition("_")[0]
    if name in {"uca1400", "default"}:
        return None
    return "utf8mb3" if name == "utf8" else name


def default_value(cursor: Cursor) -> str | None:
    """The text of a constant after DEFAULT; None for NULL and for an expression."""
    if cursor.next.is_sign("("):
        cursor.group()
        return None
    sign = "-" if cursor.accept_sign("-") else ""
    cursor.accept_sign("+")
    token = cursor.take()
    if token.kind is Kind.TEXT:
        return token.text
    if token.is_sign("."):
        return f"{sign}0.{cursor.take().text}" + _exponent(cursor)
    if token.text[:2].lower() in {"0x", "0b"}:
        return None  # a number or a text, as the column has it
    if token.text[:1].isdigit():
        digits = token.text + (f".{cursor.take().text}" if cursor.accept_sign(".") else "")
        return sign + digits + _exponent(cursor)
    return _default_word(token, cursor)


def _exponent(cursor: Cursor) -> str:
    """The rest of a number after an ``e`` with a sign behind it, which ends a token."""
    if not cursor.tokens[cursor.at - 1].text.lower().endswith("e") or cursor.next.text not in {"-", "+"}:
        return ""
    return cursor.take().text + cursor.take().text


def _default_word(token: Token, cursor: Cursor) -> str | None:
    if token.is_word("TRUE", "FALSE"):
        return str(int(token.is_word("TRUE")))
    if cursor.next.kind is Kind.TEXT:  # b'101', _utf8mb4'…', DATE'…', x'…'
        text = cursor.take().text
        if token.is_word("B"):
            return f"b'{text}'"
        return text if token.text.startswith("_") or token.is_word("DATE", "TIME", "TIMESTAMP") else None
    cursor.group()  # of NOW(3)
    return None


def sized(column: Column, bytes_of_character: int) -> Column:
    """TEXT(n) and BLOB(n) as the smallest type that holds so many."""
    if column.data_type not in {"text", "blob"} or column.length is None:
        return column
    size = column.length * (bytes_of_character if column.data_type == "text" else 1)
    return replace(column, data_type=_smallest(size, column.data_type), length=None)


def converted(column: Column, charset: str) -> Column:
    """The column in another character set, a TEXT as a type that holds as many characters as before."""
    wider = replace(column, charset=charset)
    holds = next((most for most, word in _BYTES_OF if column.data_type == f"{word}text"), None)
    if holds is None:
        return wider
    characters = holds // (max_bytes(column.charset or charset) or 1)
    return replace(wider, data_type=_smallest(characters * (max_bytes(charset) or 1), "text"))


def _implicit(column: Column) -> str | None:
    """What a NOT NULL column without a DEFAULT gives rows that are there; None for dates, bytes and the like."""
    if column.data_type == "enum":
        return column.members[0]
    if column.data_type in _NUMBERS:
        return "0"
    return "" if column.data_type in TEXT_TYPES or column.data_type == "set" else None


def _smallest(size: int, kind: str) -> str:
    return next((word for most, word in _BYTES_OF if size <= most), "long") + kind
