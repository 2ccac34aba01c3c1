"""Character sets by collation, and their bytes as text (F78)."""

import pytest

from connect.record import text
from connectors.mysql.charsets import charset_of, decoder, max_bytes


@pytest.mark.parametrize(
    ("collation", "charset"),
    [
        (8, "latin1"),
        (33, "utf8mb3"),
        (45, "utf8mb4"),
        (46, "utf8mb4"),
        (63, "binary"),
        (88, "sjis"),
        (255, "utf8mb4"),
        (1032, "latin1"),
        (1069, "utf8mb4"),
        (2048, "utf8mb3"),
        (2304, "utf8mb4"),
        (3271, "utf32"),
        (5000, None),
        (999, None),
    ],
)
def test_a_collation_has_a_character_set(collation, charset):
    assert charset_of(collation) == charset


@pytest.mark.parametrize("charset", ["ascii", "utf8mb3", "utf8mb4"])
def test_utf8_passes_on_undecoded(charset):
    assert decoder(charset) is text


@pytest.mark.parametrize(
    ("charset", "cell", "value"),
    [
        ("latin1", b"\xe9\x80\x81\xff", "é€\x81ÿ"),
        ("cp1251", b"\xc6\xff", "Жя"),
        ("koi8u", b"\x95", "•"),
        ("cp866", b"\xfc", "ⁿ"),
        ("greek", b"\xa1", "\N{MODIFIER LETTER REVERSED COMMA}"),
        ("sjis", b"\x82\xa0\x81\x5f\x5c", "あ\\\\"),
        ("ujis", b"\xa4\xa2\xa1\xc0", "あ\\"),
        ("euckr", b"\x81\x41", "갂"),
        ("gb18030", b"\xa8\xbc\x81\x35\xf4\x37", "\u1e3f\ue7c7"),
        ("gbk", b"\xd6\xd0", "中"),
        ("utf16", b"\xd8\x3d\xde\x00\0a", "😀a"),
        ("utf16le", b"a\0", "a"),
        ("utf32", b"\0\1\xf6\0", "😀"),
        ("ucs2", b"\0\xe9", "é"),
    ],
)
def test_bytes_become_what_the_server_makes_of_them(charset, cell, value):
    assert decoder(charset)(cell) == value


@pytest.mark.parametrize(
    ("charset", "cell"), [("cp1250", b"\x81"), ("sjis", b"\x82"), ("greek", b"\xff"), ("utf16", b"a")]
)
def test_F78_bytes_without_a_character_are_never_replaced(charset, cell):
    with pytest.raises(ValueError):
        decoder(charset)(cell)


@pytest.mark.parametrize("charset", ["armscii8", "dec8", "eucjpms", "geostd8", "keybcs2", "swe7", "of collation 9"])
def test_F78_a_set_that_python_lacks_has_no_decoder(charset):
    assert decoder(charset) is None


def test_lengths_are_counted_in_the_longest_character():
    assert [max_bytes(c) for c in ("latin1", "sjis", "utf8mb3", "utf8mb4", "nothing")] == [1, 2, 3, 4, None]
