"""Character sets: which one a collation's number means, and how its bytes become text (F78).

Decoders give what MySQL 9.7 and MariaDB 11.4 themselves convert the bytes to, compared for every one- and two-byte
sequence of each set; where Python's codec has another idea of a character, the server's is taken.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from connect.record import text

if TYPE_CHECKING:
    from collections.abc import Callable

BINARY: Final = "binary"  # the character set of BINARY, VARBINARY and BLOB, collation 63

# Numbers of collations by character set; the same on MySQL and MariaDB. Ranges are first-last.
_COLLATIONS: Final = """
big5 1 84 | latin2 2 9 21 27 77 | dec8 3 69 | cp850 4 80 | latin1 5 8 15 31 47-49 94 | hp8 6 72 | koi8r 7 74
swe7 10 82 | ascii 11 65 | ujis 12 91 | sjis 13 88 | cp1251 14 23 50-52 | hebrew 16 71 | tis620 18 89 | euckr 19 85
latin7 20 41 42 79 | koi8u 22 75 | gb2312 24 86 | greek 25 70 | cp1250 26 34 44 66 99 | gbk 28 87 | cp1257 29 58 59
latin5 30 78 | armscii8 32 64 | utf8mb3 33 76 83 192-215 223 576-607 | ucs2 35 90 128-151 159 640-671 | cp866 36 68
keybcs2 37 73 | macce 38 43 | macroman 39 53 | cp852 40 81 | utf8mb4 45 46 224-247 255-400 608-639 | cp1256 57 67
utf16 54 55 101-124 672-703 | utf16le 56 62 | utf32 60 61 160-183 736-767 | binary 63 | geostd8 92 93 | cp932 95 96
eucjpms 97 98 | gb18030 248-250
"""
_NOPAD: Final = 1024  # MariaDB: a collation without padding is its padding twin plus this
_UCA1400: Final = 2048  # MariaDB: from here 256 numbers each for the Unicode sets, in this order
_UCA1400_SETS: Final = ("utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32")

# C1 controls of MySQL's latin1 (else Windows-1252) are themselves; the others are older tables than Python's.
_LATIN1: Final = {0x81: "\x81", 0x8D: "\x8d", 0x8F: "\x8f", 0x90: "\x90", 0x9D: "\x9d"}
_SINGLE: Final[dict[str, tuple[str, dict[int, str]]]] = {
    "cp1250": ("cp1250", {}),
    "cp1251": ("cp1251", {}),
    "cp1256": ("cp1256", {}),
    "cp1257": ("cp1257", {}),
    "cp850": ("cp850", {}),
    "cp852": ("cp852", {}),
    "cp866": ("cp866", {0xFC: "\N{SUPERSCRIPT LATIN SMALL LETTER N}", 0xFD: "\N{SUPERSCRIPT TWO}"}),
    "greek": (
        "iso8859-7",
        {0xA1: "\N{MODIFIER LETTER REVERSED COMMA}", 0xA2: "\N{MODIFIER LETTER APOSTROPHE}"},
    ),
    "hebrew": ("iso8859-8", {0xAF: "\N{OVERLINE}"}),
    "hp8": ("hp-roman8", {}),
    "koi8r": ("koi8-r", {}),
    "koi8u": ("koi8-u", {0x95: "\N{BULLET}"}),
    "latin1": ("cp1252", _LATIN1),
    "latin2": ("iso8859-2", {}),
    "latin5": ("iso8859-9", {}),
    "latin7": ("iso8859-13", {}),
    "macce": ("mac-latin2", {}),
    "macroman": ("mac-roman", {}),
    "tis620": ("tis-620", {}),
}
# Sets of more bytes: Python's codec, and characters of its result that the server gives otherwise.
_FULLWIDTH_BACKSLASH: Final = str.maketrans({"\N{FULLWIDTH REVERSE SOLIDUS}": "\\"})
_GB18030_2005: Final = str.maketrans({"\ue7c7": "\u1e3f", "\u1e3f": "\ue7c7"})
_MULTI: Final[dict[str, tuple[str, dict[int, str]]]] = {
    "big5": ("big5", {}),
    "cp932": ("cp932", {}),
    "euckr": ("cp949", {}),
    "gb18030": ("gb18030", _GB18030_2005),
    "gb2312": ("gb2312", {}),
    "gbk": ("gbk", {}),
    "sjis": ("shift_jis", _FULLWIDTH_BACKSLASH),
    "ucs2": ("utf-16-be", {}),
    "ujis": ("euc_jp", _FULLWIDTH_BACKSLASH),
    "utf16": ("utf-16-be", {}),
    "utf16le": ("utf-16-le", {}),
    "utf32": ("utf-32-be", {}),
}
_UTF8: Final = frozenset(("ascii", "utf8", "utf8mb3", "utf8mb4"))


def _collations() -> dict[int, str]:
    found = {}
    for entry in _COLLATIONS.replace("|", "\n").strip().splitlines():
        name, *ranges = entry.split()
        for numbers in ranges:
            first, _, last = numbers.partition("-")
            found.update(dict.fromkeys(range(int(first), int(last or first) + 1), name))
    return found


_CHARSET_OF: Final = _collations()


def charset_of(collation: int) -> str | None:
    """The character set of a collation's number, as table maps carry it; None for a number that is not known."""
    if collation >= _UCA1400:
        at = (collation - _UCA1400) >> 8
        return _UCA1400_SETS[at] if at < len(_UCA1400_SETS) else None
    return _CHARSET_OF.get(collation) or _CHARSET_OF.get(collation - _NOPAD)


def decoder(charset: str) -> Callable[[bytes], str] | None:
    """Bytes of a character set → text; None where Python lacks it (armscii8, dec8, eucjpms, geostd8, keybcs2, swe7).

    UTF-8 and its subset ASCII have ``connect.record.text`` itself. Decoders raise ValueError (UnicodeDecodeError) for
    bytes that the set has no character for; no U+FFFD ever stands in (F78).
    """
    if charset in _UTF8:
        return text
    if charset in _SINGLE:
        return _single(*_SINGLE[charset])
    if charset in _MULTI:
        return _multi(*_MULTI[charset])
    return None


def _single(codec: str, own: dict[int, str]) -> Callable[[bytes], str]:
    python = bytes(range(256)).decode(codec, "replace").replace("\N{REPLACEMENT CHARACTER}", "\ufffe")
    table = "".join(own.get(i, character) for i, character in enumerate(python))  # U+FFFE: no character

    def decode(cell: bytes) -> str:
        return codecs.charmap_decode(cell, "strict", table)[0]

    return decode


def _multi(codec: str, own: dict[int, str]) -> Callable[[bytes], str]:
    if not own:
        return lambda cell: cell.decode(codec)
    return lambda cell: cell.decode(codec).translate(own)


_MAX_BYTES: Final = {
    **dict.fromkeys((BINARY, "ascii", "armscii8", "dec8", "geostd8", "keybcs2", "swe7", *_SINGLE), 1),
    **dict.fromkeys(("big5", "cp932", "euckr", "gb2312", "gbk", "sjis", "ucs2"), 2),
    **dict.fromkeys(("eucjpms", "ujis", "utf8mb3", "utf8"), 3),
    **dict.fromkeys(("gb18030", "utf16", "utf16le", "utf32", "utf8mb4"), 4),
}


def max_bytes(charset: str) -> int | None:
    """Bytes of a set's longest character; a table map counts CHAR and VARCHAR in them. None for an unknown set."""
    return _MAX_BYTES.get(charset)
