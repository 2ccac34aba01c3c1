"""What becomes of values that their column's schema cannot hold, and of MariaDB's own forms (F77, types.md A13)."""

import pytest

from connect.errors import Failed
from connect.record import text
from connect.schema.model import TableId
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.table_map import LogColumn
from connectors.mysql.text_values import select_list, split_text_row, text_decoder
from connectors.mysql.type_options import TypeOptions
from connectors.mysql.types import logical, may_be_null
from connectors.mysql.values import hires_width, log_decoder

ZERO_DATE, ODD_DATE = b"\0\0\0", bytes.fromhex("00d00f")
ZERO_DATETIME = bytes.fromhex("8000000000")


def outcome(decode, cell):
    try:
        return decode(cell)
    except Failed as failure:
        return failure.code


def both(column, log, log_cell, text_cell, **options):
    """What a column's value becomes, from the log and from text."""
    made = TypeOptions(**options)
    from_log = outcome(log_decoder(column, log, made), log_cell)
    assert outcome(text_decoder(column, made), text_cell) == from_log
    return from_log


@pytest.mark.parametrize(
    ("nullable", "options", "value"),
    [
        (True, {}, None),
        (False, {}, "unrepresentable_value"),
        (False, {"unrepresentable": "null"}, None),
        (True, {"zero_date": "fail"}, "unrepresentable_value"),
        (True, {"zero_date": "fail", "unrepresentable": "null"}, "unrepresentable_value"),
        (False, {"zero_date": "string"}, "2024-00-00"),
    ],
)
@pytest.mark.parametrize("time", ["connect", "isostring", "microseconds"])
def test_F77_a_zero_date_is_what_the_policy_says_and_never_null_unseen(nullable, options, value, time):
    column = Column("d", "date", nullable=nullable)

    assert both(column, LogColumn(10), ODD_DATE, b"2024-00-00", time=time, **options) == value


def test_F77_a_not_null_column_that_may_become_null_is_optional():
    column = Column("d", "date", nullable=False)

    assert not may_be_null(column, TypeOptions())
    assert may_be_null(column, TypeOptions(unrepresentable="null"))
    assert not may_be_null(column, TypeOptions(unrepresentable="null", zero_date="string"))


@pytest.mark.parametrize("zero_date", ["null", "fail", "string"])
def test_F77_datetime_and_timestamp_follow_the_same_policy(zero_date):
    column = Column("d", "datetime")
    zero = {"null": None, "fail": "unrepresentable_value", "string": "0000-00-00 00:00:00"}[zero_date]

    assert both(column, LogColumn(18), ZERO_DATETIME, b"0000-00-00 00:00:00", zero_date=zero_date) == zero
    stamp = Column("t", "timestamp", fraction=2)
    zero = f"{zero}.00" if zero_date == "string" else zero
    assert both(stamp, LogColumn(17, 2), b"\0" * 5, b"0000-00-00 00:00:00.00", zero_date=zero_date) == zero


def test_F77_as_text_every_date_is_the_servers():
    text_of = {"zero_date": "string"}

    assert both(Column("d", "date"), LogColumn(10), bytes.fromhex("5dd00f"), b"2024-02-29", **text_of) == "2024-02-29"
    stamp = bytes.fromhex("5b2a6f0c24ea")
    printed = "2018-06-20 15:13:16.945"
    assert both(Column("t", "timestamp", fraction=3), LogColumn(17, 3), stamp, printed.encode(), **text_of) == printed
    assert logical(Column("t", "timestamp"), TypeOptions(**text_of)).name is None


def test_a_day_that_the_month_does_not_have_is_no_date():
    assert (
        both(Column("d", "date"), LogColumn(10), (2023 << 9 | 2 << 5 | 30).to_bytes(3, "little"), b"2023-02-30") is None
    )


def test_year_zero_is_a_year():
    cell = (0 << 9 | 1 << 5 | 1).to_bytes(3, "little")

    assert both(Column("d", "date"), LogColumn(10), cell, b"0000-01-01") == -719528


