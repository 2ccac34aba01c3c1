"""Whoever opened last owns the target, and one that was fenced does not take it back (rule F-3)."""

from __future__ import annotations

import pytest

from connect.api import TopicPartition
from connect.errors import Fenced

FIRST, LATER = TopicPartition("shop.public.a", "id-a", 0), TopicPartition("shop.public.b", "id-b", 0)


def test_an_owner_opens_again_with_a_topic_that_appeared(sink) -> None:
    owner = sink()
    owner.open([FIRST])
    owner.close()
    assert owner.open([FIRST, LATER]) == {FIRST: 0, LATER: 0}
    assert not owner.write([], {FIRST: 1}, frozenset()).failures


def test_F3_a_topic_that_appears_does_not_make_a_fenced_sink_the_owner_again(sink) -> None:
    older, newer = sink(), sink()
    older.open([FIRST])
    newer.open([FIRST])
    older.close()
    with pytest.raises(Fenced):
        older.open([FIRST, LATER])
    assert not newer.write([], {FIRST: 1}, frozenset()).failures
