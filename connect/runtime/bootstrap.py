"""When a sink is complete, and when records may be gone that it should have seen (rules T1, T2). Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connect.kafka.sink_notes import VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connect.api import TopicPartition
    from connect.kafka.consumer import Bounds
    from connect.kafka.topics import Topic

_MARGIN: Final = 0.8  # rule T1: a fifth of the time that tombstones are kept is our safety
_REBUILD: Final = "Run connect rebuild SINK FILE, so that it starts from what is there."


@dataclass(slots=True)
class Progress:
    """One partition.

    Attributes:
        start: Where the first start began.
        end: Its end then, READ_UNCOMMITTED (rule T2, invariant 2).
        next: The next offset that the sink holds.
        seen: The next offset when the sink last stood at the end of the partition, at ``seen_ms``.
        seen_ms: Milliseconds since 1970 UTC; before the end was ever reached, when the first start was.
        began_ms: When the first start was.
    """

    start: int
    end: int
    next: int
    seen: int
    seen_ms: int
    began_ms: int


class Bootstrap:
    """The progress of one sink's partitions."""

    def __init__(self) -> None:
        self.partitions: dict[TopicPartition, Progress] = {}
        self._looked: dict[TopicPartition, tuple[int, int]] = {}  # an end that is being caught up with, and when it was
        self._kept_ms: dict[str, int] = {}  # how long a compacted topic keeps its tombstones

    def add(
        self,
        topic: Topic,
        note: Mapping[str, Any] | None,
        offsets: Mapping[TopicPartition, int],
        bounds: Mapping[TopicPartition, Bounds],
        settings: Mapping[str, str],
        now_ms: int,
    ) -> dict[TopicPartition, int]:
        """Take up a topic.

        Args:
            topic: As the cluster has it.
            note: What ``note`` gave in an earlier run.
            offsets: The sink's next offsets; 0 for all means that it never wrote anything.
            bounds: First and end offsets now.
            settings: The topic's settings.
            now_ms: Milliseconds since 1970 UTC.

        Returns:
            Where to read on, by partition.

        Raises:
            Failed: ``incomplete_topic``, ``gap``, ``offset_out_of_range``, ``partition_count``,
                ``tombstones_may_be_gone``.
        """
        policies = settings.get("cleanup.policy", "delete").split(",")
        starts = {tp: _start(tp, next_, bounds[tp], policies) for tp, next_ in offsets.items()}
        stored = None if not any(offsets.values()) else note
        if stored is None:
            if any(offsets.values()) and "compact" in policies:
                self._unknown_time(topic.name, offsets, bounds)
            for tp, start in starts.items():
                self.partitions[tp] = Progress(start, bounds[tp].end, start, start, now_ms, now_ms)
        else:
            self._restore(topic, stored, starts)
        if "compact" in policies:
            self._kept_ms[topic.name] = int(settings["delete.retention.ms"])
        return starts

    def _restore(self, topic: Topic, note: Mapping[str, Any], starts: Mapping[TopicPartition, int]) -> None:
        known = note["partitions"]
        if len(known) != len(starts):
            message = f"topic {topic.name} has {len(starts)} partitions and had {len(known)} when the sink began"
            hint = f"A key that moved to another partition has no order (F89). {_REBUILD}"
            raise Failed("partition_count", message, hint=hint)
        for tp, start in starts.items():
            self.partitions[tp] = Progress(**{**known[str(tp.partition)], "next": start})

    @staticmethod
    def _unknown_time(
        topic: str, offsets: Mapping[TopicPartition, int], bounds: Mapping[TopicPartition, Bounds]
    ) -> None:
        if any(next_ < bounds[tp].end for tp, next_ in offsets.items()):
            message = f"nothing says when the sink last read topic {topic}: its note is gone"
            raise Failed("tombstones_may_be_gone", message, hint=_REBUILD)

    def advance(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """The sink holds everything before these offsets."""
        for tp, next_ in next_offsets.items():
            progress = self.partitions[tp]
            progress.next = next_
            end, at_ms = self._looked.get(tp, (next_ + 1, 0))
            if next_ >= end:  # it holds what was there when somebody last looked, so then is when it was last complete
                progress.seen, progress.seen_ms = next_, max(progress.seen_ms, at_ms)

    def look(self, ends: Mapping[TopicPartition, int], now_ms: int) -> None:
        """The partitions end here now, READ_UNCOMMITTED.

        Raises:
            Failed: ``tombstones_may_be_gone``.
        """
        self._check_time_away(ends, now_ms)
        for tp, end in ends.items():
            if self.partitions[tp].next >= self._looked.get(tp, (0, 0))[0]:
                self._looked[tp] = (end, now_ms)
        self.advance({tp: self.partitions[tp].next for tp in ends})

    def _check_time_away(self, ends: Mapping[TopicPartition, int], now_ms: int) -> None:
        """A tombstone may be gone before it was read: the row would stay for ever (rule T1, F94, F95)."""
        for tp, progress in self.partitions.items():
            kept_ms = self._kept_ms.get(tp.topic)
            if kept_ms is None or progress.next >= ends.get(tp, 0):
                continue
            # A target that went back behind the note was restored from a backup of unknown age (F140).
            went_back = progress.next < progress.seen
            since_ms = progress.began_ms if went_back else progress.seen_ms
            if now_ms - since_ms > kept_ms * _MARGIN:
                why = "its target went back to an older position" if went_back else "it was behind for too long"
                message = f"{tp.topic}[{tp.partition}] may have lost deletes that the sink has not read: {why}"
                raise Failed("tombstones_may_be_gone", message, hint=_REBUILD)

    def complete(self, topic: str | None = None) -> bool:
        """Whether the ends noted at first start are reached, in one topic or in all."""
        return all(p.next >= p.end for tp, p in self.partitions.items() if topic in {None, tp.topic})

    def remaining(self, topic: str) -> tuple[int, int]:
        """Offsets left before the noted ends of a topic, and offsets between its start and those ends."""
        of_topic = [p for tp, p in self.partitions.items() if tp.topic == topic]
        left = sum(max(0, p.end - p.next) for p in of_topic)
        return left, sum(p.end - p.start for p in of_topic)

    def note(self, topic: str) -> dict[str, Any]:
        """What to store of a topic; JSON."""
        partitions = {}
        for tp, progress in self.partitions.items():
            if tp.topic == topic:
                partitions[str(tp.partition)] = asdict(progress)
        return {"version": VERSION, "partitions": partitions}


def _start(tp: TopicPartition, next_: int, bounds: Bounds, policies: Collection[str]) -> int:
    """Where to read on, if nothing is missing there."""
    where = f"{tp.topic}[{tp.partition}]"
    if next_ > bounds.end:
        message = f"the sink holds {where} up to {next_} and it ends at {bounds.end}"
        raise Failed("offset_out_of_range", message, hint=f"Kafka lost records of it. {_REBUILD}")
    if next_ >= bounds.first:
        return next_
    if next_ > 0:
        message = f"{where} begins at {bounds.first} now and the sink needs it from {next_}"
        raise Failed("gap", message, hint=f"Kafka removed records that were not read. {_REBUILD}")
    if "delete" in policies:
        message = f"{where} is kept by time and begins at {bounds.first}: what was before is gone"
        hint = "Read a state topic (cleanup.policy=compact), or let the source send the table again."
        raise Failed("incomplete_topic", message, hint=hint)
    return bounds.first