@pytest.mark.parametrize(("unrepresentable", "value"), [("fail", "unrepresentable_value"), ("null", None)])
def test_a_big_unsigned_number_does_not_wrap(unrepresentable, value):
    column = Column("n", "bigint", unsigned=True)
    digits = str(2**63).encode()

    got = both(column, LogColumn(8), (2**63).to_bytes(8, "little"), digits, unrepresentable=unrepresentable)
    assert got == value


def test_plain_text_and_integers_are_decoded_by_the_objects_that_encoders_know():
    options = TypeOptions()

    assert log_decoder(Column("c", "text", charset="utf8mb4"), LogColumn(252, 2), options) is text
    assert text_decoder(Column("c", "varchar", charset="utf8mb3"), options) is text
    assert text_decoder(Column("c", "json"), options) is text
    for name in ("tinyint", "smallint", "mediumint", "int", "bigint", "year"):
        assert text_decoder(Column("c", name), options) is int


def test_F78_a_character_set_that_python_lacks_is_refused_with_its_column():
    column = Column("c", "varchar", charset="swe7")
    for decode in (text_decoder(column, TypeOptions()), log_decoder(column, LogColumn(15, 5), TypeOptions())):
        with pytest.raises(Failed, match="column c: its character set swe7") as failure:
            decode(b"x")
        assert failure.value.code == "charset_unsupported"


def test_F76_a_label_that_is_not_there_is_refused():
    options = TypeOptions()

    assert (
        outcome(log_decoder(Column("e", "enum", members=("a",)), LogColumn(247, 1), options), b"\2")
        == "undecodable_value"
    )
    assert (
        outcome(log_decoder(Column("s", "set", members=("a",)), LogColumn(248, 1), options), b"\2")
        == "undecodable_value"
    )


# MariaDB's forms before 5.6 and of mysql56_temporal_format=OFF.
OLD = [
    (Column("d", "datetime"), 12, "140ab2aa5a120000", 1529507596000),
    (Column("t", "timestamp"), 7, "0c6f2a5b", "2018-06-20T15:13:16Z"),
    (Column("t", "time"), 11, "c01dfe", -45296000000),
    (Column("t", "time"), 11, "a7f57f", 3020399000000),
    (Column("d", "datetime", fraction=6), 12, "0101bff694fa86d0", 1529507596945104),
    (Column("t", "time", fraction=3), 11, "00b15478eb", -45296789000),
    (Column("t", "time", fraction=6), 11, "057e7bbcf7ff", 3020399999999),
    (Column("t", "timestamp", fraction=3), 7, "5b2a6f0c03b1", "2018-06-20T15:13:16.945Z"),
]


@pytest.mark.parametrize(("column", "code", "cell", "value"), OLD)
def test_the_old_temporal_forms_of_mariadb(column, code, cell, value):
    data = bytes.fromhex(cell)
    if column.fraction:
        assert hires_width(code, column.fraction) == len(data)

    assert log_decoder(column, LogColumn(code), TypeOptions())(data) == value


@pytest.mark.parametrize("cell", ["89c84b4c1c1e", "8905c84b4c1c1e0000", "40", "8a012d4b4a1a05c40200"])
def test_S13_a_compressed_value_that_is_damaged_is_refused(cell):
    decode = log_decoder(Column("c", "text", charset="latin1"), LogColumn(140, 2), TypeOptions())

    assert outcome(decode, bytes.fromhex(cell)) == "undecodable_value"


def test_A15_18_inexact_numbers_are_selected_with_all_their_digits():
    columns = (Column("a`b", "float"), Column("d", "double"), Column("e", "double", scale=3), Column("i", "int"))

    assert select_list(TableDefinition(TableId("db", "t"), columns)) == ["`a``b` * 1e0", "`d`", "`e` * 1e0", "`i`"]


def test_a_row_packet_is_cut_into_cells():
    packet = b"\xfb" + b"\0" + b"\3abc" + b"\xfc\xfc\0" + b"x" * 252 + b"\xfd\0\0\1" + b"y" * 65536

    assert split_text_row(packet) == [None, b"", b"abc", b"x" * 252, b"y" * 65536]
