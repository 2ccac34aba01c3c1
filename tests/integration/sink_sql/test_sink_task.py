"""The sink loop's own rules on a real Kafka: ends, partitions, formats, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from connect.api import SinkContext
from connect.errors import Failed
from connect.runtime.bookkeeping import is_bookkeeping
from connect.runtime.report import State
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from connect.runtime.report import TaskReport
    from tests.integration.sink_sql.conftest import World


def test_T2_not_complete_before_the_end_behind_somebody_elses_open_transaction(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    producer = Producer({**world.kafka, "transactional.id": world.name})
    producer.init_transactions(20)
    producer.begin_transaction()
    key, value = world.record("u", 2, "b", "y")
    producer.produce(world.topic, value, key, 0)
    producer.flush(20)
    world.put((3, "c", "z"))
    states: list[tuple[State, int]] = []

    def commit_when_all_that_can_be_read_is_written(report: TaskReport) -> bool:
        states.append((report.state, report.records))
        if len(states) > 5 and report.records == 1 and report.state is State.BOOTSTRAPPING and not committed:
            committed.append(True)
            producer.commit_transaction(20)
        return report.complete

    committed: list[bool] = []
    world.run(commit_when_all_that_can_be_read_is_written)
    assert committed
    assert (State.LIVE, 1) not in states
    assert [row[0] for row in world.rows()] == [1, 2, 3]


def test_F84_a_sink_that_waits_for_an_open_transaction_says_so(world: World) -> None:
    world.make_topic()
    producer = Producer({**world.kafka, "transactional.id": world.name})
    producer.init_transactions(20)
    producer.begin_transaction()
    key, value = world.record("u", 2, "b", "y")
    producer.produce(world.topic, value, key, 0)
    producer.flush(20)
    last = world.run(lambda report: "transaction is open" in report.message)
    producer.abort_transaction(20)
    assert last.message == "1 records cannot be read yet: some producer's transaction is open in their topics"
    assert not last.complete


def test_F89_partitions_added_while_the_sink_runs_stop_it(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))

    def grow(report: TaskReport) -> bool:
        if report.complete and not grown:
            grown.append(True)
            for future in world.admin.create_partitions([NewPartitions(world.topic, 2)]).values():
                future.result()
        return False

    grown: list[bool] = []
    with pytest.raises(Failed) as caught:
        world.run(grow)
    assert caught.value.code == "partition_count"


def test_F98_a_topic_deleted_while_the_sink_runs_stops_it(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))

    def drop(report: TaskReport) -> bool:
        if report.complete and not dropped:
            dropped.append(True)
            world.drop_topic()
        return False

    dropped: list[bool] = []
    with pytest.raises(Failed) as caught:
        world.run(drop)
    assert caught.value.code == "topic_id_changed"
    assert world.rows() == [(1, "a", "x")]


@pytest.fixture
def read_two_lost_one(world: World) -> str:
    """A sink has read two topics, and one was deleted while it was stopped; its name."""
    world.make_topic()
    gone = f"{world.name}.public.gone"
    world.make_topic(gone)
    world.put((1, "a", "x"))
    world.put((2, "b", "y"), topic=gone)
    world.run(lambda report: report.records == 2)
    world.drop_topic(gone)
    return gone


def test_F98_a_topic_deleted_while_the_sink_was_stopped_stops_it_by_name(world: World, read_two_lost_one: str) -> None:
    with pytest.raises(Failed) as caught:
        world.run()
    assert caught.value.code == "topic_missing"
    assert f"topic {read_two_lost_one}, which the sink has read, is not there" in str(caught.value)
    assert "connect rebuild warehouse FILE" in caught.value.hint
    assert world.rows("gone") == [(2, "b", "y")]


def test_F98_a_sink_all_of_whose_topics_were_deleted_does_not_wait_for_new_ones(
    world: World, read_two_lost_one: str
) -> None:
    world.drop_topic()
    with pytest.raises(Failed) as caught:
        world.run()
    assert caught.value.code == "topic_missing"
    assert f"topic {read_two_lost_one} and 1 more" in str(caught.value)


def test_F98_a_topic_that_was_deleted_on_purpose_is_left_out_by_exclude(world: World, read_two_lost_one: str) -> None:
    world.wanted = lambda topic: topic == world.topic
    assert world.run().complete
    assert world.rows("gone") == [(2, "b", "y")]


def test_F98_a_deleted_topic_is_accepted_by_rebuild(world: World, read_two_lost_one: str) -> None:
    del read_two_lost_one
    context = SinkContext("warehouse", world.name, lambda _: SqlTarget())
    list(PLUGIN.rebuild(SqlConfig(url=world.postgres, schema=world.name), context))
    assert world.run().complete
    assert world.rows() == [(1, "a", "x")]


def test_a_deleted_topic_of_which_nothing_was_read_is_not_missed(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    empty = f"{world.name}.public.empty"
    world.make_topic(empty)
    world.run()
    world.drop_topic(empty)
    assert world.run().complete


def test_T1_a_compacted_topic_is_refused_after_too_long_away(world: World) -> None:
    world.make_topic(delete_retention_ms="1000")
    world.put((1, "a", "x"))
    world.run()
    world.put((2, "b", "y"))
    world.sql.execute("SELECT pg_sleep(1.2)")
    with pytest.raises(Failed) as caught:
        world.run()
    assert caught.value.code == "tombstones_may_be_gone"
    assert world.rows() == [(1, "a", "x")]


def test_a_sink_without_topics_says_so_and_is_not_complete(world: World) -> None:
    last = world.run(lambda report: report.message != "")
    assert last.message.startswith("no topic matches yet")
    assert "needs Describe and Read" in last.message  # Kafka does not show what a principal may not know of
    assert last.state is State.BOOTSTRAPPING
    assert not last.complete


def test_the_report_tells_progress_by_topic(world: World) -> None:
    world.make_topic(partitions=2)
    world.put((1, "a", "x"), (3, "c", None))
    world.put((2, "b", "y"), partition=1)
    last = world.run()
    assert last.state is State.LIVE
    assert last.position == {f"{world.topic}[0]": 2, f"{world.topic}[1]": 1}
    topic = last.tables[world.topic]
    assert (topic.phase, topic.rows, topic.total, topic.eta_seconds) == ("live", 3, 3, None)
    assert topic.changes == 0


def test_a_sink_that_starts_again_is_as_complete_as_it_was_and_counts_what_came_since(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"), (2, "b", "y"))
    world.run()
    topic = world.run().tables[world.topic]
    assert (topic.phase, topic.rows, topic.total, topic.changes) == ("live", 2, 2, 0)
    world.put((3, "c", "z"), (1, "a", None), (2, "b", "w"))
    topic = world.run(lambda report: report.records == 3).tables[world.topic]
    assert (topic.rows, topic.total, topic.changes) == (2, 2, 3)


def test_K5_dead_letters_that_were_sent_twice_have_one_key(world: World) -> None:
    world.make_topic()
    world.on_error = "dead_letter"
    world.put((1, "nul \0 byte", "x"))
    world.run()
    world.sql.execute("UPDATE connect_positions SET next_offset = 0")
    world.run()
    letters = world.read(f"{world.name}.warehouse.dead")
    assert [letter.key() for letter in letters] == [f"{world.topic}/0/0".encode()] * 2


def test_a_workers_own_topics_are_known_by_what_they_hold_not_by_their_names(world: World) -> None:
    tables, positions, empty = f"{world.name}.public.positions", f"{world.name}.gone.positions", f"{world.name}.e.dead"
    world.make_topic()
    world.on_error = "dead_letter"
    world.put((1, "nul \0 byte", "x"))
    world.run()
    for topic in (tables, positions, empty):
        world.make_topic(topic)
    world.send(world.record("c", 1, "a", "x", topic=tables), topic=tables)
    world.send((b"position", b"{}"), topic=positions)
    own = [f"{world.name}.warehouse.{what}" for what in ("dead", "bootstrap")]

    found = [is_bookkeeping(world.kafka, topic) for topic in (*own, positions, tables, empty, "no.such.dead")]

    assert found == [True, True, True, False, None, None]


def test_a_record_that_the_reader_refuses_stops_the_sink_behind_what_comes_before(world: World) -> None:
    world.make_topic()
    world.put((1, "a", "x"))
    world.send((b"no json", b"no json"))
    with pytest.raises(Failed, match=r"orders\[0\]@1 cannot be written") as caught:
        world.run()
    assert caught.value.code == "poisoned_record"
    assert world.position() == 1


def test_F89_a_truncate_among_several_partitions_stops_the_sink_before_it(world: World) -> None:
    world.make_topic(partitions=2, cleanup_policy="delete")
    world.put((1, "a", "x"))
    world.put((2, "b", "y"), partition=1)
    world.run()
    world.put((3, "c", "z"))
    world.send(world.record("t"), world.record("u", 4, "d", None))
    with pytest.raises(Failed, match=r"orders\[0\]@2 is a TRUNCATE, and its topic has 2 partitions") as caught:
        world.run()
    assert caught.value.code == "truncate_unordered"
    assert [row[0] for row in world.rows()] == [1, 2, 3]
    assert world.position() == 2


def test_a_truncate_of_one_partition_empties_the_table(world: World) -> None:
    world.make_topic(cleanup_policy="delete")
    world.put((1, "a", "x"))
    world.send(world.record("t"))
    world.put((2, "b", "y"))
    world.run()
    assert world.rows() == [(2, "b", "y")]
