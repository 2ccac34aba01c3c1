"""A first file: what it says of each table, and that it loads as it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connect.api.tables import TableInfo
from connect.config.load import load_config
from connect.config.sketch import Where, looks_personal, sinks_file, source_file, without_password
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

if TYPE_CHECKING:
    from pathlib import Path

WHERE = Where("shop-cdc", "postgres", "postgresql://cdc@127.0.0.1:5432/shop")


def table(
    name: str, *columns: str, key: tuple[str, ...] = ("id",), notes: tuple[str, ...] = (), rows: int = 1_200
) -> TableInfo:
    fields = tuple(Field(column, Type(Kind.STRING)) for column in columns)
    schema = TableSchema(TableId("public", name), fields, key)
    return TableInfo(schema=schema, identity=key, rows=rows, bytes=8_200, notes=notes)


def loaded(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "first.yaml"
    file.write_text(text)
    return load_config([file])


NAMES = ["orders", "42", "no", "Größe", 'a"b', "with space", "a:b", "x*", "a\nb", "a\u2028b\x85c", "\x1b[1m"]


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_whatever_the_tables_are_called(tmp_path: Path, name: str) -> None:
    config = loaded(tmp_path, source_file(WHERE, [table(name, "id")]))
    assert list(config.sources) == ["shop"]


@pytest.mark.parametrize("name", ["a\nb: c", "a\rb", "a\u2028b\x85c", "\x1b[1m"])
def test_a_line_break_in_a_name_ends_no_comment(tmp_path: Path, name: str) -> None:
    text = source_file(WHERE, [table("orders", name, f"email{name}", key=(name,), notes=(f"About {name}.",))])

    assert list(loaded(tmp_path, text).sources) == ["shop"]
    assert name not in text


def test_tables_that_the_role_may_not_read_are_comments(tmp_path: Path) -> None:
    closed = replace(table("hidden", "id"), readable=False)
    text = source_file(WHERE, [closed, table("orders", "id")])

    [selection] = loaded(tmp_path, text).sources["shop"].tables
    assert selection.pattern.text == "public.orders"
    assert "# public.hidden: {}" in text
    assert "may not read it" in text


def test_where_the_role_may_read_none_yet_all_are_in_the_file(tmp_path: Path) -> None:
    text = source_file(WHERE, [replace(table("orders", "id"), readable=False)])

    assert len(loaded(tmp_path, text).sources["shop"].tables) == 1


def test_rows_that_nobody_has_counted_are_not_said_to_be_none() -> None:
    text = source_file(WHERE, [replace(table("orders", "id"), rows=-1)])

    assert "rows not counted" in text
    assert " 0 rows" not in text


def test_each_table_has_its_rows_size_and_key() -> None:
    text = source_file(WHERE, [table("orders", "id", "total"), table("log", "what", key=())])
    assert "public.orders: {}  # 1,200 rows, 8.2 kB, key id" in text
    assert "public.log: {}  # 1,200 rows, 8.2 kB, no key" in text


def test_topics_of_one_tables_name_are_not_all_taken_up() -> None:
    text = sinks_file(WHERE, ["a.public.orders", "b.public.orders", "b.public.items"])
    assert "      - a.public.orders\n" in text
    assert "      # - b.public.orders  # meets a.public.orders in one table" in text
    assert "      - b.public.items\n" in text


def test_personal_columns_are_a_mask_to_take_up() -> None:
    text = source_file(WHERE, [table("customers", "id", "email", "First_Name", "city")])
    assert "# " in text.split("These look personal")[0].rsplit("\n", 1)[1]
    assert "public.customers: {mask: {email: hash, First_Name: hash}}" in text


@pytest.mark.parametrize(
    ("tables", "topics"),
    [
        ([table("orders", "id")], 'topics: ["shop.*.*"]'),
        ([table("orders", "id"), table("log", "what", key=())], 'topics: ["shop.*.*", "shop.*.*.events"]'),
        ([table("log", "what", key=())], 'topics: ["shop.*.*.events"]'),
    ],
)
def test_the_sinks_that_it_suggests_read_every_table(tables: list[TableInfo], topics: str) -> None:
    assert source_file(WHERE, tables).count(topics) == 2


@pytest.mark.parametrize("column", ["id", "total", "description", "shipped_at"])
def test_other_columns_are_let_be(column: str) -> None:
    assert not looks_personal(column)


def test_what_the_plugin_says_of_a_table_stands_below_it() -> None:
    assert "      #   It has TOAST." in source_file(WHERE, [table("docs", "id", notes=("It has TOAST.",))])


@pytest.mark.parametrize(
    ("url", "shown", "hidden"),
    [
        ("postgresql://u:p%40ss@h:1/d", "postgresql://u:${env:X}@h:1/d", True),
        ("postgresql://u@h:1/d", "postgresql://u@h:1/d", False),
        ("postgresql://u:${env:Y}@h/d", "postgresql://u:${env:Y}@h/d", False),
        ("postgresql://u@h/d?password=p&a=b", "postgresql://u@h/d?password=${env:X}&a=b", True),
        ("postgresql://u@h/d?a=b&password=${env:Y}", "postgresql://u@h/d?a=b&password=${env:Y}", False),
    ],
)
def test_no_password_is_written_in_clear(url: str, shown: str, hidden: bool) -> None:  # noqa: FBT001 - a parameter
    assert without_password(url, "X") == (shown, hidden)


def test_the_file_of_a_cluster_loads_too(tmp_path: Path) -> None:
    where = Where("service", "", "", "127.0.0.1:9092", "http://127.0.0.1:8081")
    config = loaded(tmp_path, sinks_file(where, ["shop.public.orders", "shop.public.customers"]))
    assert list(config.sinks) == ["warehouse"]
