"""Which connectors of the file this worker may run: what its consumer group says, from a thread named ``membership``.

Fencing is what keeps two owners from harm (rules F-1, F-3); membership only decides who tries (DESIGN §2).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from connect.errors import ConnectError, Failed
from connect.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.config.models import Config
    from connect.kafka.group import GroupCalls, Member, Place, Roll

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 3.0  # for the first answer; a worker whose Kafka is away starts and says that
_ASK_AGAIN_SECONDS: Final = 0.1
_JOIN_AGAIN_SECONDS: Final = 5.0
_TURN_SECONDS: Final = 0.2
_LEAVE_SECONDS: Final = 1.0  # with the children's nine: a stop takes ten in all (F114)


class Claim(Enum):
    """How a connector stands."""

    UNKNOWN = "unknown"  # the group has not said yet
    FREE = "free"  # nobody alive owned it when we looked; we start it and join meanwhile
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Standing:
    """One connector's claim; ``owner`` is "host H, process P, since T" of another worker, or "" where unknown."""

    claim: Claim
    owner: str = ""
    passed: bool = False  # the owner went before us in the line, as --take-over does; not so where both came at once


def standing_topics(config: Config) -> dict[str, str]:
    """By connector the internal topic that stands for it in the worker's group; it has one partition."""
    sources = {name: f"{config.name}.{name}.positions" for name in config.sources}
    return sources | {name: f"{config.name}.{name}.bootstrap" for name in config.sinks}


class Membership(Protocol):
    """What the supervisor asks; ``Alone`` and ``GroupMembership`` are it."""

    def start(self) -> None:
        """Begin to find out."""
        ...

    def fileno(self) -> int | None:
        """Readable when something changed, for a selector; None where nothing ever does."""
        ...

    def standing(self, connector: str) -> Standing:
        """How a connector stands now. Any thread may ask."""
        ...

    def close(self) -> None:
        """Leave. Idempotent."""
        ...


class Alone:
    """Every connector is ours: a worker without a group, and what a test lies with."""

    def start(self) -> None:
        """Nothing to do."""

    def fileno(self) -> None:
        """Nothing ever changes."""

    def standing(self, connector: str) -> Standing:  # noqa: ARG002 - each is ours
        """Ours."""
        return Standing(Claim.OURS)

    def close(self) -> None:
        """Nothing to do."""


