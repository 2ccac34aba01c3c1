"""When a sink is complete, and when it may have missed something (rules T1, T2)."""

from __future__ import annotations

from typing import Any

import pytest

from connect.api import TopicPartition
from connect.errors import Failed
from connect.kafka.consumer import Bounds
from connect.kafka.topics import Topic
from connect.runtime.bootstrap import Bootstrap

HOUR = 3_600_000
COMPACTED = {"cleanup.policy": "compact", "delete.retention.ms": str(10 * HOUR)}
KEPT_BY_TIME = {"cleanup.policy": "delete"}
TOPIC = Topic("t", "id", 2)
P0, P1 = TopicPartition("t", "id", 0), TopicPartition("t", "id", 1)
BOUNDS = {P0: Bounds(0, 10), P1: Bounds(0, 5)}
FRESH = {P0: 0, P1: 0}


def take_up(
    offsets: dict[TopicPartition, int] | None = None,
    note: dict[str, Any] | None = None,
    bounds: dict[TopicPartition, Bounds] | None = None,
    settings: dict[str, str] | None = None,
    now_ms: int = 0,
) -> Bootstrap:
    bootstrap = Bootstrap()
    bounds = bounds or BOUNDS
    bootstrap.add(TOPIC, note, offsets or FRESH, bounds, settings or COMPACTED, now_ms)
    bootstrap.look({tp: bound.end for tp, bound in bounds.items()}, now_ms)
    return bootstrap


def refused(**arguments: Any) -> str:
    with pytest.raises(Failed) as caught:
        take_up(**arguments)
    return caught.value.code


def test_T2_complete_at_the_ends_noted_first_and_not_before() -> None:
    bootstrap = take_up()
    bootstrap.advance({P0: 10, P1: 4})
    assert not bootstrap.complete()
    bootstrap.advance({P1: 5})
    assert bootstrap.complete()


def test_T2_records_after_the_noted_end_are_normal_traffic() -> None:
    bootstrap = take_up()
    bootstrap.look({P0: 1000, P1: 1000}, 1)
    bootstrap.advance({P0: 10, P1: 5})
    assert bootstrap.complete()


def test_T2_a_restart_keeps_the_ends() -> None:
    note = take_up().note("t")
    bootstrap = take_up({P0: 3, P1: 5}, note, {P0: Bounds(0, 99), P1: Bounds(0, 99)})
    assert bootstrap.remaining("t") == (7, 15)


def test_a_sink_that_holds_nothing_notes_its_ends_anew() -> None:
    note = take_up().note("t")
    bootstrap = take_up(FRESH, note, {P0: Bounds(0, 20), P1: Bounds(0, 5)})
    assert bootstrap.remaining("t") == (25, 25)


def test_empty_topics_are_complete() -> None:
    assert take_up(bounds={P0: Bounds(0, 0), P1: Bounds(0, 0)}).complete()


def test_a_compacted_topic_is_read_from_its_first_offset() -> None:
    bootstrap = Bootstrap()
    starts = bootstrap.add(TOPIC, None, FRESH, {P0: Bounds(4, 10), P1: Bounds(0, 5)}, COMPACTED, 0)
    assert starts == {P0: 4, P1: 0}


def test_a_first_start_on_a_time_kept_topic_without_its_beginning_is_refused() -> None:
    bounds = {P0: Bounds(4, 10), P1: Bounds(0, 5)}
    assert refused(bounds=bounds, settings=KEPT_BY_TIME) == "incomplete_topic"


def test_a_time_kept_topic_goes_on_where_the_position_covers_what_is_gone() -> None:
    bounds = {P0: Bounds(4, 10), P1: Bounds(0, 5)}
    assert take_up({P0: 4, P1: 0}, take_up().note("t"), bounds, KEPT_BY_TIME).partitions[P0].next == 4


def test_F140_records_that_the_sink_needs_and_kafka_removed_are_a_gap() -> None:
    assert refused(offsets={P0: 3, P1: 0}, bounds={P0: Bounds(4, 10), P1: Bounds(0, 5)}) == "gap"


def test_a_position_beyond_the_end_is_refused() -> None:
    assert refused(offsets={P0: 11, P1: 0}, note=take_up().note("t")) == "offset_out_of_range"


def test_F89_another_number_of_partitions_is_refused() -> None:
    note = take_up().note("t")
    del note["partitions"]["1"]
    assert refused(offsets={P0: 3, P1: 0}, note=note) == "partition_count"


def seen_at_the_end() -> dict[str, Any]:
    bootstrap = take_up()
    bootstrap.advance({P0: 10, P1: 5})
    bootstrap.look({P0: 10, P1: 5}, HOUR)
    return bootstrap.note("t")


@pytest.mark.parametrize(("hours", "safe"), [(8, True), (10, False)])
def test_T1_time_away_is_bounded_by_the_time_that_tombstones_are_kept(hours: int, *, safe: bool) -> None:
    bounds = {P0: Bounds(0, 11), P1: Bounds(0, 5)}
    arguments: dict[str, Any] = {"note": seen_at_the_end(), "bounds": bounds, "now_ms": hours * HOUR}
    if safe:
        take_up({P0: 10, P1: 5}, **arguments)
    else:
        assert refused(offsets={P0: 10, P1: 5}, **arguments) == "tombstones_may_be_gone"


def test_T1_nothing_is_missed_where_nothing_was_written() -> None:
    assert take_up({P0: 10, P1: 5}, seen_at_the_end(), now_ms=1000 * HOUR).complete()


def test_T1_time_kept_topics_have_no_tombstones() -> None:
    bounds = {P0: Bounds(0, 11), P1: Bounds(0, 5)}
    take_up({P0: 10, P1: 5}, seen_at_the_end(), bounds, KEPT_BY_TIME, 1000 * HOUR)


def test_T1_a_first_load_that_takes_too_long_is_refused() -> None:
    bootstrap = take_up()
    with pytest.raises(Failed):
        bootstrap.look({P0: 10, P1: 5}, 9 * HOUR)


def test_T1_a_busy_topic_whose_end_is_always_ahead_counts_as_seen() -> None:
    bootstrap = take_up()
    for hour in range(1, 100):
        bootstrap.look({P0: 10 * hour + 5, P1: 5}, hour * HOUR)
        bootstrap.advance({P0: 10 * hour + 2, P1: 5})


def test_F140_a_restored_target_goes_on_while_the_first_start_is_recent_enough() -> None:
    assert not take_up({P0: 6, P1: 5}, seen_at_the_end(), now_ms=7 * HOUR).complete()
    assert refused(offsets={P0: 6, P1: 5}, note=seen_at_the_end(), now_ms=9 * HOUR) == "tombstones_may_be_gone"


def test_a_lost_note_is_told_from_a_first_start() -> None:
    assert refused(offsets={P0: 6, P1: 5}) == "tombstones_may_be_gone"
    assert take_up({P0: 10, P1: 5}).complete()
