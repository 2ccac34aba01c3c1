import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.errors import Failed
from connect.record import UNAVAILABLE
from connectors.postgres.pgoutput import split_tuple
from connectors.postgres.tuples import fill_unchanged, key_only

CELLS = st.lists(st.none() | st.just(UNAVAILABLE) | st.binary(max_size=20), max_size=8)


def pack(cells):
    parts = [b"n" if c is None else b"u" if c is UNAVAILABLE else b"t" + struct.pack(">I", len(c)) + c for c in cells]
    return struct.pack(">H", len(cells)) + b"".join(parts)


@given(CELLS, st.data())
def test_inv5_columns_outside_the_identity_are_unavailable(cells, data):
    key = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
    kept = split_tuple(key_only(pack(cells), key))
    assert kept == [cell if keep else UNAVAILABLE for cell, keep in zip(cells, key, strict=True)]


@given(CELLS, st.data())
def test_F22_unchanged_values_come_from_the_whole_old_row(new, data):
    old = data.draw(st.lists(st.none() | st.binary(max_size=20), min_size=len(new), max_size=len(new)))
    filled = split_tuple(fill_unchanged(pack(new), pack(old)))
    assert filled == [before if after is UNAVAILABLE else after for after, before in zip(new, old, strict=True)]


def test_rows_of_different_width_are_no_rows_of_one_table():
    with pytest.raises(Failed, match="is none"):
        fill_unchanged(pack([b"1"]), pack([b"1", b"2"]))
