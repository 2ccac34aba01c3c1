"""A worker as a member of its Kafka consumer group: who else is there, and which connectors are whose.

Each connector has an internal topic of one partition, and the range assignor gives a one-partition topic to the
subscribed member with the smallest id. A member's id begins with its client id, and that with a ticket: whoever came
first owns every connector of its file, and who comes later waits in line. Nothing is read or committed here.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from connect.errors import ConnectError, Failed
from connect.kafka.client import LOGGER, kafka_errors, translate
from connect.kafka.heard import hears
from connect.kafka.topics import POSITIONS, Topics, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from confluent_kafka import TopicPartition

SESSION_SECONDS: Final = 6.0  # the least that brokers allow by default; a dead owner is known after it
_HEARTBEAT_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 15.0  # a member that does not poll for so long is suspended as a whole
_REQUEST_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0  # of brokers that are there
INTERNAL_TOPIC: Final = "__consumer_offsets"  # of all, the one whose metadata a group's members need
_FIRST_TICKET: Final = 5_000_000_000
_CLIENT_ID: Final = re.compile(r"connect:(\d{10}):([^:]*):(\d+):(\d+):([0-9a-f]*):(\d+)")
_SETTLED: Final = frozenset({ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD})
_NO_COORDINATOR: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


@dataclass(frozen=True, slots=True)
class Member:
    """A worker process, as its client id tells the group.

    Attributes:
        ticket: Its place in line; the smallest owns.
        host: The machine's, or container's, name.
        pid: Its process id there.
        born: When the process began, in the machine's own ticks: a process id is used again.
        machine: Of the running kernel and the process ids' name space; "" where that is not known.
        since: Seconds of the epoch when it joined.
    """

    ticket: int
    host: str
    pid: int
    born: int
    machine: str
    since: int

    @classmethod
    def this(cls, ticket: int) -> Self:
        """The process that asks."""
        return cls(ticket, _host(), os.getpid(), _born(os.getpid()) or 0, machine(), int(time.time()))

    @classmethod
    def parse(cls, client_id: str) -> Self | None:
        """The member of ``client_id``, or None where it is none of ours."""
        found = _CLIENT_ID.fullmatch(client_id)
        if found is None:
            return None
        ticket, host, pid, born, where, since = found.groups()
        return cls(int(ticket), host, int(pid), int(born), where, int(since))

    @property
    def client_id(self) -> str:
        """What the group shows of it."""
        return f"connect:{self.ticket:010d}:{self.host}:{self.pid}:{self.born}:{self.machine}:{self.since}"

    @property
    def ours(self) -> bool:
        """Whether it is this process, now or before it lost its place."""
        return (self.pid, self.host, self.machine) == (os.getpid(), _host(), machine()) and not self.dead

    @property
    def dead(self) -> bool:
        """Whether it certainly runs no more: it ran on this machine, and its process is gone."""
        if not self.machine or self.machine != machine():
            return False
        born = _born(self.pid)
        return born is None or born not in {0, self.born}

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
        return f"host {self.host}, process {self.pid}, since {since}"


def _host() -> str:
    return socket.gethostname().replace(":", "-")


@cache
def machine() -> str:
    """Names the kernel that runs and the name space of our process ids: only there a process id says anything."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot.strip()} {space}".encode()).hexdigest()[:12]


