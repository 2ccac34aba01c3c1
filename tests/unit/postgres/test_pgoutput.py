"""Messages and cells of pgoutput, from bytes that a real server sent and from bytes that none would."""

import struct
from datetime import UTC, datetime

import pytest

from connect.errors import Failed
from connect.record import UNAVAILABLE
from connectors.postgres import pgoutput
from connectors.postgres.rows import COPY_ROW, LOG_ROW

# The Python twin and, where it is built, the compiled one.
tuple_splits = pytest.mark.parametrize("split_tuple", dict.fromkeys([pgoutput.split_tuple, LOG_ROW]))
line_splits = pytest.mark.parametrize("split_line", dict.fromkeys([pgoutput.tuple_of_copy_text, COPY_ROW]))

# One transaction of Postgres 18: insert into g(id, a) values (1, 4), with a stored generated column (types.md A8).
BEGIN = bytes.fromhex("420000000001e66dd8000303c44364c2d700000321")
RELATION = bytes.fromhex(
    "52000047687075626c69630067006400030169640000000017ffffffff00610000000017ffffffff00730000000017ffffffff"
)


def parse(data, *, streaming=False):
    return pgoutput.parse(data, streaming=streaming)


def text(value):
    return value.encode() + b"\0"


def u32(*values):
    return struct.pack(f">{len(values)}I", *values)


def row(*cells):
    return struct.pack(">H", len(cells)) + b"".join(
        cell if cell in (b"n", b"u") else b"t" + u32(len(cell)) + cell for cell in cells
    )


def test_begin_carries_the_commit_lsn_and_time_since_1970():
    message = parse(BEGIN)

    assert message == pgoutput.Begin(final_lsn=0x1E66DD8, ts_us=1_795_251_209_282_263, xid=801)
    assert str(datetime.fromtimestamp(message.ts_us / 1e6, UTC)).startswith("2026-11-21 08:53:29")


def test_relation_carries_columns_and_key_flags():
    message = parse(RELATION)

    assert (message.xid, message.oid, message.schema, message.name) == (None, 18280, "public", "g")
    assert message.replica_identity == "d"
    assert message.columns == (
        pgoutput.RelationColumn(key=True, name="id", type_oid=23, typmod=-1),
        pgoutput.RelationColumn(key=False, name="a", type_oid=23, typmod=-1),
        pgoutput.RelationColumn(key=False, name="s", type_oid=23, typmod=-1),
    )


def test_rows_and_shapes_inside_a_stream_carry_the_sub_transaction():
    relation = RELATION[:1] + u32(77) + RELATION[1:]

    assert parse(relation, streaming=True).xid == 77
    assert parse(b"Y" + u32(77, 17857) + text("") + text("int4"), streaming=True).xid == 77
    assert parse(b"I" + u32(77, 5) + b"N" + row(b"1"), streaming=True) == (77, 5, row(b"1"))
    assert parse(b"U" + u32(77, 5) + b"N" + row(b"1"), streaming=True).xid == 77
    assert parse(b"D" + u32(77, 5) + b"K" + row(b"1"), streaming=True).xid == 77
    assert parse(b"T" + u32(77, 1) + b"\0" + u32(5), streaming=True) == (77, (5,), False, False)


def test_an_empty_namespace_is_pg_catalog():
    assert parse(b"Y" + u32(17857) + text("") + text("int4")).schema == "pg_catalog"


def test_commit_carries_both_lsns():
    message = parse(b"C\0" + struct.pack(">QQq", 10, 20, 5))

    assert message == pgoutput.Commit(0, 10, 20, 946_684_800_000_005)


def test_origin_carries_its_name():
    assert parse(b"O" + struct.pack(">Q", 9) + text("north")) == pgoutput.Origin(9, "north")


@pytest.mark.parametrize(("byte", "kind"), [(b"K", "K"), (b"O", "O")])
def test_an_update_says_what_it_knows_of_the_old_row(byte, kind):
    old, new = row(b"1", b"n", b"u"), row(b"2", b"x", b"u")

    assert parse(b"U" + u32(5) + byte + old + b"N" + new) == pgoutput.Update(None, 5, kind, old, new)


def test_an_update_without_an_old_row_did_not_change_the_key():
    assert parse(b"U" + u32(5) + b"N" + row(b"1")) == pgoutput.Update(None, 5, None, None, row(b"1"))


def test_a_delete_carries_the_key_or_the_old_row():
    assert parse(b"D" + u32(5) + b"O" + row(b"1")) == pgoutput.Delete(None, 5, "O", row(b"1"))


