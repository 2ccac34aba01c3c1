"""The state document's content (rule E5)."""

from __future__ import annotations

import pytest

from connect.api import TopicPartition
from connect.errors import Failed
from connectors.elasticsearch.document import version_of
from connectors.elasticsearch.state import Progress, TargetNote

FIRST = TopicPartition("shop.public.orders", "id-1", 0)


def test_a_partition_never_seen_is_at_0():
    assert Progress().adopt([FIRST]) == {FIRST: 0}


def test_progress_survives_its_json():
    progress = Progress(epoch=3, targets={"shop.public.orders": TargetNote("{table}", "orders", "orders-1", "u")})
    progress.adopt([FIRST])
    progress.advance(FIRST.topic, 0, 17)

    assert Progress.from_json(progress.to_json()) == progress


def test_F124_a_newer_format_is_refused():
    with pytest.raises(Failed) as error:
        Progress.from_json({"version": 99})
    assert error.value.code == "state_is_newer"


def test_invariant_3_progress_never_goes_back():
    progress = Progress()
    progress.adopt([FIRST])

    assert progress.advance(FIRST.topic, 0, 9)
    assert not progress.advance(FIRST.topic, 0, 8)
    assert progress.adopt([FIRST]) == {FIRST: 9}


def test_F98_a_topic_made_anew_is_not_continued():
    progress = Progress()
    progress.adopt([FIRST])
    progress.advance(FIRST.topic, 0, 900)

    with pytest.raises(Failed) as error:
        progress.adopt([FIRST._replace(topic_id="id-2")])
    assert error.value.code == "topic_id_changed"


def test_F145_after_a_rebuild_a_topic_made_anew_has_higher_versions(record):
    progress = Progress()
    progress.adopt([FIRST])
    progress.advance(FIRST.topic, 0, 900)
    progress.forget()
    again = FIRST._replace(topic_id="id-2")

    assert progress.adopt([again]) == {again: 0}
    assert progress.version(record(0, 1)) > version_of(1, 900)


def test_other_partitions_keep_their_offsets():
    progress = Progress()
    progress.adopt([FIRST])
    progress.advance(FIRST.topic, 0, 5)
    progress.adopt([FIRST._replace(partition=1)])

    assert progress.topics[FIRST.topic].next_offsets == {"0": 5, "1": 0}