def _born(pid: int) -> int | None:
    """When a process began; None where there is none, 0 where it is hidden from us."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in {"Z", "X"} else int(fields[18])
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0


@dataclass(frozen=True, slots=True)
class Roll:
    """A group at one moment.

    Attributes:
        members: Its members, with the topics that each owns now.
        settled: False while the group shares out its topics: nobody seems to own any then.
    """

    members: Mapping[Member, frozenset[str]]
    settled: bool

    @property
    def living(self) -> dict[Member, frozenset[str]]:
        """Those that may be at work."""
        return {member: topics for member, topics in self.members.items() if not member.dead}

    def owner(self, topic: str) -> Member | None:
        """Who owns a topic and may be at work."""
        return next((member for member, topics in self.living.items() if topic in topics), None)

    def ticket(self, *, first: bool) -> int:
        """A place at the end of the line; or its ``first``, which is also whose owner is known to be dead."""
        tickets = [member.ticket for member in self.members]
        if not tickets:
            return _FIRST_TICKET
        heir = min(self.members, key=lambda member: member.ticket).dead
        return min(tickets) - 1 if first or heir else max(tickets) + 1


class GroupCalls:
    """Questions to a group's coordinator."""

    def __init__(self, settings: Mapping[str, Any], group: str) -> None:
        """``settings``: librdkafka settings of the connection; ``group``: the consumer group's id."""
        self._settings = settings
        self._group = group
        self._admin: AdminClient | None = None

    def roll(self) -> Roll:
        """Who is in the group besides this process.

        Raises:
            Retriable: The coordinator does not answer.
            Failed: ``kafka_permission``: the principal may not DESCRIBE the group.
        """
        try:
            with kafka_errors(f"describing consumer group {self._group}"):
                return self._roll()
        except ConnectError:
            self._admin = None  # a client whose question ran out of time is not asked again: see _roll
            raise

    def _roll(self) -> Roll:
        if self._admin is None:
            self._admin = AdminClient({**self._settings, "error_cb": hears(self._settings)}, logger=LOGGER)
        # librdkafka 2.16 aborts the process where brokers come up while such a question runs out of time
        # (rd_kafka_enq_once_del_source_return). So it is asked of brokers that answer.
        self._admin.list_topics(INTERNAL_TOPIC, _REQUEST_SECONDS)
        [future] = self._admin.describe_consumer_groups([self._group], request_timeout=_ANSWER_SECONDS).values()
        try:
            found = future.result()
        except KafkaException as error:
            if error.args[0].code() in _NO_COORDINATOR:
                return Roll({}, settled=False)  # it moves, or the cluster's first group is being made
            raise
        members: dict[Member, frozenset[str]] = {}
        for one in found.members:
            member = Member.parse(one.client_id)
            if member is not None and not member.ours:
                owned = one.assignment.topic_partitions if one.assignment else []
                members[member] = frozenset(partition.topic for partition in owned)
        return Roll(members, settled=found.state in _SETTLED)


class Place:
    """This worker's membership. Not thread-safe: its thread owns it, and ``turn`` is called again and again."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        group: str,
        member: Member,
        topics: Collection[str],
        assigned: Callable[[frozenset[str]], None],
    ) -> None:
        """Join.

        Args:
            settings: librdkafka settings of the connection.
            group: The consumer group's id.
            member: What the others see of us.
            topics: Of our connectors; those that are missing are made.
            assigned: Told what is ours, each time the group has shared out its topics.
        """
        self.lost = False
        self._assigned = assigned
        self._make(settings, topics)
        with kafka_errors(f"joining consumer group {group}"):
            self._consumer = Consumer(
                {
                    **settings,
                    "group.id": group,
                    "client.id": member.client_id,
                    "session.timeout.ms": int(SESSION_SECONDS * 1000),
                    "heartbeat.interval.ms": int(_HEARTBEAT_SECONDS * 1000),
                    "max.poll.interval.ms": int(_POLL_SECONDS * 1000),
                    "partition.assignment.strategy": "range",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "latest",
                    "error_cb": hears(settings),
                },
                logger=LOGGER,
            )
            self._consumer.subscribe(
                sorted(topics), on_assign=self._on_assign, on_revoke=lambda *_: None, on_lost=self._on_lost
            )

    @staticmethod
    def _make(settings: Mapping[str, Any], topics: Collection[str]) -> None:
        """Only existing topics are shared out; where we may not make one, its connector says so."""
        with suppress(ConnectError):
            there = Topics(settings)
            missing = set(topics) - there.describe(sorted(topics)).keys()
            there.create([TopicSpec(topic, 1, POSITIONS) for topic in sorted(missing)])

    def turn(self, seconds: float) -> None:
        """Take part for so long.

        Raises:
            Failed: The membership came to an error that does not pass by itself.
        """
        message = self._consumer.poll(seconds)
        error = message.error() if message is not None else None
        if error is None or error.retriable() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - librdkafka's name
            self.lost = True
            return
        cause = translate(error, "taking part in the worker's consumer group")
        if isinstance(cause, Failed):
            raise cause
        hint = (
            f"Brokers have to allow sessions of {SESSION_SECONDS:.0f} s: group.min.session.timeout.ms, by default 6000."
        )
        raise Failed("kafka_settings", cause.message, hint=hint)

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.assign(list(partitions))
        if partitions:
            consumer.pause(list(partitions))  # it is held, not read
        self._assigned(frozenset(partition.topic for partition in partitions))

    def _on_lost(self, consumer: Consumer, _: Sequence[TopicPartition]) -> None:
        """The group went on without us: whoever owns now keeps its place, and we go to the end of the line."""
        self.lost = True
        consumer.unsubscribe()

    def leave(self) -> None:
        """Leave the group; who is next in line owns at once."""
        self._consumer.close()
