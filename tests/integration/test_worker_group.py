"""Workers in their consumer group, on a real broker: who owns, who waits, what commands elsewhere are told."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest

from connect.config.load import load_config
from connect.errors import Failed
from connect.kafka.group import GroupCalls, Member, Place
from connect.runtime.maintenance import read_again, remove_source
from connect.runtime.rename import rename_source

pytestmark = pytest.mark.stack

FIRST = Member(5_000_000_000, "db-1", 4711, 12, "0123456789ab", 1_763_762_400)
SECOND = replace(FIRST, ticket=FIRST.ticket + 1, host="db-2")
BEFORE = replace(FIRST, ticket=FIRST.ticket - 1, host="db-3")


class Group:
    """Places of one group, each with what it was told last."""

    def __init__(self, kafka: str) -> None:
        self.name = f"w-{uuid.uuid4().hex[:8]}"
        self.settings = {"bootstrap.servers": kafka}
        self.calls = GroupCalls(self.settings, self.name)
        self.owned: dict[Member, set[str] | None] = {}
        self._places: dict[Member, Place] = {}

    def topic(self, connector: str) -> str:
        return f"{self.name}.{connector}.positions"

    def join(self, member: Member, *connectors: str) -> None:
        def told(owned: frozenset[str]) -> None:
            self.owned[member] = {topic.split(".")[1] for topic in owned}

        self.owned[member] = None
        self._places[member] = Place(self.settings, self.name, member, [self.topic(one) for one in connectors], told)

    def until(self, wanted: dict[Member, set[str]]) -> None:
        deadline = time.monotonic() + 30
        while self.owned != wanted:
            for place in self._places.values():
                place.turn(0.05)
            assert time.monotonic() < deadline, self.owned

    def leave(self, member: Member) -> None:
        self._places.pop(member).leave()
        self.owned.pop(member, None)


@pytest.fixture
def group(stack):
    made = Group(stack.kafka.address)
    yield made
    for member in list(made.owned):
        made.leave(member)


def test_who_came_first_owns_every_connector_and_the_next_follows_when_it_leaves(group) -> None:
    group.join(SECOND, "s", "t")
    group.until({SECOND: {"s", "t"}})
    group.join(FIRST, "s", "t")
    group.until({FIRST: {"s", "t"}, SECOND: set()})
    group.leave(FIRST)
    group.until({SECOND: {"s", "t"}})


def test_a_smaller_ticket_takes_over(group) -> None:
    group.join(FIRST, "s")
    group.until({FIRST: {"s"}})
    group.join(BEFORE, "s")
    group.until({BEFORE: {"s"}, FIRST: set()})


def test_files_of_one_name_own_their_own_connectors_and_share_out_what_both_have(group) -> None:
    group.join(FIRST, "s", "both")
    group.join(SECOND, "t", "both")
    group.until({FIRST: {"s", "both"}, SECOND: {"t"}})


def test_the_group_says_who_owns(group) -> None:
    assert group.calls.roll().living == {}
    group.join(FIRST, "s")
    group.join(SECOND, "s")
    group.until({FIRST: {"s"}, SECOND: set()})
    roll = group.calls.roll()
    assert roll.settled
    assert roll.owner(group.topic("s")) == FIRST
    assert roll.members.keys() == {FIRST, SECOND}
    assert roll.ticket(first=False) == SECOND.ticket + 1


def test_what_changes_a_connector_is_refused_where_another_machine_runs_it(group, stack, tmp_path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        f'name: {group.name}\nkafka: {{bootstrap: "{stack.kafka.address}"}}\n'
        'sources:\n  s: {plugin: postgres, url: "postgresql://u@127.0.0.1:1/d", tables: [public.a], slot: x,\n'
        "    publication: x}\n"
    )
    config = load_config([file])
    group.join(FIRST, "s", "t")
    group.until({FIRST: {"s", "t"}})
    changes = (
        lambda: read_again(config, "s", ["public.a"]),
        lambda: remove_source(config, "s"),
        lambda: rename_source(config, "t", "s"),
    )
    for change in changes:
        with pytest.raises(
            Failed, match="is run by another worker: host db-1, process 4711, since 2025-11-21"
        ) as caught:
            change()
        assert caught.value.code == "worker_running"