class GroupMembership:
    """Looks who is there, says at once what is free, joins, and follows what the group shares out."""

    def __init__(
        self, settings: Mapping[str, Any], group: str, topics: Mapping[str, str], *, take_over: bool = False
    ) -> None:
        """Connect nothing yet.

        Args:
            settings: librdkafka settings of the connection.
            group: The worker group's name, which is the consumer group's id.
            topics: By connector the internal topic that stands for it.
            take_over: Go before whoever owns now.
        """
        self._settings = settings
        self._group = group
        self._topics = dict(topics)
        self._take_over = take_over
        self._standings = dict.fromkeys(topics, Standing(Claim.UNKNOWN))
        self._owned: frozenset[str] | None = None  # topics; None while the group has not shared them out
        self._warned: set[str] = set()  # codes
        self._unnamed = False  # some owner is not known by name yet
        self._stop = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def fileno(self) -> int:
        """Of a pipe."""
        return self._wake_read

    def standing(self, connector: str) -> Standing:
        """As of the last news."""
        return self._standings[connector]

    def close(self) -> None:
        """Leave the group, so that the next in line goes on at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_SECONDS)
        if self._wake_write >= 0:
            os.close(self._wake_write)
            os.close(self._wake_read)
            self._wake_write = -1

    def _run(self) -> None:
        try:
            # In the thread: the library takes as long to load as a connector's process takes to start.
            from connect.kafka import group as kafka_group  # noqa: PLC0415

            calls: GroupCalls | None = None
            while not self._stop.is_set():
                try:
                    calls = calls or kafka_group.GroupCalls(self._settings, self._group)
                    self._take_part(calls, self._look(calls))
                except ConnectError as error:
                    self._without(error)
                    self._stop.wait(_JOIN_AGAIN_SECONDS)
        finally:
            self._all_free()  # whatever ends this thread does not keep connectors from their work

    def _look(self, calls: GroupCalls) -> Member:
        """Who is there already: say what is free, and take a ticket."""
        from connect.kafka.group import Member  # noqa: PLC0415 - see _run

        failpoint("membership.before_look")
        roll = self._settled_roll(calls)
        alone = not roll.living
        for connector, topic in self._topics.items():
            if self._standings[connector].claim is not Claim.UNKNOWN:
                continue  # it lost its place in the line and is at work: fencing says whether it may
            owner = roll.owner(topic)
            if self._take_over or alone or (roll.settled and owner is None):
                self._set(connector, Standing(Claim.FREE))
            elif owner is not None:
                self._set(connector, Standing(Claim.THEIRS, str(owner)))
        self._tell()
        return Member.this(roll.ticket(first=self._take_over))

    def _settled_roll(self, calls: GroupCalls) -> Roll:
        """The group once it is at rest, or as it is after a while."""
        deadline = time.monotonic() + LOOK_SECONDS
        while True:
            roll = calls.roll()
            all_dead = bool(roll.members) and not roll.living
            if roll.settled or all_dead or time.monotonic() > deadline or self._stop.is_set():
                return roll
            self._stop.wait(_ASK_AGAIN_SECONDS)

    def _take_part(self, calls: GroupCalls, member: Member) -> None:
        """From joining to leaving, or until the group went on without us."""
        from connect.kafka.group import Place  # noqa: PLC0415 - see _run

        self._owned = None
        place: Place = Place(self._settings, self._group, member, self._topics.values(), self._share)
        try:
            while not self._stop.is_set() and not place.lost:
                place.turn(_TURN_SECONDS)
                if self._unnamed:
                    self._name(calls, member)
        finally:
            place.leave()

    def _share(self, owned: frozenset[str]) -> None:
        """The group has shared out its topics."""
        self._owned = owned
        self._take_over = False  # asked for once: later it waits in line like everybody
        for connector, topic in self._topics.items():
            if topic in owned:
                self._set(connector, Standing(Claim.OURS))
        self._unnamed = not owned.issuperset(self._topics.values())
        self._tell()

    def _name(self, calls: GroupCalls, us: Member) -> None:
        """Who owns what is not ours. What nobody owns (its topic is missing) is ours to try."""
        with suppress(ConnectError):
            roll = calls.roll()
            if not roll.settled or self._owned is None:
                return
            for connector, topic in self._topics.items():
                if topic not in self._owned:
                    owner = next((one for one, topics in roll.members.items() if topic in topics), None)
                    theirs = owner and Standing(Claim.THEIRS, str(owner), passed=owner.ticket < us.ticket)
                    self._set(connector, theirs or Standing(Claim.OURS))
            self._unnamed = False
            self._tell()

    def _without(self, error: ConnectError) -> None:
        """The group cannot be asked: the connectors start, and say what is wrong or are protected by fencing."""
        if isinstance(error, Failed) and error.code not in self._warned:
            self._warned.add(error.code)
            log.warning(
                "%s: whether another worker of this name runs is not known, and fencing alone keeps them apart. %s",
                self._group,
                error,
            )
        else:
            log.debug("%s: %s", self._group, error)
        self._all_free()

    def _all_free(self) -> None:
        for connector, standing in self._standings.items():
            if standing.claim is Claim.UNKNOWN:
                self._set(connector, Standing(Claim.FREE))
        self._tell()

    def _set(self, connector: str, standing: Standing) -> None:
        self._standings[connector] = standing

    def _tell(self) -> None:
        with suppress(OSError):  # a full pipe wakes it just as well
            os.write(self._wake_write, b"m")
