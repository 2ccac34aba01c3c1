"""One schema from a definition and from a table map, and which of them says what (V1, F49)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from connect.errors import Failed
from connect.schema.model import NO_DEFAULT, Kind, TableId
from connectors.mysql.agreement import agrees, described
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.shapes import constant_default, log_shape, log_table, snapshot_shape
from connectors.mysql.table_map import LogColumn, TableMap
from connectors.mysql.type_options import TypeOptions
from connectors.mysql.types import logical

T = TableId("db", "t")
OPTIONS = TypeOptions()
ID = Column("id", "int", nullable=False)


def definition(*columns, **more):
    return TableDefinition(T, columns, **more)


def table_map(*columns, key=None):
    return TableMap(T, columns, key, named=bool(columns) and columns[0].name is not None)


# A column of a definition, the same column of a map without names and labels.
PAIRS = [
    (Column("c", "tinyint"), LogColumn(1)),
    (Column("c", "smallint", unsigned=True), LogColumn(2, unsigned=True)),
    (Column("c", "mediumint"), LogColumn(9)),
    (Column("c", "bigint"), LogColumn(8)),
    (Column("c", "decimal", length=10, scale=2), LogColumn(246, 10, 2)),
    (Column("c", "float"), LogColumn(4, 4)),
    (Column("c", "double"), LogColumn(5, 8)),
    (Column("c", "bit", length=12), LogColumn(16, 12)),
    (Column("c", "date"), LogColumn(10)),
    (Column("c", "time", fraction=3), LogColumn(19, 3)),
    (Column("c", "datetime", fraction=6), LogColumn(18, 6)),
    (Column("c", "timestamp"), LogColumn(17, 0)),
    (Column("c", "year"), LogColumn(13)),
    (Column("c", "char", length=5, charset="utf8mb4"), LogColumn(254, 20, charset="utf8mb4")),
    (Column("c", "varchar", length=5, charset="latin1"), LogColumn(15, 5, charset="latin1")),
    (Column("c", "binary", length=5), LogColumn(254, 5, charset="binary")),
    (Column("c", "varbinary", length=300), LogColumn(15, 300, charset="binary")),
    (Column("c", "mediumtext", charset="utf8mb4"), LogColumn(252, 3, charset="utf8mb4")),
    (Column("c", "tinyblob"), LogColumn(252, 1, charset="binary")),
    (Column("c", "json"), LogColumn(245, 4)),
    (Column("c", "polygon"), LogColumn(255, 4, geometry=3)),
    (Column("c", "vector", length=3), LogColumn(242, 4, charset="binary", dimensions=3)),
    (Column("c", "enum", charset="utf8mb4", members=("a",)), LogColumn(247, 1, charset="utf8mb4", members=("a",))),
]


@pytest.mark.parametrize(("column", "log"), PAIRS, ids=lambda one: getattr(one, "data_type", ""))
def test_a_map_with_names_tells_of_a_column_what_the_definition_does(column, log):
    assert agrees(column, log)
    assert described(replace(log, name="c")) == column


@pytest.mark.parametrize(("column", "log"), PAIRS, ids=lambda one: getattr(one, "data_type", ""))
def test_both_give_one_schema(column, log):
    known = definition(ID, column, primary_key=("id",))
    by_position = log_shape(known, table_map(LogColumn(3, nullable=False), log), OPTIONS)
    names = LogColumn(3, nullable=False, unsigned=False, name="id"), replace(log, name="c")
    by_name = log_shape(None, table_map(*names, key=(0,)), OPTIONS)

    assert snapshot_shape(known, OPTIONS).schema == by_position.schema == by_name.schema


OTHERWISE = [
    (Column("c", "int"), LogColumn(8)),
    (Column("c", "decimal", length=10, scale=2), LogColumn(246, 10, 3)),
    (Column("c", "datetime", fraction=3), LogColumn(18, 0)),
    (Column("c", "bit", length=3), LogColumn(16, 4)),
    (Column("c", "varchar", length=5, charset="utf8mb4"), LogColumn(15, 24, charset="utf8mb4")),
    (Column("c", "varchar", length=5, charset="utf8mb4"), LogColumn(15, 5, charset="binary")),
    (Column("c", "blob"), LogColumn(252, 2, charset="utf8mb4")),
    (Column("c", "text"), LogColumn(252, 3)),
    (Column("c", "uuid"), LogColumn(254, 4, charset="binary")),
    (Column("c", "enum"), LogColumn(248, 1)),
    (Column("c", "xmltype"), LogColumn(252, 4)),
]


@pytest.mark.parametrize(("column", "log"), OTHERWISE, ids=lambda one: getattr(one, "data_type", ""))
def test_F49_a_column_that_is_stored_otherwise_is_another(column, log):
    with pytest.raises(Failed, match="column c is stored otherwise") as failure:
        log_table(definition(column), table_map(log), OPTIONS)

    assert failure.value.code == "schema_mismatch"


def test_a_map_with_names_takes_the_definitions_word_column_by_column():
    known = definition(ID, Column("u", "uuid", comment="mine"), Column("gone", "int"), Column("a", "int", default="5"))
    names = [LogColumn(3, name="id"), LogColumn(254, 16, charset="binary", name="U"), LogColumn(8, name="a")]

    columns = log_shape(known, table_map(*names), OPTIONS).schema.columns

    assert [column.name for column in columns] == ["id", "U", "a"]
    assert (columns[1].type.name, columns[1].doc) == ("io.debezium.data.Uuid", "mine")
    assert (columns[2].type.kind, columns[2].default) == (Kind.INT64, NO_DEFAULT)


def test_an_older_map_has_its_own_labels():
    known = definition(Column("e", "enum", charset="utf8mb4", members=("a", "b")))

    shape = log_shape(known, table_map(LogColumn(247, 1, name="e", members=("a",))), OPTIONS)

    assert shape.schema.columns[0].type.parameter("allowed") == "a"


def test_an_old_temporal_column_needs_its_definition():
    known = definition(Column("t", "time", fraction=2))
    log = LogColumn(11, name="t")

    assert log_table(known, table_map(log), OPTIONS)
    with pytest.raises(Failed) as failure:
        log_table(None, table_map(log), OPTIONS)
    assert failure.value.code == "old_temporal_format"


def test_the_key_is_the_files_then_the_primary_then_a_unique_index_without_nulls():
    a, b = Column("a", "int", nullable=False), Column("b", "int")
    primary = definition(a, b, primary_key=("a",), unique_keys=(("a",),))

    assert snapshot_shape(primary, OPTIONS, ("b",)).schema.key == ("b",)
    assert snapshot_shape(primary, OPTIONS).schema.key == ("a",)
    assert snapshot_shape(definition(a, b, unique_keys=(("b",), ("a",))), OPTIONS).schema.key == ("a",)
    assert snapshot_shape(definition(a, b), OPTIONS).schema.key == ()


def test_a_key_of_a_column_that_is_not_there_is_refused():
    with pytest.raises(Failed) as failure:
        snapshot_shape(definition(ID), OPTIONS, ("x",))

    assert failure.value.code == "column_missing"


def test_a_type_that_is_not_known_is_refused_by_its_column():
    with pytest.raises(Failed, match="column c is a xmltype") as failure:
        snapshot_shape(definition(Column("c", "xmltype")), OPTIONS)

    assert failure.value.code == "unknown_column_type"


@pytest.mark.parametrize(
    ("column", "default"),
    [
        (Column("c", "int", default="00003"), 3),
        (Column("c", "decimal", length=5, scale=2, default="-1.5"), Decimal("-1.50")),
        (Column("c", "bit", length=12, default="b'101'"), b"\x05\0"),
        (Column("c", "bit", length=1, default="1"), True),
        (Column("c", "varchar", charset="swe7", default="é"), "é"),
        (Column("c", "enum", members=("a",), default="a"), "a"),
        (Column("c", "datetime", fraction=3, default="2000-01-01 00:00:00.500"), 946684800500),
        (Column("c", "date", default="0000-00-00"), NO_DEFAULT),
        (Column("c", "timestamp", default="2000-01-01 00:00:00"), NO_DEFAULT),
        (Column("c", "varbinary", default="0x0102"), NO_DEFAULT),
        (Column("c", "int", default="b'1'"), NO_DEFAULT),
        (Column("c", "int", generated="stored"), NO_DEFAULT),
        (Column("c", "int"), NO_DEFAULT),
    ],
)
def test_F107_a_constant_default_is_a_value_and_nothing_else_is(column, default):
    assert constant_default(column, logical(column, OPTIONS), OPTIONS) == default
