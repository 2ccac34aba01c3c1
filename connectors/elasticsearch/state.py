"""The sink's state document: where it stands, what it made, and the epoch that fences (rule E5, invariant 4).

One document per connector in the index ``connect-state``, written only by compare-and-set on its sequence number, so
of two owners that both believe in themselves one learns the truth at its next write.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connect.api import TopicPartition, readable
from connect.errors import Failed, Fenced, Retriable
from connectors.elasticsearch.cluster import Cluster, part
from connectors.elasticsearch.document import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connect.record import SinkRecord

STATE_INDEX: Final = "connect-state"
FORMAT: Final = 1
_TAKE_OVER_TRIES: Final = 5
_SETTINGS: Final = {
    "settings": {"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1", "index.hidden": True},
    "mappings": {"dynamic": False},
}


@dataclass(slots=True)
class TopicState:
    """Where the sink stands in one topic.

    Attributes:
        topic_id: Kafka's id of the topic; another id is another topic (F98).
        incarnation: Raised with each rebuild and each new topic id; the upper bits of versions (rule E1, F145).
        next_offsets: By partition number as text: every record below is in the index.
    """

    topic_id: str
    incarnation: int = 1
    next_offsets: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class TargetNote:
    """The index that a topic's position describes.

    Attributes:
        template: The option ``index`` that the alias's name was made from.
        alias: What readers use and writes go through.
        index: The dated index behind it.
        uuid: The index's own id; None from the intention to make it until it was seen made.
    """

    template: str
    alias: str
    index: str
    uuid: str | None = None


@dataclass(slots=True)
class Progress:
    """The content of the state document.

    Attributes:
        epoch: Raised by each take-over.
        owner: ``Owner.id`` of who took over last.
        last_seen_ms: When it was last stored, milliseconds since 1970.
        topics: Where the sink stands, by topic.
        targets: What it made, by topic.
    """

    epoch: int = 0
    owner: str = ""
    last_seen_ms: int = 0
    topics: dict[str, TopicState] = field(default_factory=dict)
    targets: dict[str, TargetNote] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document's source."""
        return {"version": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Progress:
        """The progress of ``to_json``.

        Raises:
            Failed: ``state_is_newer``.
        """
        readable(f"the state document in {STATE_INDEX}", data.get("version"), FORMAT)
        topics = {name: TopicState(**topic) for name, topic in data["topics"].items()}
        targets = {name: TargetNote(**target) for name, target in data["targets"].items()}
        return cls(data["epoch"], data.get("owner", ""), data["last_seen_ms"], topics, targets)

    def adopt(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Take these partitions in and say which offset comes next for each, and for others that were read from.

        Raises:
            Failed: ``topic_id_changed``: the index holds rows of a topic that was deleted and made again (F98).
        """
        nexts: dict[TopicPartition, int] = {}
        for partition in partitions:
            topic = self.topics.setdefault(partition.topic, TopicState(partition.topic_id))
            if topic.topic_id != partition.topic_id:
                topic = self.topics[partition.topic] = self._successor(partition)
            nexts[partition] = topic.next_offsets.setdefault(str(partition.partition), 0)
        return self._held() | nexts

    def _held(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(name, topic.topic_id, int(number)): offset
            for name, topic in self.topics.items()
            for number, offset in topic.next_offsets.items()
            if offset
        }

    def _successor(self, partition: TopicPartition) -> TopicState:
        topic = self.topics[partition.topic]
        if any(topic.next_offsets.values()):
            message = f"topic {partition.topic} was deleted and made again since this sink read it"
            raise Failed("topic_id_changed", message, hint="Run `connect rebuild SINK FILE` to read the new one.")
        return TopicState(partition.topic_id, topic.incarnation + 1)

    def forget(self) -> None:
        """Start from nothing, under higher versions than whatever may still be on its way (rule E1, F145)."""
        self.targets.clear()
        for topic in self.topics.values():
            topic.incarnation += 1
            topic.next_offsets.clear()

    def holds(self, record: SinkRecord) -> bool:
        """Whether the record lies below the stored position: the index has it already."""
        return record.offset < self.topics[record.topic].next_offsets[str(record.partition)]

    def version(self, record: SinkRecord) -> int:
        """The record's external version (rule E1)."""
        return version_of(self.topics[record.topic].incarnation, record.offset)

    def advance(self, topic: str, partition: int, next_offset: int) -> bool:
        """Move forward, never back (invariant 3); whether it moved."""
        offsets = self.topics[topic].next_offsets
        if next_offset <= offsets[str(partition)]:
            return False
        offsets[str(partition)] = next_offset
        return True


@dataclass(slots=True)
class Owner:
    """One sink object, as the document knows it through all its sessions; ``held``: it took over before.

    By a name and not by the epoch alone: when the answer to a take-over was lost, the name tells that it was ours.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    held: bool = False


class StateStore:
    """Reads and writes one connector's state document."""

    def __init__(self, cluster: Cluster, group: str, connector: str, owner: Owner | None = None) -> None:
        """``owner``: who takes over; somebody new where left out."""
        self._cluster = cluster
        self._owner = owner or Owner()
        self._name = f"{group}/{connector}"
        self._path = f"/{STATE_INDEX}/_doc/{part(self._name)}"
        self._guard: dict[str, Any] = {}

    def read(self) -> Progress | None:
        """The stored progress, or None where there is none."""
        answer = self._cluster.request("GET", self._path, expect=(404,))  # also without the index
        if answer.status == 404:
            self._guard = {"op_type": "create"}
            return None
        self._guard = {"if_seq_no": answer.body["_seq_no"], "if_primary_term": answer.body["_primary_term"]}
        return Progress.from_json(answer.body["_source"])

    def take_over(self) -> Progress:
        """Raise the epoch, which fences every older owner at its next store, and give the progress (invariant 2).

        Raises:
            Fenced: This owner had it before, and another owner took over since: it is not taken back (rule F-3).
            Retriable: ``target_busy``: others kept taking over at the same time.
            Failed: ``state_is_newer``, ``state_missing``.
        """
        self._cluster.request("PUT", f"/{STATE_INDEX}", body=_SETTINGS, expect=(400,))  # 400: it exists
        for _ in range(_TAKE_OVER_TRIES):
            found = self.read()
            if found is None and self._owner.held:
                raise self._gone()
            progress = found or Progress()
            if progress.owner != self._owner.id and self._owner.held:
                raise self._fenced()
            progress.epoch += 1
            progress.owner = self._owner.id
            if self._put(progress):  # by compare-and-set: nobody came between the look and this
                self._owner.held = True
                return progress
        raise Retriable(f"the state of {self._name} keeps changing owners", code="target_busy")

    def store(self, progress: Progress) -> None:
        """Write the progress if nobody else wrote since.

        Raises:
            Fenced: Another owner took over.
            Failed: ``state_missing``: the document is gone.
            Retriable: The answer did not come; ``take_over`` tells whether it was written.
        """
        if self._put(progress):
            return
        # Not `read`: its sequence number is the other owner's, and the next store would pass for theirs.
        if self._cluster.request("GET", self._path, expect=(404,)).status == 404:
            raise self._gone()
        raise self._fenced()

    def check_epoch(self, progress: Progress) -> None:
        """Raise ``Fenced`` if another owner took over since."""
        answer = self._cluster.request("GET", self._path, expect=(404,))
        if answer.status == 404 or answer.body["_source"]["epoch"] != progress.epoch:
            raise self._fenced()

    def _gone(self) -> Failed:
        hint = "Restore the index connect-state from a snapshot, or drop the sink's indices and start from offset 0."
        return Failed("state_missing", f"the state document of {self._name} is gone", hint=hint)

    def _fenced(self) -> Fenced:
        hint = "Another worker runs this sink; run one of them."
        return Fenced(f"another worker took over the sink {self._name}", hint=hint)

    def _put(self, progress: Progress) -> bool:
        progress.last_seen_ms = time.time_ns() // 1_000_000
        body = progress.to_json()
        answer = self._cluster.request("PUT", self._path, params=self._guard, body=body, expect=(404, 409))
        if answer.status in {404, 409}:
            return False
        self._guard = {"if_seq_no": answer.body["_seq_no"], "if_primary_term": answer.body["_primary_term"]}
        return True