@pytest.mark.parametrize(("flags", "cascade", "restart"), [(0, False, False), (1, True, False), (3, True, True)])
def test_a_truncate_names_its_tables_and_options(flags, cascade, restart):
    assert parse(b"T" + u32(2) + bytes([flags]) + u32(5, 6)) == pgoutput.Truncate(None, (5, 6), cascade, restart)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_logical_message_carries_its_prefix_and_content(streaming):
    xid = u32(7) if streaming else b""
    message = parse(b"M" + xid + b"\1" + struct.pack(">Q", 9) + text("mark") + u32(3) + b"\0ab", streaming=streaming)

    assert message == pgoutput.LogicalMessage(7 if streaming else None, True, 9, "mark", b"\0ab")


def test_stream_messages_frame_a_transaction_in_progress():
    assert parse(b"S" + u32(7) + b"\1") == pgoutput.StreamStart(7, True)
    assert parse(b"E", streaming=True) == pgoutput.StreamStop()
    assert parse(b"c" + u32(7) + b"\0" + struct.pack(">QQq", 1, 2, 3)).end_lsn == 2


def test_a_stream_abort_has_a_position_in_protocol_4_only():
    assert parse(b"A" + u32(7, 8)) == pgoutput.StreamAbort(7, 8, None, None)
    assert parse(b"A" + u32(7, 8) + struct.pack(">Qq", 9, 0)) == pgoutput.StreamAbort(7, 8, 9, 946_684_800_000_000)


@pytest.mark.parametrize("kind", [b"b", b"P", b"K", b"r", b"p", b"X", b"\0", b"\xff"])
def test_S13_a_message_that_is_not_understood_stops_the_connector(kind):
    with pytest.raises(Failed) as failure:
        parse(kind + bytes(40))

    assert failure.value.code == "unknown_event"
    assert failure.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        BEGIN[:-1],
        BEGIN + b"\0",
        RELATION[:30],
        RELATION + b"\0",
        RELATION.replace(b"public", b"publi\xff"),
        RELATION.replace(b"g\0d", b"g\0x"),
        b"I" + u32(5) + b"O" + row(b"1"),
        b"I",
        b"U" + u32(5) + b"O" + row(b"1"),
        b"U" + u32(5) + b"K" + row(b"1")[:-1] + b"N" + row(b"1"),
        b"U" + u32(5) + b"Q" + row(b"1"),
        b"D" + u32(5) + b"N" + row(b"1"),
        b"T" + u32(0xFFFFFFFF) + b"\0" + u32(5),
        b"M\0" + bytes(8) + text("p") + u32(100) + b"x",
        b"O" + bytes(8) + b"no end",
        b"A" + u32(1, 2, 3),
        b"E\0",
    ],
)
def test_bytes_that_are_no_message_stop_the_connector(data):
    with pytest.raises(Failed) as failure:
        parse(data)

    assert failure.value.code == "protocol"


@tuple_splits
def test_F22_unchanged_toast_is_not_null(split_tuple):
    assert split_tuple(row(b"1", b"u", b"n", b"")) == [b"1", UNAVAILABLE, None, b""]


@tuple_splits
def test_a_binary_column_is_its_bytes(split_tuple):
    assert split_tuple(b"\0\1b" + u32(2) + b"\0\1") == [b"\0\1"]


@tuple_splits
def test_a_table_without_columns_has_no_cells(split_tuple):
    assert split_tuple(b"\0\0") == []


@tuple_splits
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1t",
        b"\0\1t\0\0",
        b"\0\1t" + u32(5) + b"four",
        b"\0\1t" + u32(3) + b"four",
        b"\0\2n",
        b"\0\1x" + u32(0),
        b"\0\0n",
        b"\xff\xff" + b"n" * 9,
        b"\0\1t" + u32(0xFFFFFFFF),
    ],
)
def test_bytes_that_are_no_row_stop_the_connector(data, split_tuple):
    with pytest.raises(Failed) as failure:
        split_tuple(data)

    assert failure.value.code == "protocol"


@line_splits
@pytest.mark.parametrize("newline", [b"", b"\n"])
@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (b"1\tabc\t", [b"1", b"abc", b""]),
        (b"\\N\t\\\\N\tN", [None, b"\\N", b"N"]),
        (rb"tab\tnewline\nreturn\rback\\slash", [b"tab\tnewline\nreturn\rback\\slash"]),
        (rb"\b\f\v", [b"\b\f\v"]),
        (rb"\\x0102ff" + b"\t1", [rb"\x0102ff", b"1"]),
        (rb"\\\\n", [rb"\\n"]),
    ],
)
def test_a_line_of_copy_becomes_cells(line, cells, newline, split_line):
    assert split_line(line + newline) == cells
