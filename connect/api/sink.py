"""The contract of a sink plugin: keep a target equal to its topics, and remember the offsets with the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from connect.record import SinkRecord


class TopicPartition(NamedTuple):
    """One partition, with the topic's id: a topic that is deleted and made again is another topic (F98)."""

    topic: str
    topic_id: str
    partition: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A record of a batch that cannot be written, by its index in the batch; ``error`` holds no row values."""

    index: int
    error: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a batch. With no failures everything in it, and the next offsets, are durable."""

    failures: Sequence[Failure] = ()
    applied: int = 0  # statements or documents that changed the target
    stale: int = 0  # records that the target already had (replays)
    incomplete: int = 0  # rows of the target that wait for columns which the log did not carry (DESIGN §6)


@dataclass(frozen=True)
class SinkContext:
    """What the runtime gives a sink when it builds it.

    Attributes:
        connector: The sink's name in the file.
        group: The worker group's name.
        target: Topic → options of its target: the plugin's ``target`` model, from the file's ``topics:`` entry over
            ``defaults``. KeyError: the sink does not read it, or not any more.
        say: Tells the operator in one sentence what is going on or waited for; "" when it is over.
        stopping: True once the task should end.
    """

    connector: str
    group: str
    target: Callable[[str], Any]
    say: Callable[[str], None] = field(default=lambda _: None)
    stopping: Callable[[], bool] = field(default=lambda: False)

    def reads(self, topic: str) -> bool:
        """Whether the topic is one of the sink's now: what it holds of another one is left as it is."""
        try:
            self.target(topic)
        except KeyError:
            return False
        return True


@runtime_checkable
class Sink(Protocol):
    """A writer. One thread calls all methods; the order is (open, write*, close)*."""

    def open(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Fence older owners and say which offset comes next for each partition (invariant 4, rules K1, K2, E5).

        May follow ``close`` with another set. A partition that the sink has never seen is at 0. Beside those asked for
        it gives what it holds past 0 of others, so that the runtime sees that a topic is gone; none may be asked for.

        Raises:
            Retriable: The target is not there right now.
            Failed: The stored position names a target that is missing or another one.
            Fenced: This object was open before, and another owner took over since (rule F-3).
        """
        ...

    def write(
        self,
        batch: Sequence[SinkRecord],
        next_offsets: Mapping[TopicPartition, int],
        skip: AbstractSet[int],
    ) -> WriteResult:
        """Write a batch and the offsets after it as one; durable on return.

        With failures not in ``skip`` no position at or past the first of them is stored: the runtime makes the dead
        letters durable and calls again with ``skip``. An empty batch with next_offsets is progress too. A batch whose
        offsets were not stored may come again after ``open``. A position never goes back (invariant 3): records below
        it are stale, for the target has them already.

        Raises:
            Retriable: The target is not there right now; the same batch is written again after ``open``.
            Failed: The target refuses what no retry can mend.
            Fenced: Another owner took over.
        """
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent; called from ``finally``."""
        ...


@runtime_checkable
class WritesAgain(Protocol):
    """What a sink has besides, so that dead letters can be sent again once their cause is mended."""

    def write_again(self, batch: Sequence[SinkRecord], skip: AbstractSet[int]) -> WriteResult:
        """Write records that lie below the stored position, which stays where it is; durable on return.

        Of each key the batch holds every record that its topic has from the dead letter up to that position, in order,
        the last of them perhaps in the target already: afterwards the target has what it would have, had none failed.
        It holds no TRUNCATE. Failures, ``skip`` and errors are as ``Sink.write``'s.
        """
        ...
