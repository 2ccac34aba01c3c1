"""First and end offsets of partitions; a leader that moves at the moment is found, not told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaTopicPartition

from connect.kafka.client import kafka_errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient, OffsetSpec

Place = tuple[str, int]  # topic and partition

_SECONDS: Final = 5.0  # a stop waits for the request that runs, and ends within 10 s (F114)
_MOVING_SECONDS: Final = 3.0  # topics of a first run have just been made; a leader that is still away then is told
_MOVING: Final = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.FENCED_LEADER_EPOCH}
)


def offsets(admin: AdminClient, places: Iterable[Place], spec: OffsetSpec, *, stable: bool = False) -> dict[Place, int]:
    """What ``spec`` asks for, by place: READ_UNCOMMITTED, behind open transactions too; ``stable``: before them.

    Raises:
        Retriable: The broker does not answer, or a leader stays away.
    """
    isolation = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
    found: dict[Place, int] = {}
    deadline = time.monotonic() + _MOVING_SECONDS
    wanted = set(places)
    while wanted:
        asked = {KafkaTopicPartition(*place): spec for place in wanted}
        for at, future in admin.list_offsets(asked, isolation_level=isolation, request_timeout=_SECONDS).items():
            with kafka_errors(f"listing offsets of topic {at.topic}", admin):
                if not (_moving(future) and time.monotonic() < deadline):
                    found[at.topic, at.partition] = future.result().offset
        wanted -= found.keys()
        time.sleep(0.1 if wanted else 0.0)
    return found


def _moving(future: Future[Any]) -> bool:
    """Whether the partition's leader has moved, or has just been chosen: asked again, it is found."""
    error = future.exception()
    return isinstance(error, KafkaException) and error.args[0].code() in _MOVING
