"""The SQL sink by its contract, on SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from connect.api import TopicPartition
from connect.errors import Failed, Fenced, Retriable
from connect.record import UNAVAILABLE, Op
from connect.schema.model import Field, Kind, Type
from connect.transforms.projection import Names
from connectors.sql import PLUGIN, SqlConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sql.conftest import World


def failed(world: World, *records: object) -> Failed:
    with pytest.raises(Failed) as caught:
        world.write(world.open(), *records)  # type: ignore[arg-type]
    return caught.value


def test_K1_rows_and_offsets_are_there_together(world: World) -> None:
    world.write(world.open(), world.put(1, "a"), world.put(2, "b"))
    assert world.rows() == [(1, "a"), (2, "b")]
    assert world.position() == 2


def test_an_empty_batch_is_progress(world: World) -> None:
    sink = world.open()
    sink.write([], {world.partition: 17}, frozenset())
    assert world.position() == 17


def test_open_says_where_to_go_on(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    other = TopicPartition(world.topic, "id-1", 1)
    world.open(world.partition, other)
    assert world.opened == {world.partition: 1, other: 0}


def test_K2_an_older_owner_is_fenced(world: World) -> None:
    old = world.open()
    world.open()
    with pytest.raises(Fenced):
        world.write(old, world.put(1, "a"))


def test_K2_a_position_that_somebody_moved_is_not_overwritten(world: World) -> None:
    sink = world.open()
    world.write(sink, world.put(1, "a"))
    world.sql.execute("UPDATE connect_positions SET next_offset = 0")
    with pytest.raises(Failed) as caught:
        world.write(sink, world.put(2, "b"))
    assert caught.value.code == "position_changed"
    assert world.rows() == [(1, "a")]


def test_F98_another_topic_of_the_same_name_is_refused(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    with pytest.raises(Failed) as caught:
        world.open(TopicPartition(world.topic, "id-2", 0))
    assert caught.value.code == "topic_id_changed"


def test_invariant_4_a_missing_target_is_refused(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.sql.execute("DROP TABLE orders")
    assert failed(world).code == "target_missing"


def test_invariant_4_a_target_of_the_same_name_is_refused(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.sql.execute("DROP TABLE orders")
    world.sql.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
    assert failed(world).code == "target_changed"


def test_invariant_4_a_target_swapped_while_the_sink_runs_gets_nothing_and_loses_nothing(world: World) -> None:
    sink = world.open()
    world.write(sink, world.put(1, "a"))
    world.sql.execute("CREATE TABLE copy (id INTEGER PRIMARY KEY, name TEXT)")
    world.sql.execute("INSERT INTO copy VALUES (1, 'theirs')")
    world.sql.execute("ALTER TABLE orders RENAME TO old")
    world.sql.execute("ALTER TABLE copy RENAME TO orders")
    for record in (world.put(2, "b"), world.put(1, "a", op=Op.DELETE)):
        with pytest.raises(Failed) as caught:
            world.write(sink, record)
        assert caught.value.code == "target_changed"
    assert world.rows() == [(1, "theirs")]
    assert world.position() == 1


def test_invariant_4_a_table_whose_bookkeeping_is_gone_is_refused(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.sql.execute("DELETE FROM connect_targets")
    assert failed(world, world.put(2, "b")).code == "target_changed"


def test_a_table_that_somebody_else_made_is_filled(world: World) -> None:
    world.sql.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, name VARCHAR(40), more TEXT)")
    world.write(world.open(), world.put(1, "a"))
    assert world.rows() == [(1, "a", None)]


def test_F136_a_column_of_another_type_is_named(world: World) -> None:
    world.sql.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, name BLOB)")
    error = failed(world, world.put(1, "a"))
    assert error.code == "target_column"
    assert "orders.name does not fit: it is BLOB and the topic holds TEXT" in str(error)


def test_F136_a_required_column_that_the_topic_lacks_is_named(world: World) -> None:
    world.sql.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, name TEXT, more TEXT NOT NULL)")
    assert "orders.more" in str(failed(world, world.put(1, "a")))


def test_F136_a_dropped_column_is_not_made_again(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.sql.execute("ALTER TABLE orders DROP COLUMN name")
    assert "orders.name does not fit: it was dropped" in str(failed(world, world.put(2, "b")))


def test_columns_whose_names_differ_by_case_only_are_named_with_the_transform_that_helps(world: World) -> None:
    world.columns.append(Field("Name", Type(Kind.STRING)))
    error = failed(world, world.put(1, "a", "b"))
    assert error.code == "target_column"
    assert "columns name and Name of topic shop.public.orders are one name to the target" in str(error)
    [(_, mended)] = yaml.safe_load(error.hint.partition("transforms:")[2])[0].items()
    assert mended == {"topics": ["shop.public.orders"], "fields": {"Name": "NEW_NAME"}}
    assert Names.model_validate({"fields": mended["fields"]})


def test_a_column_that_comes_later_and_differs_by_case_only_is_named(world: World) -> None:
    sink = world.open()
    world.write(sink, world.put(1, "a"))
    world.columns.append(Field("NAME", Type(Kind.STRING)))
    with pytest.raises(Failed) as caught:
        world.write(sink, world.put(2, "b", "c"))
    assert caught.value.code == "target_column"
    assert world.rows() == [(1, "a")]


def test_letters_beyond_ascii_have_no_case_in_sqlite(world: World) -> None:
    world.columns += [Field("ä", Type(Kind.STRING)), Field("Ä", Type(Kind.STRING))]
    world.write(world.open(), world.put(1, "a", "b", "c"))
    assert world.rows() == [(1, "a", "b", "c")]


def test_F109_a_table_without_the_key_is_refused(world: World) -> None:
    world.sql.execute("CREATE TABLE orders (id BIGINT, name TEXT)")
    assert failed(world, world.put(1, "a")).code == "key_changed"


def test_two_topics_do_not_share_a_table(world: World) -> None:
    world.template = "one"
    sink = world.open(world.partition, TopicPartition("shop.public.other", "id-2", 0))
    first = world.put(1, "a")
    world.topic = "shop.public.other"
    with pytest.raises(Failed) as caught:
        sink.write([first, world.put(1, "a")], {}, frozenset())
    assert caught.value.code == "target_shared"


def test_another_table_option_is_refused_with_what_to_do(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.template = "new_{table}"
    error = failed(world)
    assert error.code == "target_changed"
    assert "are in table orders, and table: names new_orders now" in str(error)
    assert "connect rebuild warehouse FILE" in error.hint
    assert world.position() == 1


def test_after_a_rebuild_another_table_option_is_taken(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.template = "new_{table}"
    assert "Dropped table orders of topic shop.public.orders." in PLUGIN.rebuild(world.config, world.context)
    sink = world.open()
    assert world.opened == {world.partition: 0}
    world.write(sink, world.put(1, "a"))
    assert world.rows("new_orders") == [(1, "a")]


def test_another_template_of_the_same_name_is_no_change(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.template = "orders"
    world.write(world.open(), world.put(2, "b"))
    assert world.rows() == [(1, "a"), (2, "b")]


def test_a_target_of_a_topic_that_is_not_read_any_more_is_not_looked_at(world: World) -> None:
    world.write(world.open(), world.put(1, "a"))
    world.sql.execute("DROP TABLE orders")
    world.open(TopicPartition("shop.public.other", "id-2", 0))


def test_a_topic_does_not_fill_the_bookkeeping(world: World) -> None:
    world.template = "connect_sinks"
    assert failed(world, world.put(1, "a")).code == "target_shared"


def test_a_file_that_is_no_database_is_failed(world: World, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_text("this is no database, and long enough to be looked at" * 20)
    with pytest.raises(Failed) as caught:
        PLUGIN.build(SqlConfig(url=f"sqlite:///{path}"), world.context).open([world.partition])
    assert caught.value.code == "target_refused"


def test_a_folder_that_is_not_there_is_retriable(world: World, tmp_path: Path) -> None:
    config = SqlConfig(url=f"sqlite:///{tmp_path}/missing/target.db")
    with pytest.raises(Retriable) as caught:
        PLUGIN.build(config, world.context).open([world.partition])
    assert caught.value.code == "target_unreachable"


def test_F132_refused_rows_are_named_and_nothing_is_stored(world: World) -> None:
    batch = [world.put(1, "a"), world.put(2**70, "b"), world.put(3, "c"), world.put(2**71, "d")]
    result = world.write(world.open(), *batch)
    assert [failure.index for failure in result.failures] == [1, 3]
    assert world.rows() == []
    assert world.position() == 0


def test_F132_skipped_rows_leave_the_rest_written(world: World) -> None:
    batch = [world.put(1, "a"), world.put(2**70, "b"), world.put(3, "c")]
    result = world.write(world.open(), *batch, skip=frozenset({1}))
    assert not result.failures
    assert world.rows() == [(1, "a"), (3, "c")]
    assert world.position() == 3


def test_a_refused_row_uncovers_the_older_one_of_its_key(world: World) -> None:
    world.columns.append(Field("size", Type(Kind.INT64)))
    batch = [world.put(1, "a", 1), world.put(1, "b", 2**70)]
    sink = world.open()
    assert [failure.index for failure in world.write(sink, *batch).failures] == [1]
    world.write(sink, *batch, skip=frozenset({1}))
    assert world.rows() == [(1, "a", 1)]


def test_a_null_in_the_key_is_refused_as_a_record(world: World) -> None:
    [failure] = world.write(world.open(), world.put(None, "a")).failures
    assert failure.error == "column id of the key is NULL"


def test_records_without_a_key_do_not_enter_a_keyed_table(world: World) -> None:
    result = world.write(world.open(), world.put(1, "a"), world.put(2, "b", key=False))
    assert [failure.index for failure in result.failures] == [1]


def test_a_first_load_goes_straight_into_the_table_and_meets_keys_again(world: World) -> None:
    sink = world.open()
    world.write(sink, *(world.put(i, "a") for i in range(600)))
    world.write(sink, *(world.put(i, "b") for i in range(300, 900)))
    assert world.rows() == [(i, "a" if i < 300 else "b") for i in range(900)]


def test_F137_names_of_any_characters_are_kept(world: World) -> None:
    world.template = 'se"le;ct--% $1 ?1 ü'
    world.columns[1] = Field("order", Type(Kind.STRING))
    world.columns.append(Field('a"b?', Type(Kind.STRING)))
    world.write(world.open(), world.put(1, "x", "y"))
    assert world.rows('"se""le;ct--% $1 ?1 ü"', '"order", "a""b?"') == [("x", "y")]


def test_a_delete_removes_what_an_earlier_run_wrote(world: World) -> None:
    world.write(world.open(), world.put(1, "a"), world.put(2, "b"))
    world.write(world.open(), world.put(1, "a", op=Op.DELETE))
    assert world.rows() == [(2, "b")]


def test_rebuild_drops_what_the_sink_made_and_nothing_else(world: World) -> None:
    world.sql.execute("CREATE TABLE mine (id BIGINT PRIMARY KEY)")
    sink = world.open()
    world.write(sink, world.put(1, "a"))
    done = list(PLUGIN.rebuild(world.config, world.context))
    assert done[0] == "Dropped table orders of topic shop.public.orders."
    assert world.rows("sqlite_schema", "name").count(("mine",)) == 1
    with pytest.raises(Fenced):
        world.write(sink, world.put(2, "b"))
    world.open()
    assert world.opened == {world.partition: 0}


def test_rebuild_leaves_a_table_that_somebody_else_made(world: World) -> None:
    world.sql.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, name TEXT)")
    world.write(world.open(), world.put(1, "a"))
    assert "stays as it is" in next(iter(PLUGIN.rebuild(world.config, world.context)))
    assert world.rows() == [(1, "a")]


def test_close_may_be_called_again(world: World) -> None:
    sink = world.open()
    sink.close()
    sink.close()


def test_many_rows_that_wait_for_columns_are_counted_and_forgotten(world: World) -> None:
    world.columns[0] = Field("id", Type(Kind.STRING), optional=False)
    keys = [f"{'x' * (number % 2 * 300)}{number}" for number in range(1000)]
    sink = world.open()
    assert world.write(sink, *(world.put(key, UNAVAILABLE) for key in keys)).incomplete == 1000
    assert world.write(sink, *(world.put(key, UNAVAILABLE) for key in keys)).incomplete == 1000
    assert world.write(sink, *(world.put(key, "a") for key in keys[:-1])).incomplete == 1
    assert world.write(sink, world.put(keys[-1], op=Op.DELETE)).incomplete == 0
