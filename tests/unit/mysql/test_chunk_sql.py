import pytest

from connect.errors import Failed
from connect.schema.model import TableId
from connectors.mysql.chunk_sql import Reading, chunk_order, chunk_query, keys_query, last_key, whole_query
from connectors.mysql.columns import Column, TableDefinition

EVIL = "x`; DROP TABLE y;--"
A = Column("a", "varchar", charset="latin1", nullable=False)
B = Column("b", "int", unsigned=True, nullable=False)


def table(*columns, key=None, unique=None, name="t"):
    key = tuple(column.name for column in columns) if key is None else key
    return TableDefinition(TableId("s", name), columns, key, (key,) if unique is None else unique, "utf8mb4", "InnoDB")


def reading(*columns, condition=None, mariadb=False, max_ms=0, **kwargs):
    described = table(*columns, **kwargs)
    return Reading(described, chunk_order(described), condition, mariadb, max_ms)


def test_N4_the_first_chunk_is_in_the_order_of_the_key():
    expected = "SELECT `a`, `b` FROM `s`.`t` FORCE INDEX (PRIMARY) ORDER BY `a`, `b` LIMIT 10"
    assert chunk_query(reading(A, B), None, 10) == expected


def test_N4_keys_are_compared_column_by_column_so_that_an_index_answers():
    query = chunk_query(reading(A, B), ("e9", "7"), 10)
    assert " WHERE ((`a` > _latin1 x'e9') OR (`a` = _latin1 x'e9' AND `b` > 7)) ORDER BY" in query


@pytest.mark.parametrize(
    ("column", "part", "greater"),
    [
        (Column("k", "bigint", unsigned=True), "18446744073709551615", "`k` > 18446744073709551615"),
        (Column("k", "decimal", length=10, scale=2), "-1.50", "`k` > -1.50"),
        (Column("k", "double"), "0.1", "`k` > 0.1e0"),
        (Column("k", "float"), "1.5e-7", "`k` > 1.5e-7"),
        (Column("k", "binary"), "00ff", "`k` > x'00ff'"),
        (Column("k", "blob"), "", "`k` > x''"),
        (Column("k", "char", charset="utf8mb4"), "c3a9", "`k` > _utf8mb4 x'c3a9'"),
        (Column("k", "date"), "0000-00-00", "`k` > '0000-00-00'"),
        (Column("k", "time"), "-838:59:59.5", "`k` > '-838:59:59.5'"),
        (Column("k", "bit", length=9), "257", "`k` > 257"),
        (Column("k", "set", members=("a", "b"), charset="latin1"), "3", "`k` > 3"),
        (
            Column("k", "enum", members=("z", "b", "a"), charset="latin1"),
            "1",
            "`k` IN (_utf8mb4 x'62', _utf8mb4 x'61')",
        ),
        (Column("k", "enum", members=("z", "b", "a"), charset="latin1"), "3", "FALSE"),
        (Column("k", "uuid"), "ab-cd", "`k` > _utf8mb4 x'61622d6364'"),
    ],
)
def test_N4_a_key_is_given_back_in_a_form_that_orders_as_its_column_does(column, part, greater):
    assert f"WHERE (({greater}))" in chunk_query(reading(column), (part,), 1)


def test_an_enum_before_another_column_is_equal_by_its_label():
    enum = Column("e", "enum", members=("z", "b"), charset="latin1")
    query = chunk_query(reading(enum, B), ("1", "5"), 1)
    assert "(`e` IN (_utf8mb4 x'62')) OR (`e` = _utf8mb4 x'7a' AND `b` > 5)" in query


@pytest.mark.parametrize(
    ("column", "part"),
    [(B, "1 OR 1=1"), (A, "e9' OR '"), (A, "e"), (Column("k", "datetime"), "now()"), (Column("k", "json"), "{}")],
)
def test_F168_a_stored_key_that_is_none_is_refused(column, part):
    with pytest.raises(Failed) as failed:
        chunk_query(reading(column), (part,), 1)
    assert failed.value.code == "key_note"


def test_the_last_key_is_text_for_json_whatever_the_character_set():
    assert last_key(table(A, B), ("a", "b"), [b"\xe9", b"7"]) == ("e9", "7")


@pytest.mark.parametrize(
    ("column", "cell", "part"),
    [
        (Column("k", "enum", members=("z", "é"), charset="latin1"), b"\xe9", "2"),
        (Column("k", "enum", members=("z", "é"), charset="latin1"), b"", "0"),
        (Column("k", "set", members=("a", "b", "c"), charset="latin1"), b"a,c", "5"),
        (Column("k", "set", members=("a", "b", "c"), charset="latin1"), b"", "0"),
        (Column("k", "bit", length=9), b"\x01\x01", "257"),
    ],
)
def test_F76_what_orders_by_number_is_kept_as_its_number(column, cell, part):
    assert last_key(table(column), ("k",), [cell]) == (part,)


def test_a_key_over_prefixes_orders_without_its_index():
    described = reading(A, B, key=("a",), unique=())
    assert described.order == ("a",)
    assert "FORCE INDEX" not in chunk_query(described, None, 1)


def test_a_table_without_a_key_has_no_order():
    assert chunk_order(table(A, B, key=(), unique=())) == ()


def test_a_unique_key_that_cannot_be_given_back_is_not_taken():
    shape = Column("g", "point")
    assert chunk_order(table(shape, B, key=("g",), unique=(("g",), ("b",)))) == ("b",)


def test_rows_are_read_by_key():
    query = keys_query(reading(A, B), ("a", "b"), [("_latin1 x'41'", "1"), ("_latin1 x'42'", "2")])
    assert query == "SELECT `a`, `b` FROM `s`.`t` WHERE ((`a`, `b`) IN ((_latin1 x'41', 1), (_latin1 x'42', 2)))"


def test_the_condition_of_the_file_is_kept_apart_from_ours():
    query = chunk_query(reading(B, condition="b > 1 OR true"), ("1",), 5)
    assert "WHERE ((`b` > 1)) AND (b > 1 OR true) ORDER BY" in query


def test_each_server_has_its_own_words_for_a_time_limit():
    assert whole_query(reading(B, max_ms=1500)).startswith("SELECT /*+ MAX_EXECUTION_TIME(1500) */ `b` FROM")
    limited = whole_query(reading(B, max_ms=1500, mariadb=True))
    assert limited.startswith("SET STATEMENT max_statement_time = 1.500 FOR SELECT `b` FROM")


@pytest.mark.parametrize("name", [EVIL, "a`b", "back\\slash", "Ünï", "sp ace"])
def test_F168_names_are_quoted_by_doubling(name):
    doubled = "`" + name.replace("`", "``") + "`"
    assert whole_query(reading(Column(name, "int"), name=name)) == f"SELECT {doubled} FROM `s`.{doubled}"
