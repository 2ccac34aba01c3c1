"""Members of a worker's consumer group: what their client ids say, and whose turn it is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from connect.kafka import group
from connect.kafka.group import Member, Roll

THIS = Member.this(7)
ELSEWHERE = Member(9, "other", 4711, 12, "0123456789ab", 1_763_762_400)


@pytest.fixture
def ended() -> Member:
    """A worker of this machine that runs no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(THIS, ticket=3, pid=process.pid)


def test_a_client_id_says_it_all() -> None:
    assert Member.parse(THIS.client_id) == THIS
    assert Member.parse(ELSEWHERE.client_id) == ELSEWHERE


@pytest.mark.parametrize("foreign", ["rdkafka", "connect:1:host", "", "connect:0000000001:h:x:1:a:1"])
def test_a_client_of_somebody_else_is_no_member(foreign: str) -> None:
    assert Member.parse(foreign) is None


def test_tickets_sort_as_text() -> None:
    assert replace(ELSEWHERE, ticket=99).client_id < replace(THIS, ticket=100).client_id


def test_people_read_host_process_and_time() -> None:
    assert str(ELSEWHERE) == "host other, process 4711, since 2025-11-21 22:00:00Z"


def test_this_process_lives_and_is_ours() -> None:
    assert not THIS.dead
    assert THIS.ours


def test_a_process_of_this_machine_that_ended_is_dead(ended) -> None:
    assert ended.dead
    assert not ended.ours


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    assert replace(THIS, born=THIS.born - 1).dead


def test_nothing_is_known_of_another_machine_or_container() -> None:
    assert not replace(ELSEWHERE, pid=os.getpid()).dead


def test_where_the_machine_has_no_name_nobody_is_known_to_be_dead(monkeypatch, ended) -> None:
    monkeypatch.setattr(group, "machine", lambda: "")
    assert not replace(ended, machine="").dead


def test_the_first_takes_some_ticket_and_the_next_one_behind_it() -> None:
    first = Roll({}, settled=True).ticket(first=False)
    line = Roll({replace(ELSEWHERE, ticket=first): frozenset()}, settled=True)
    assert line.ticket(first=False) == first + 1
    assert line.ticket(first=True) == first - 1


def test_who_follows_a_dead_owner_takes_its_place_before_those_who_wait(ended) -> None:
    line = Roll({ended: frozenset("a"), ELSEWHERE: frozenset()}, settled=True)
    assert line.ticket(first=False) == ended.ticket - 1


def test_a_dead_member_that_only_waited_changes_nothing(ended) -> None:
    waited = replace(ended, ticket=20)
    assert Roll({ELSEWHERE: frozenset("a"), waited: frozenset()}, settled=True).ticket(first=False) == 21


def test_the_dead_own_nothing(ended) -> None:
    line = Roll({ended: frozenset("a"), ELSEWHERE: frozenset("b")}, settled=True)
    assert line.owner("a") is None
    assert line.owner("b") == ELSEWHERE
    assert list(line.living) == [ELSEWHERE]
