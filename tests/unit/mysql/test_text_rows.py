import io

import pymysql
import pytest

from connectors.mysql.text_rows import row_packets

END = b"\xfe\x00\x00\x22\x00"


def framed(*bodies, first=3):
    return b"".join(
        len(body).to_bytes(3, "little") + bytes([(first + i) & 0xFF]) + body for i, body in enumerate(bodies)
    )


def packets(data, first=3):
    return list(row_packets(io.BytesIO(data).read, first))


def test_rows_are_read_up_to_the_end():
    assert packets(framed(b"\x01a", b"\xfb", END)) == [b"\x01a", b"\xfb"]


def test_the_sequence_number_wraps():
    rows = [b"\x01" + bytes([i & 0x7F]) for i in range(600)]
    assert packets(framed(*rows, END, first=250), first=250) == rows


def test_F197_a_row_of_16_MB_and_more_is_put_together():
    whole = b"\xfd\xff\xff\xff" + b"x" * 0xFFFFFF
    first, rest = whole[:0xFFFFFF], whole[0xFFFFFF:]
    assert packets(framed(first, rest, b"\x01a", END)) == [whole, b"\x01a"]


def test_F197_a_row_that_fills_its_packets_exactly_ends_with_an_empty_one():
    whole = b"\xfd\xfb\xff\xff" + b"x" * 0xFFFFFB
    assert packets(framed(whole, b"", END)) == [whole]


def test_a_row_that_begins_like_an_end_is_no_end():
    long = b"\xfe" + (12).to_bytes(8, "little") + b"x" * 12
    assert packets(framed(long, END)) == [long]


def test_an_error_amid_the_rows_is_raised():
    body = b"\xff" + (3024).to_bytes(2, "little") + b"#HY000too long"
    with pytest.raises(pymysql.Error) as raised:
        packets(framed(b"\x01a", body))
    assert raised.value.args[0] == 3024


@pytest.mark.parametrize(
    "data", [b"", b"\x02\x00", framed(b"\x01a"), framed(b"\x01a")[:-1], framed(b"\x01a", END, first=4)]
)
def test_F174_a_broken_stream_is_a_lost_connection(data):
    with pytest.raises(pymysql.OperationalError) as raised:
        packets(data)
    assert raised.value.args[0] == 2013
