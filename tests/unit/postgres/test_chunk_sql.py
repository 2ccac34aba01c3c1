import pytest

from connect.record import plain_shape
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.postgres.catalog import CatalogColumn, CatalogTable
from connectors.postgres.chunk_sql import (
    Reading,
    bound_query,
    chunk_order,
    chunk_query,
    keys_query,
    range_query,
    sent_columns,
    whole_query,
)
from connectors.postgres.visibility import DatabaseSnapshot

EVIL = 'x"; DROP TABLE y;--'


def column(name, type_name="integer", generated=""):
    return CatalogColumn(name, 23, -1, type_name, False, None, None, generated)


def table(*columns, unique=(("a", "b"),), kind="r", name="t"):
    return CatalogTable(1, TableId("s", name), kind, "d", columns, unique[0], (), unique, False, 0, 0)


def reading(*columns, where=None, row_filter=None, **kwargs):
    described = table(*columns, **kwargs)
    fields = tuple(Field(c.name, Type(Kind.STRING)) for c in columns)
    shape = plain_shape(TableSchema(described.table, fields, described.primary_key))
    order = chunk_order(described, columns)
    return Reading(described, shape, columns, order, where, row_filter, DatabaseSnapshot(1, 1, frozenset()), 0, 0)


AB = (column("a", "character varying(9)"), column("b"))


def test_N4_the_first_chunk_is_in_the_order_of_the_key():
    expected = 'COPY (SELECT "a", "b" FROM ONLY "s"."t" ORDER BY "a", "b" LIMIT 10) TO STDOUT'
    assert chunk_query(reading(*AB), None, 10).as_string() == expected


def test_N4_the_database_compares_keys_in_the_columns_own_types():
    query = chunk_query(reading(*AB), ("it's", "7"), 10).as_string()
    assert """ WHERE ("a", "b") > ('it''s'::character varying(9), '7'::integer) ORDER BY""" in query


def test_N4_a_range_ends_with_its_last_key():
    query = range_query(reading(*AB, where="b > 1"), ("x", "1"), ("y", "2"), 9).as_string()
    bounds = '("a", "b") > (\'x\'::character varying(9), \'1\'::integer) AND ("a", "b") <= (\'y\'::c'
    assert f" WHERE {bounds}" in query
    assert query.endswith("""'2'::integer) AND (b > 1) ORDER BY "a", "b" LIMIT 9) TO STDOUT""")


def test_N4_a_bound_is_a_key_of_the_rows_that_are_read():
    query = bound_query(reading(*AB, where="b > 1"), None, 10).as_string()
    assert query == 'SELECT "a", "b" FROM ONLY "s"."t" WHERE (b > 1) ORDER BY "a", "b" OFFSET 9 LIMIT 1'


def test_rows_are_read_by_key():
    query = keys_query(reading(*AB), [("x", "1"), ("y", "2")]).as_string()
    assert "WHERE (\"a\", \"b\") IN (('x'::character varying(9), '1'::integer), ('y'::c" in query


def test_rows_that_the_stream_has_are_read_again_whatever_the_file_leaves_out():
    query = keys_query(reading(*AB, where="a > 'x'", row_filter="b > 1"), [("x", "1")]).as_string()
    assert query.endswith("'1'::integer)) AND (b > 1)) TO STDOUT")


def test_the_condition_of_the_file_is_kept_apart_from_ours():
    query = chunk_query(reading(*AB, where="a > 'x' OR true"), ("x", "1"), 5).as_string()
    assert query.endswith("""AND (a > 'x' OR true) ORDER BY "a", "b" LIMIT 5) TO STDOUT""")


def test_a_partitioned_table_is_read_with_its_partitions():
    assert 'FROM "s"."t")' in whole_query(reading(*AB, kind="p")).as_string()


@pytest.mark.parametrize("name", [EVIL, 'a"b', "back\\slash", "Ünï", "sp ace"])
def test_F168_names_are_quoted_by_doubling(name):
    query = whole_query(reading(column(name), unique=((name,),), name=name)).as_string()
    doubled = '"' + name.replace('"', '""') + '"'
    assert query == f'COPY (SELECT {doubled} FROM ONLY "s".{doubled}) TO STDOUT'


def test_F168_key_texts_are_literals():
    query = chunk_query(reading(*AB), ("'); DROP TABLE y;--", "back\\slash"), 1).as_string()
    assert "'''); DROP TABLE y;--'::character varying(9)" in query
    assert "E'back\\\\slash'::integer" in query


@pytest.mark.parametrize(
    ("published", "version", "expected"),
    [
        (None, 150000, ["a", "b"]),
        (None, 180000, ["a", "b", "g"]),
        ({"a", "g", "v"}, 150000, ["a"]),
        ({"a", "g"}, 180000, ["a", "g"]),
    ],
)
def test_F41_generated_columns_are_read_where_the_stream_carries_them(published, version, expected):
    described = table(*AB, column("g", generated="s"), column("v", generated="v"))
    assert [c.name for c in sent_columns(described, published, version)] == expected


def test_chunks_go_by_the_first_unique_key_that_is_published():
    described = table(*AB, column("c"), unique=(("a", "b"), ("c",)))
    assert chunk_order(described, described.columns) == ("a", "b")
    assert chunk_order(described, [column("c")]) == ("c",)
    assert chunk_order(described, [column("b")]) == ()
