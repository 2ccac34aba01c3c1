"""Table maps: types, metadata, and what the optional metadata say of columns (types.md A11)."""

import pytest

from connect.errors import Failed
from connect.schema.model import TableId
from connectors.mysql.row_image import width
from connectors.mysql.table_map import Code, map_id, map_key, map_table, parse_table_map


def table_map(codes, meta=b"", nulls=None, optional=()):
    """An event's body; ``optional`` are pairs of type and bytes."""
    count = len(codes)
    nulls = nulls if nulls is not None else b"\xff" * ((count + 7) // 8)
    head = (5).to_bytes(6, "little") + b"\1\0" + b"\2db\0" + b"\1t\0" + bytes([count, *codes, len(meta)]) + meta + nulls
    return head + b"".join(bytes([kind, len(data)]) + data for kind, data in optional)


def strings(*texts):
    return b"".join(bytes([len(text)]) + text for text in texts)


def columns(*arguments, mariadb=False, **more):
    return parse_table_map(table_map(*arguments, **more), mariadb=mariadb).columns


def test_a_map_names_its_table():
    body = table_map([3])

    assert map_table(body) == parse_table_map(body).table == TableId("db", "t")
    assert map_id(body) == 5


def test_maps_differ_by_all_but_the_tables_number():
    one = table_map([3])

    assert map_key(one) == map_key((6).to_bytes(6, "little") + one[6:]) != map_key(table_map([8]))


def test_a_long_char_hides_bits_of_its_length_in_its_type():
    (column,) = columns([254], b"\xce\x20")

    assert (column.code, column.size, width(column)) == (Code.STRING, 800, -2)


@pytest.mark.parametrize(
    ("code", "meta", "size"),
    [
        (254, b"\xf7\x02", 2),
        (254, b"\xf8\x08", 8),
        (254, b"\xfe\x14", -1),
        (15, b"\xff\x00", -1),
        (15, b"\x00\x01", -2),
        (16, b"\x04\x01", 2),
        (246, b"\x0e\x04", 7),
        (252, b"\x03", -3),
        (245, b"\x04", -4),
        (17, b"\x03", 6),
        (18, b"\x00", 5),
        (19, b"\x05", 6),
        (4, b"\x04", 4),
        (9, b"", 3),
        (13, b"", 1),
    ],
)
def test_metadata_say_how_long_a_value_is(code, meta, size):
    (column,) = columns([code], meta)

    assert width(column) == size


def test_nullable_columns_are_a_bitmap():
    assert [c.nullable for c in columns([3] * 9, nulls=b"\x02\x01")] == [False, True, *[False] * 6, True]


def test_F74_signs_are_of_numeric_columns_only_and_a_year_is_one():
    found = columns([3, 15, 13, 1, 8], b"\x05\x00", optional=[(1, b"\xb0")])

    assert [c.unsigned for c in found] == [True, None, False, True, True]


def test_a_default_collation_has_exceptions_by_character_column():
    found = columns([3, 15, 252, 15], b"\x05\x00\x02\x05\x00", optional=[(2, b"\xfc\xff\x00" + b"\x01\x3f")])

    assert [c.charset for c in found] == [None, "utf8mb4", "binary", "utf8mb4"]


def test_mysql_lists_collations_of_vectors_and_mariadb_of_geometries():
    codes, meta = [255, 242, 15], b"\x04\x04\x05\x00"

    assert columns(codes, meta, optional=[(3, b"\x3f\x08")])[2].charset == "latin1"
    assert columns([255, 15], b"\x04\x05\x00", optional=[(3, b"\x3f\x08")], mariadb=True)[1].charset == "latin1"


def test_an_unknown_collation_is_named_in_the_character_sets_place():
    (column,) = columns([15], b"\x05\x00", optional=[(3, b"\xfd\xff\xff\x0f")])

    assert column.charset == "of collation 1048575"


def test_full_metadata_name_columns_key_labels_and_visibility():
    optional = [
        (4, strings(b"id", "né".encode(), b"s")),
        (6, b"\x02" + strings(b"a", b"\xe9")),
        (5, b"\x01" + strings(b"x")),
        (8, b"\x02\x00"),
        (11, b"\x08\x2d"),
        (12, b"\xa0"),
    ]
    found = parse_table_map(table_map([3, 254, 254], b"\xf7\x01\xf8\x01", optional=optional))

    assert found.named
    assert found.primary_key == (2, 0)
    assert [c.name for c in found.columns] == ["id", "né", "s"]
    assert [c.members for c in found.columns] == [None, ("a", "é"), ("x",)]
    assert [c.visible for c in found.columns] == [True, False, True]


def test_a_key_over_prefixes_is_its_columns():
    found = parse_table_map(table_map([252, 3], b"\x02", optional=[(4, strings(b"a", b"b")), (9, b"\x01\x00\x00\x0a")]))

    assert found.primary_key == (1, 0)


def test_without_names_no_key_is_told_and_with_them_none_is_none():
    assert parse_table_map(table_map([3])).primary_key is None
    assert parse_table_map(table_map([3], optional=[(4, strings(b"a"))])).primary_key == ()


def test_labels_in_a_character_set_that_python_lacks_are_left_to_who_publishes_them():
    (column,) = columns([254], b"\xf7\x01", optional=[(4, strings(b"e")), (6, b"\x01\x01a"), (11, b"\x0a")])

    assert (column.charset, column.members) == ("swe7", None)


def test_optional_metadata_of_a_kind_that_is_not_known_are_stepped_over():
    (column,) = columns([3], optional=[(99, b"what"), (4, strings(b"id"))])

    assert column.name == "id"


def test_S13_a_type_that_is_not_known_is_refused():
    with pytest.raises(Failed) as failure:
        columns([3, 200])

    assert failure.value.code == "unknown_column_type"
    assert "db.t: column 2 has type 200" in failure.value.message


def test_S13_a_map_that_ends_early_is_refused():
    body = table_map([3, 254], b"\xf7\x01")
    for end in range(9, len(body) - 1):
        with pytest.raises(Failed, match="a table map that cannot be read"):
            parse_table_map(body[:end])
