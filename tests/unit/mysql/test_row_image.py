"""Rows events: whole images stay bytes, others become cells, and what is not there is UNAVAILABLE (F47, F54, F58)."""

import pytest

from connect.errors import Failed
from connect.record import UNAVAILABLE
from connect.schema.model import TableId
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.row_image import JsonDiff
from connectors.mysql.shapes import log_table
from connectors.mysql.table_map import LogColumn, TableMap
from connectors.mysql.type_options import TypeOptions

TABLE = TableId("db", "t")
OPTIONS = TypeOptions()
WRITE, UPDATE, DELETE, PARTIAL = 30, 31, 32, 39
WRITE_V1 = 23
HEAD = b"\5\0\0\0\0\0\1\0"


def table(key=("id",)):
    """id int, v varchar(10) latin1, n tinyint."""
    columns = (Column("id", "int"), Column("v", "varchar", length=10, charset="latin1"), Column("n", "tinyint"))
    log = (LogColumn(3, nullable=False), LogColumn(15, 10), LogColumn(1))
    return log_table(TableDefinition(TABLE, columns, key), TableMap(TABLE, log, None, named=False), OPTIONS)


def documents():
    """id int, a json, b json."""
    columns = (Column("id", "int"), Column("a", "json"), Column("b", "json"))
    log = (LogColumn(3, nullable=False), LogColumn(245, 4), LogColumn(245, 4))
    return log_table(TableDefinition(TABLE, columns, ("id",)), TableMap(TABLE, log, None, named=False), OPTIONS)


def event(presents, images, extra=b"\2\0"):
    return HEAD + extra + b"\3" + presents + images


def image(number, text, small, nulls=0):
    parts = [number.to_bytes(4, "little"), bytes([len(text)]) + text if text is not None else b"", bytes([small])]
    return bytes([nulls]) + b"".join(part for i, part in enumerate(parts) if not nulls >> i & 1)


def test_a_row_of_a_whole_image_is_its_own_bytes():
    body = event(b"\7", image(1, b"ab", 7) + image(2, None, 8, nulls=2))

    (before, one), (_, two) = table().changes(WRITE, body)

    assert before is None
    assert (type(one.data), one.to_dict()) == (bytes, {"id": 1, "v": "ab", "n": 7})
    assert two.to_dict() == {"id": 2, "v": None, "n": 8}


def test_an_update_has_both_images_and_a_delete_the_old_one():
    ((before, after),) = table().changes(UPDATE, event(b"\7\7", image(1, b"a", 1) + image(2, b"b", 2)))
    ((gone, none),) = table().changes(DELETE, event(b"\7", image(1, b"a", 1)))

    assert (before.key, after.key, gone.key, none) == ((1,), (2,), (1,), None)


def test_version_one_has_no_extra_data_and_version_two_may_have_some():
    body = image(1, b"a", 1)

    assert table().changes(WRITE_V1, event(b"\7", body, extra=b"")) == table().changes(
        WRITE, event(b"\7", body, extra=b"\6\0\0\4\1\2")
    )


def test_F47_what_an_image_lacks_is_unavailable():
    ((_, row),) = table().changes(WRITE, event(b"\5", b"\0\1\0\0\0\7"))

    assert row.to_dict() == {"id": 1, "v": UNAVAILABLE, "n": 7}
    assert row.unavailable == ("v",)


def test_F47_null_bits_count_the_columns_that_are_there():
    ((_, row),) = table().changes(WRITE, event(b"\5", b"\2\1\0\0\0"))

    assert row.to_dict() == {"id": 1, "v": UNAVAILABLE, "n": None}


def test_F47_a_column_that_an_update_left_alone_has_its_old_value():
    ((before, after),) = table().changes(UPDATE, event(b"\1\4", b"\0\1\0\0\0" + b"\0\x09"))

    assert before.to_dict() == {"id": 1, "v": UNAVAILABLE, "n": UNAVAILABLE}
    assert after.to_dict() == {"id": 1, "v": UNAVAILABLE, "n": 9}


def test_F47_a_row_without_its_key_is_refused():
    with pytest.raises(Failed) as failure:
        table(key=("n",)).changes(WRITE, event(b"\1", b"\0\1\0\0\0"))

    assert failure.value.code == "partial_image"
    assert "key column n" in failure.value.message


def test_F47_a_row_of_a_table_without_a_key_may_lack_anything():
    ((_, row),) = table(key=()).changes(WRITE, event(b"\4", b"\0\1"))

    assert row.to_dict() == {"id": UNAVAILABLE, "v": UNAVAILABLE, "n": 1}


OLD = bytes.fromhex("00 01000000 02000000 0400 02000000 0400")
REPLACED = bytes.fromhex("00 01 24 03 056300")  # $ becomes 99


def test_F54_a_partial_update_names_the_documents_that_are_diffs():
    new = b"\1" + b"\2" + bytes.fromhex("00 01000000 02000000 0401 07000000") + b"\0\1$\3\5c\0"

    ((before, after),) = documents().changes(PARTIAL, event(b"\7\7", OLD + new))

    assert (before["a"], before["b"]) == ("null", "null")
    assert type(after.cells[2]) is JsonDiff
    assert (after["id"], after["a"], after["b"]) == (1, "true", "99")


def test_F54_an_update_without_options_is_a_plain_one():
    new = b"\0" + bytes.fromhex("00 01000000 02000000 0401 02000000 0402")

    ((_, after),) = documents().changes(PARTIAL, event(b"\7\7", OLD + new))

    assert (after["a"], after["b"]) == ("true", "false")


def test_F54_a_diff_of_a_document_that_is_not_there_is_unavailable():
    new = b"\1" + b"\2" + bytes.fromhex("00 07000000") + b"\0\1$\3\5c\0"

    ((_, after),) = documents().changes(PARTIAL, event(b"\1\4", b"\0\1\0\0\0" + new))

    assert after.to_dict() == {"id": 1, "a": UNAVAILABLE, "b": UNAVAILABLE}


def test_F54_options_that_are_not_known_are_refused():
    with pytest.raises(Failed) as failure:
        documents().changes(PARTIAL, event(b"\7\7", OLD + b"\2"))

    assert failure.value.code == "partial_json"


def outcome(kind, body):
    """How many rows, or the code of the refusal."""
    try:
        return len(table().changes(kind, body))
    except Failed as failure:
        return failure.code


@pytest.mark.parametrize(("kind", "presents"), [(WRITE, b"\7"), (UPDATE, b"\7\7"), (DELETE, b"\7")])
def test_S13_an_event_that_ends_inside_a_row_is_refused(kind, presents):
    row = image(1, b"ab", 7) * len(presents)
    whole = event(presents, row + row)
    begin = len(whole) - 2 * len(row)

    ends = {end: outcome(kind, whole[:end]) for end in range(begin, len(whole) + 1)}

    assert {end for end, what in ends.items() if what != "bad_row_image"} == {begin, begin + len(row), len(whole)}


def test_S13_another_number_of_columns_is_refused():
    with pytest.raises(Failed) as failure:
        table().changes(WRITE, HEAD + b"\2\0" + b"\2" + b"\3")

    assert failure.value.code == "bad_row_image"
