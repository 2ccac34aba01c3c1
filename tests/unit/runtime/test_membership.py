"""What a worker does where its consumer group cannot be asked."""

from __future__ import annotations

import logging
import time

import pytest

from connect.errors import Failed
from connect.kafka import group
from connect.runtime import membership
from connect.runtime.membership import Claim, GroupMembership, Standing


@pytest.fixture
def start():
    made = []

    def make() -> GroupMembership:
        made.append(GroupMembership({"bootstrap.servers": "127.0.0.1:1"}, "shop", {"s": "shop.s.positions"}))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_whose_kafka_is_away_starts_its_connectors_which_say_so(start, monkeypatch) -> None:
    monkeypatch.setattr(group, "_REQUEST_SECONDS", 0.2)
    member = start()
    wait_for(lambda: member.standing("s") == Standing(Claim.FREE))


def test_a_principal_that_may_not_join_is_told_once_and_its_connectors_start(start, monkeypatch, caplog) -> None:
    asked = []

    def refuse(_: object) -> None:
        asked.append(True)
        raise Failed("kafka_permission", "GROUP_AUTHORIZATION_FAILED", hint="Grant it.")

    monkeypatch.setattr(group.GroupCalls, "roll", refuse)
    monkeypatch.setattr(membership, "_JOIN_AGAIN_SECONDS", 0.01)
    with caplog.at_level(logging.WARNING, logger=membership.__name__):
        member = start()
        wait_for(lambda: len(asked) > 3)
    assert member.standing("s") == Standing(Claim.FREE)
    assert len([record for record in caplog.records if "fencing alone" in record.getMessage()]) == 1
