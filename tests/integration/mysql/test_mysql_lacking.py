"""Values that the log leaves out are read again by the row's key as the log has it (DESIGN §6, F47)."""

import contextlib

import pytest

from connect.record import UNAVAILABLE

pytestmark = pytest.mark.stack

KEYS = [
    ("INT", "7"),
    ("BIGINT UNSIGNED", "9223372036854775807"),
    ("DECIMAL(20,4)", "-1.5000"),
    ("FLOAT", "0.1"),
    ("DOUBLE", "-0.1"),
    ("VARCHAR(20) CHARACTER SET latin1", "'é'"),
    ("VARCHAR(20) CHARACTER SET sjis", "_utf8mb4 x'e8a1a8'"),
    ("CHAR(9)", "'a b'"),
    ("BINARY(4)", "x'01ff'"),
    ("VARBINARY(9)", "x'00ff'"),
    ("ENUM('b', 'é')", "'é'"),
    ("SET('a', 'b', 'c')", "'a,c'"),
    ("BIT(1)", "b'1'"),
    ("BIT(12)", "b'101000000001'"),
    ("DATE", "'1969-07-20'"),
    ("TIME(6)", "'-01:02:03.000004'"),
    ("DATETIME", "'1969-07-20 20:17:40'"),
    ("DATETIME(6)", "'2024-02-29 23:59:59.999999'"),
    ("TIMESTAMP(3)", "'2024-02-29 23:59:59.999'"),
    ("YEAR", "2024"),
]


@pytest.fixture(params=["mysql", "mariadb"])
def shop(request):
    return request.getfixturevalue(f"{request.param}_shop")


@pytest.mark.parametrize(("kind", "value"), KEYS, ids=[kind for kind, _ in KEYS])
def test_F47_a_row_is_met_again_by_a_key_of_any_type(shop, kind, value):
    shop.sql("DROP TABLE t", f"CREATE TABLE t (k {kind} NOT NULL PRIMARY KEY, a INT, b TEXT)")
    shop.sql(f"INSERT INTO t VALUES ({value}, 1, 'kept')")
    reader = shop.open()
    shop.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE t SET a = 2")
    (event,) = reader.read(1)
    assert event.after["b"] is UNAVAILABLE
    with contextlib.closing(reader.source.snapshots()) as snapshots:
        found = snapshots.read_keys(shop.table, [snapshots.key_text(event.after)])
    (row,) = found.rows
    assert (row["a"], row["b"]) == (2, "kept")
    assert row.key == event.after.key
