import io
from unittest.mock import patch

import pymysql
import pytest

from connect.compiled import COMPILED
from connectors.mysql import text_rows

END = b"\xfe\x00\x00\x22\x00"


def framed(*bodies, first=3):
    return b"".join(
        len(body).to_bytes(3, "little") + bytes([(first + i) & 0xFF]) + body for i, body in enumerate(bodies)
    )


def fetched(data, most=None, *, first=3, compiled=False, size=1 << 16):
    """The rows of a result that comes in pieces of so many bytes, and whether they were cut."""
    file = io.BytesIO(data)
    with patch.object(text_rows, "COMPILED", compiled):
        rows, cut = text_rows.fetch(file.read, lambda: file.read(size), first, most)
    return list(rows), cut


@pytest.fixture(params=["python", "compiled", "compiled in small pieces"])
def packets(request):
    """All rows, by each of the readers."""
    compiled = COMPILED and request.param != "python"
    size = 4099 if request.param.endswith("pieces") else 1 << 16

    def read(data, first=3):
        return fetched(data, first=first, compiled=compiled, size=size)[0]

    return read


@pytest.mark.parametrize("compiled", [False, COMPILED])
def test_rows_are_cut_after_the_one_that_passes_the_limit(compiled):
    data = framed(b"\x03abc", b"\x03def", b"\x03ghi", END)
    assert fetched(data, 7, compiled=compiled) == ([b"\x03abc", b"\x03def"], True)
    assert fetched(data, 12, compiled=compiled) == ([b"\x03abc", b"\x03def", b"\x03ghi"], False)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
def test_rows_are_the_same_however_they_come_in(size):
    data = framed(b"\x01a", b"", b"\x03def", END)
    with pytest.raises(pymysql.OperationalError):  # a row of no byte is none
        fetched(data, compiled=COMPILED, size=size)
    assert fetched(framed(b"\x01a", b"\x03def", END), compiled=COMPILED, size=size) == ([b"\x01a", b"\x03def"], False)


def test_rows_are_read_up_to_the_end(packets):
    assert packets(framed(b"\x01a", b"\xfb", END)) == [b"\x01a", b"\xfb"]


def test_the_sequence_number_wraps(packets):
    rows = [b"\x01" + bytes([i & 0x7F]) for i in range(600)]
    assert packets(framed(*rows, END, first=250), first=250) == rows


def test_F197_a_row_of_16_MB_and_more_is_put_together(packets):
    whole = b"\xfd\xff\xff\xff" + b"x" * 0xFFFFFF
    first, rest = whole[:0xFFFFFF], whole[0xFFFFFF:]
    assert packets(framed(first, rest, b"\x01a", END)) == [whole, b"\x01a"]


def test_F197_a_row_that_fills_its_packets_exactly_ends_with_an_empty_one(packets):
    whole = b"\xfd\xfb\xff\xff" + b"x" * 0xFFFFFB
    assert packets(framed(whole, b"", END)) == [whole]


def test_a_row_that_begins_like_an_end_is_no_end(packets):
    long = b"\xfe" + (12).to_bytes(8, "little") + b"x" * 12
    assert packets(framed(long, END)) == [long]


def test_an_error_amid_the_rows_is_raised(packets):
    body = b"\xff" + (3024).to_bytes(2, "little") + b"#HY000too long"
    with pytest.raises(pymysql.Error) as raised:
        packets(framed(b"\x01a", body))
    assert raised.value.args[0] == 3024


@pytest.mark.parametrize(
    "data", [b"", b"\x02\x00", framed(b"\x01a"), framed(b"\x01a")[:-1], framed(b"\x01a", END, first=4)]
)
def test_F174_a_broken_stream_is_a_lost_connection(data, packets):
    with pytest.raises(pymysql.OperationalError) as raised:
        packets(data)
    assert raised.value.args[0] == 2013
