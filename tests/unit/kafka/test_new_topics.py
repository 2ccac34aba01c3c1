"""Hundreds of new topics: a broker that is slow to lead them is waited for, and a stop is heard meanwhile."""

from __future__ import annotations

import pytest

from connect.errors import Retriable
from connect.kafka import topics as module
from connect.kafka.topics import Topic, Topics

NAMES = [f"shop.public.t{number}" for number in range(300)]


class SlowToLead(Topics):
    """A cluster whose topics have leaders only after some looks; each look takes a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
        super().__init__({"bootstrap.servers": "127.0.0.1:1"}, lambda: self.stopped)
        self.stopped, self.looks, self.clock, self.unknown = False, looks, 0.0, 0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(module.time, "sleep", lambda _: None)

    def describe(self, names):
        names = names[self.unknown :]
        return {name: Topic(name, name, 1) for name in names}

    def sizes(self, topics):
        self.clock += 1.0
        self.looks -= 1
        if self.looks >= 0:
            raise Retriable("no leader yet", code="kafka_unreachable")
        return {topic.name: 0 for topic in topics}


def test_leaders_of_many_new_topics_are_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(SlowToLead(monkeypatch, 20)._led(NAMES)) == 300


def test_leaders_of_one_new_topic_are_not_waited_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Retriable):
        SlowToLead(monkeypatch, 20)._led(NAMES[:1])


def test_F114_a_stop_ends_the_wait_for_leaders(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SlowToLead(monkeypatch, 20)
    cluster.stopped = True

    with pytest.raises(Retriable):
        cluster._led(NAMES)
    assert cluster.clock == 1.0


def test_topics_that_no_broker_knows_yet_are_waited_for_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SlowToLead(monkeypatch, 0)
    cluster.unknown = 2

    with pytest.raises(Retriable, match=r"knows shop\.public\.t0 yet, which was just made, nor 1 others"):
        cluster._led(NAMES)
    assert cluster.clock > 30

    cluster.stopped, cluster.clock = True, 0.0
    with pytest.raises(Retriable):
        cluster._led(NAMES)
    assert cluster.clock == 1.0
