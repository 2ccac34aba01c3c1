"""The sink loop and the SQL sink on a real Kafka and a real Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connect.errors import Failed, Fenced
from connect.record import UNAVAILABLE
from connect.schema.model import Field, Kind, Type

if TYPE_CHECKING:
    from connect.runtime.report import TaskReport
    from tests.integration.sink_sql.conftest import World


def test_rows_are_upserted_and_deleted_by_key(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"), (2, "b", "y"), (1, "a2", None))
    world.put((2, "b", "y"), op="d")
    world.run()
    assert world.rows() == [(1, "a2", None)]


def test_a_tombstone_deletes(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"), (2, "b", "y"))
    key, _ = world.record("u", 1, "a", "x")
    world.send((key, None))
    world.run()
    assert world.rows() == [(2, "b", "y")]


def test_F133_a_tombstone_without_a_row_changes_nothing(world: World) -> None:
    world.make_topic()
    key, _ = world.record("u", 1, "a", "x")
    world.send((key, None))
    world.run()
    assert world.position() == 1


def test_a_truncate_empties_the_target(world: World) -> None:
    world.make_topic(cleanup_policy="delete")  # Kafka takes no null key into a compacted topic
    world.put((1, "a", "x"))
    world.run()
    world.send(world.record("t"))
    world.put((2, "b", "y"))
    world.run()
    assert world.rows() == [(2, "b", "y")]


def test_K1_a_restart_goes_on_from_the_position_in_the_table(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.run()
    world.put((2, "b", "y"))
    last = world.run()
    assert world.rows() == [(1, "a", "x"), (2, "b", "y")]
    assert last.records == 1


def test_F96_aborted_transactions_are_invisible(world: World) -> None:
    world.make_topic()
    world.transaction((1, "a", "x"), commit=True)
    world.transaction((1, "never", "x"), (2, "never", "y"), commit=False)
    last = world.run()
    assert world.rows() == [(1, "a", "x")]
    assert last.complete


def test_records_without_a_key_are_appended_once_each(world: World) -> None:
    world.make_topic(cleanup_policy="delete")
    world.key = ()
    world.put((1, "a", "x"), (1, "a", "x"), op="c")
    world.run()
    world.put((3, "c", "z"), op="c")
    world.run()
    assert world.rows(columns="__connect_offset, __connect_op, id") == [(0, "c", 1), (1, "c", 1), (2, "c", 3)]


def test_an_added_column_gets_the_schema_default_in_rows_that_are_there(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"), (2, "b", "y"))
    world.columns = (*world.columns, Field("size", Type(Kind.INT32), optional=False, default=7))
    world.put((2, "b", "y", 9))
    world.run()
    assert world.rows(columns="id, size") == [(1, 7), (2, 9)]


def test_F131_an_owner_that_was_replaced_stops_and_writes_nothing(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    replaced: list[bool] = []

    def replace(report: TaskReport) -> bool:
        if report.records == 1 and not replaced:
            replaced.append(True)
            world.run()
            world.put((2, "b", "y"))
        return False

    with pytest.raises(Fenced):
        world.run(replace)
    assert world.rows() == [(1, "a", "x")]


def test_a_poisoned_record_stops_the_sink_at_its_own_position(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"), (2, "nul \0 byte", "y"), (3, "c", "z"))
    with pytest.raises(Failed, match=r"orders\[0\]@1 cannot be written") as caught:
        world.run()
    assert caught.value.code == "poisoned_record"
    assert "nul" not in str(caught.value)
    assert world.rows() == [(1, "a", "x")]
    assert world.position() == 1


def test_K5_a_poisoned_record_becomes_a_dead_letter_and_the_rest_is_written(world: World) -> None:
    world.make_topic()
    world.on_error = "dead_letter"
    world.put((1, "a", "x"), (2, "nul \0 byte", "y"), (3, "c", "z"))
    world.send((b"no json", b"no json"))
    world.run()
    assert world.rows() == [(1, "a", "x"), (3, "c", "z")]
    letters = world.read(f"{world.name}.warehouse.dead")
    assert [letter.key().decode() for letter in letters] == [f"{world.topic}/0/3", f"{world.topic}/0/1"]
    assert letters[0].value() == b"no json"
    headers = dict(letters[1].headers())
    assert headers["__connect.errors.offset"] == b"1"
    assert headers["__connect.errors.key"] == world.record("u", 2, "", "")[0]


def test_F138_an_unavailable_column_stays_and_an_absent_row_is_not_complete(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.put((1, "a2", UNAVAILABLE), (2, "b", UNAVAILABLE))
    last = world.run(lambda report: report.records == 3)
    assert world.rows() == [(1, "a2", "x"), (2, "b", None)]
    assert not last.complete
    assert "1 rows wait for columns" in last.message
    world.put((2, "b", "whole"))
    assert world.run().complete


def test_group_offsets_are_a_hint_that_follows(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.run()
    assert world.group_offset() == 1


def test_a_topic_that_appears_later_is_taken_up(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    late = f"{world.name}.public.late"

    def stop(_: TaskReport) -> bool:
        if world.reports and world.reports[-1].complete and late not in world.reports[-1].tables:
            if late not in world.admin.list_topics(timeout=10).topics:
                world.make_topic(late)
                world.put((5, "l", None), topic=late)
            return False
        return bool(world.reports) and world.reports[-1].records == 2

    world.run(stop)
    assert world.rows("late") == [(5, "l", None)]
    assert world.rows() == [(1, "a", "x")]


def test_a_first_start_on_a_time_kept_topic_that_lost_its_beginning_fails(world: World) -> None:
    from confluent_kafka import TopicPartition

    world.make_topic(cleanup_policy="delete")
    world.put((1, "a", "x"), (2, "b", "y"))
    for future in world.admin.delete_records([TopicPartition(world.topic, 0, 1)]).values():
        future.result()
    with pytest.raises(Failed) as caught:
        world.run()
    assert caught.value.code == "incomplete_topic"


def test_F98_a_topic_that_was_made_again_is_refused(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.run()
    world.drop_topic()
    world.make_topic()
    world.put((1, "b", "x"))
    with pytest.raises(Failed) as caught:
        world.run()
    assert caught.value.code == "topic_id_changed"
    assert world.rows() == [(1, "a", "x")]


def test_invariant_4_a_target_that_was_made_again_is_refused(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.run()
    world.sql.execute("CREATE TABLE other AS SELECT * FROM orders")
    world.sql.execute("DROP TABLE orders")
    with pytest.raises(Failed) as missing:
        world.run()
    world.sql.execute("ALTER TABLE other RENAME TO orders")
    with pytest.raises(Failed) as changed:
        world.run()
    assert (missing.value.code, changed.value.code) == ("target_missing", "target_changed")
