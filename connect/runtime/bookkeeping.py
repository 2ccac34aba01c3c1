"""Whether a topic is a worker's own, of any file: a pattern such as ``*.*.*`` must not take it for a table's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.kafka.positions import read_to
from connect.kafka.sink_notes import OPTIONS, RATE
from connect.kafka.topics import Topics
from connect.runtime.dead_letters import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

# Behind the worker group and the connector. A table may be called so too, so the name alone decides nothing.
NAMES: Final = (".positions", ".bootstrap", ".dead")
_NOTE: Final = {"version", "partitions"}
_KEYS: Final = {b"position", OPTIONS.encode(), RATE.encode()}
_SECONDS: Final = 30.0


def is_bookkeeping(settings: Mapping[str, Any], topic: str) -> bool | None:
    """Whether the first record is one that a worker writes for itself; None while there is no record to tell by.

    Raises:
        Retriable: The brokers do not answer.
        Failed: The principal may not read the topic.
    """
    topics = Topics(settings)
    found = topics.describe([topic]).get(topic)
    if found is None:
        return None
    if found.partitions != 1:  # a worker's own have one
        return False
    [end] = topics.ends(topic, 1)
    for message in read_to(settings, topic, 0, end, _SECONDS):
        return _is_ours(message)
    return None


def _is_ours(message: Message) -> bool:
    key = message.key() or b""
    if key in _KEYS or key.startswith(b"note:"):
        return True
    if any(name.startswith(PREFIX) for name, _ in message.headers() or ()):
        return True
    try:
        note = orjson.loads(message.value() or b"")
    except orjson.JSONDecodeError:
        return False  # Avro
    return isinstance(note, dict) and note.keys() == _NOTE
