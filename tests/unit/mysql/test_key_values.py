from decimal import Decimal

import pytest

from connect.errors import Failed
from connect.record import plain_row
from connect.schema.model import Field, TableId, TableSchema
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.key_values import constants, key_text
from connectors.mysql.type_options import TypeOptions
from connectors.mysql.types import logical

CASES = [
    (Column("k", "int"), {}, -7, "-7"),
    (Column("k", "bigint", unsigned=True), {"bigint_unsigned": "precise"}, Decimal(2**64 - 1), str(2**64 - 1)),
    (Column("k", "decimal", length=10, scale=2), {}, Decimal("1E+2"), "100"),
    (Column("k", "double"), {}, 0.1, "0.1e0"),
    (Column("k", "float"), {}, 0.1, "0.10000000149011612e0"),
    (Column("k", "varchar", charset="sjis"), {}, "é", "CONVERT(_utf8mb4 x'c3a9' USING sjis)"),
    (Column("k", "enum", members=("a", "b"), charset="latin1"), {}, "b", "_utf8mb4 x'62'"),
    (Column("k", "varbinary"), {}, b"\x00\xff", "x'00ff'"),
    (Column("k", "varbinary"), {"binary": "hex"}, "00ff", "x'00ff'"),
    (Column("k", "varbinary"), {"binary": "base64-url-safe"}, "AP8=", "x'00ff'"),
    (Column("k", "bit", length=1), {}, True, "1"),
    (Column("k", "bit", length=16), {}, b"\x01\x02", "513"),
    (Column("k", "year"), {}, 2024, "2024"),
    (Column("k", "date"), {}, -1, "DATE '1970-01-01' + INTERVAL -1 DAY"),
    (Column("k", "date"), {"time": "isostring"}, "1969-12-31Z", "'1969-12-31'"),
    (Column("k", "datetime"), {}, 1_500, "TIMESTAMP '1970-01-01 00:00:00' + INTERVAL 1500000 MICROSECOND"),
    (Column("k", "datetime", fraction=6), {}, 7, "TIMESTAMP '1970-01-01 00:00:00' + INTERVAL 7 MICROSECOND"),
    (Column("k", "timestamp", fraction=3), {}, "2018-06-20T15:13:16.945Z", "'2018-06-20 15:13:16.945'"),
    (Column("k", "time"), {}, -1, "SEC_TO_TIME(-0.000001)"),
    (Column("k", "time"), {"time": "nanoseconds"}, 3_020_399_000_000_000, "SEC_TO_TIME(3020399.000000)"),
    (Column("k", "uuid"), {}, "ab", "_utf8mb4 x'6162'"),
]


def schema_of(column, options):
    return TableSchema(TableId("s", "t"), (Field("k", logical(column, options)),), ("k",))


@pytest.mark.parametrize(("column", "modes", "value", "sql"), CASES)
def test_a_key_of_the_log_becomes_a_constant_of_its_column(column, modes, value, sql):
    options = TypeOptions(**modes)
    schema = schema_of(column, options)
    key = key_text(plain_row(schema, [value]))
    definition = TableDefinition(schema.table, (column,), ("k",), (("k",),))
    assert constants(definition, schema, key, options) == [sql]


@pytest.mark.parametrize(
    ("column", "part"),
    [
        (Column("k", "int"), "1 OR 1"),
        (Column("k", "date"), "x"),
        (Column("k", "timestamp"), "now()"),
        (Column("k", "varbinary"), "zz"),
        (Column("k", "json"), "{}"),
    ],
)
def test_F168_a_stored_key_that_is_none_is_refused(column, part):
    schema = schema_of(column, TypeOptions())
    definition = TableDefinition(schema.table, (column,), ("k",), (("k",),))
    with pytest.raises(Failed) as failed:
        constants(definition, schema, (part,), TypeOptions())
    assert failed.value.code == "key_note"
