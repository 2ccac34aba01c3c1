"""How what a sink wrote is counted."""

from __future__ import annotations

from connect.api import TopicPartition
from connect.kafka.consumer import Raw
from connect.runtime.bootstrap import Progress
from connect.runtime.sink_task import _Counts

PLACES = [TopicPartition("t", "id", 0), TopicPartition("t", "id", 1)]


def raws(partition: int, *offsets: int) -> list[Raw]:
    return [Raw(PLACES[partition], offset, 0, b"k", b"v") for offset in offsets]


def noted(next_: int, end: int) -> Progress:
    return Progress(0, end, next_, 0, 0, 0)


def test_changes_are_the_records_behind_the_ends_that_were_noted_at_the_first_start() -> None:
    counts = _Counts()
    batch = [*raws(0, 3, 4, 5), *raws(1, 7), *raws(0, 6), *raws(1, 8)]
    counts.written(batch, 0, {PLACES[0]: noted(3, 5), PLACES[1]: noted(7, 7)})
    assert counts.rows["t"] == 6
    assert counts.changes["t"] == 2 + 2  # offsets 5 and 6 of one partition, all of the other
