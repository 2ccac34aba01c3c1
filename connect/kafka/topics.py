"""Topics: made with the right settings, and checked to be what the connector left there (F89, F92, F98)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from connect.errors import Failed, Retriable
from connect.kafka.client import LOGGER, MAX_MESSAGE_BYTES, kafka_errors, translate
from connect.kafka.heard import hears
from connect.kafka.offsets import offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_SECONDS: Final = 5.0  # a stop waits for the request that runs, and ends within 10 s (F114)
_TOPIC_SECONDS: Final = 0.1  # a broker out of breath takes so long for each of hundreds of new topics
_LED_SECONDS: Final = 45.0  # but whoever waits for a task would call it stalled after a minute
_AT_ONCE: Final = 50  # new topics in a request
_DAY_MS: Final = 86_400_000

STATE: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(_DAY_MS),  # live readers see every change of the last day
    "delete.retention.ms": str(7 * _DAY_MS),
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}
POSITIONS: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(4 * 1_048_576),  # read whole at each start, so it is kept small
    "segment.ms": str(600_000),
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}


def events_settings(keep_ms: int) -> dict[str, str]:
    """Settings of an event view: kept by time; -1 is for ever."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(keep_ms),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }


@dataclass(frozen=True)
class TopicSpec:
    """A topic as we want it."""

    name: str
    partitions: int
    settings: Mapping[str, str]


class Topic(NamedTuple):
    """A topic as the cluster has it; ``id`` changes when it is deleted and made again."""

    name: str
    id: str
    partitions: int


class Topics:
    """Looks at and makes topics over one admin connection."""

    def __init__(self, settings: Mapping[str, Any], stopping: Callable[[], bool] = lambda: False) -> None:
        """``settings``: librdkafka settings of the connection; ``stopping`` ends a wait for new topics' leaders."""
        self._stopping = stopping
        self._admin = AdminClient({**settings, "error_cb": hears(settings)}, logger=LOGGER)

    def describe(self, names: Sequence[str]) -> dict[str, Topic]:
        """Those of the topics that exist."""
        if not names:
            return {}
        found: dict[str, Topic] = {}
        with kafka_errors("describing topics", self._admin):
            answers = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=_SECONDS)
        for name, future in answers.items():
            try:
                answer = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                self._admin.poll(0)
                raise translate(error.args[0], f"describing topic {name}") from None
            found[name] = Topic(name, str(answer.topic_id), len(answer.partitions))
        return found

    def names(self) -> list[str]:
        """Every topic that the principal may see."""
        with kafka_errors("listing topics", self._admin):
            return sorted(self._admin.list_topics(timeout=_SECONDS).topics)

    def settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings in force of topics that exist."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        found = {}
        for resource, future in self._admin.describe_configs(resources, request_timeout=_SECONDS).items():
            with kafka_errors(f"reading the settings of topic {resource.name}", self._admin):
                found[resource.name] = {name: entry.value for name, entry in future.result().items()}
        return found

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Make topics; replication factor is the broker's default. One that exists already is left as it is."""
        if not specs:
            return
        new = [
            NewTopic(spec.name, spec.partitions, replication_factor=-1, config=dict(spec.settings)) for spec in specs
        ]
        for at in range(0, len(new), _AT_ONCE):
            some = new[at : at + _AT_ONCE]
            made = self._admin.create_topics(some, request_timeout=_SECONDS, operation_timeout=_SECONDS)
            for name, future in made.items():
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        self._admin.poll(0)
                        raise translate(error.args[0], f"making topic {name}") from None

    def ensure(self, specs: Sequence[TopicSpec]) -> dict[str, Topic]:
        """Every topic of ``specs``, made where missing and checked where present.

        Raises:
            Failed: ``partition_count`` or ``topic_policy``: it exists, but not as the file wants it.
        """
        present = self.describe([spec.name for spec in specs])
        settings = self.settings(present)
        for spec in specs:
            if spec.name in present:
                _check(spec, present[spec.name], settings[spec.name])
        missing = [spec for spec in specs if spec.name not in present]
        self.create(missing)
        if missing:
            present |= self._led([spec.name for spec in missing])
        return present

    def _led(self, names: Sequence[str]) -> dict[str, Topic]:
        """New topics once each of their partitions has a leader, which a moment ago it had not."""
        deadline = time.monotonic() + min(_SECONDS + _TOPIC_SECONDS * len(names), _LED_SECONDS)
        while True:
            topics, late = self.describe(names), None
            try:
                self.sizes(topics.values())
            except Retriable as error:
                late = error
            unknown = [name for name in names if name not in topics]
            if unknown and late is None:
                message = f"no broker knows {unknown[0]} yet, which was just made, nor {len(unknown) - 1} others"
                late = Retriable(message, code="kafka_unreachable")
            if late is None:
                return topics
            if time.monotonic() > deadline or self._stopping():
                raise late
            time.sleep(0.05)

    def ends(self, topic: str, partitions: int, *, stable: bool = False) -> list[int]:
        """End offsets READ_UNCOMMITTED: behind open transactions too (invariant 2). ``stable``: before them."""
        places = [(topic, number) for number in range(partitions)]
        ends = offsets(self._admin, places, OffsetSpec.latest(), stable=stable)
        return [ends[place] for place in places]

    def sizes(self, topics: Iterable[Topic]) -> dict[str, int]:
        """Offsets between the first and the end of each topic: no fewer than it has records."""
        places = [(topic.name, number) for topic in topics for number in range(topic.partitions)]
        sizes = dict.fromkeys((name for name, _ in places), 0)
        for spec, sign in ((OffsetSpec.earliest(), -1), (OffsetSpec.latest(), 1)):
            for (name, _), offset in offsets(self._admin, places, spec).items():
                sizes[name] += sign * offset
        return sizes


def _check(spec: TopicSpec, topic: Topic, settings: Mapping[str, str]) -> None:
    if topic.partitions != spec.partitions:
        message = f"topic {spec.name} has {topic.partitions} partitions and the file wants {spec.partitions}"
        hint = (
            f"A key would change its partition and lose its order (F89). Write partitions: {topic.partitions} for this "
            "table, or give the source another topic_prefix."
        )
        raise Failed("partition_count", message, hint=hint)
    wanted, found = spec.settings["cleanup.policy"], settings.get("cleanup.policy", "")
    if found != wanted:
        message = f"topic {spec.name} has cleanup.policy={found} and its view needs {wanted}"
        hint = f"kafka-configs.sh --alter --topic {spec.name} --add-config cleanup.policy={wanted}"
        raise Failed("topic_policy", message, hint=hint)
