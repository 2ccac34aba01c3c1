"""A sink's small compacted topic: per topic, the ends noted at first start and when it last stood at the end (T1, T2).

Beside the sink's own position and not in it, so that every sink plugin knows when it is complete without any code for
it. A note counts only for what the sink's own position says it has begun.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.api.versions import readable
from connect.errors import Failed
from connect.kafka.positions import read_to
from connect.kafka.topics import POSITIONS, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from connect.kafka.appender import Appender
    from connect.kafka.topics import Topics

# Notes that are about no topic: no topic has a colon in its name.
OPTIONS: Final = ":options"
RATE: Final = ":rate"
REBUILT: Final = "rebuilt"  # in the note OPTIONS: what that run wrote was dropped since, and it starts at offset 0
VERSION: Final = 1  # of a note
_LOOK_SECONDS: Final = 10.0


class SinkNotes:
    """Reads and writes one sink's notes; the key is the topic, or ``OPTIONS`` or ``RATE``; the value a JSON object."""

    def __init__(self, settings: Mapping[str, Any], topics: Topics, appender: Appender, sink: str) -> None:
        """``settings``: librdkafka settings of the connection; ``sink``: its name with its worker group's."""
        self.topic = f"{sink}.bootstrap"
        self._settings = settings
        self._topics = topics
        self._appender = appender

    def read(self, seconds: float = 60.0) -> dict[str, dict[str, Any]]:
        """Every note, by topic; makes the topic where it is missing.

        Raises:
            Failed: ``offset_format``: something else wrote into the topic (F124); ``state_is_newer``.
        """
        self._topics.ensure([TopicSpec(self.topic, 1, POSITIONS)])
        return _read(self._settings, self._topics, self.topic, seconds)

    def write(self, notes: Mapping[str, dict[str, Any]], seconds: float = 30.0) -> None:
        """Write notes; durable on return.

        Raises:
            Retriable: They are not known to be within ``seconds``.
        """
        for topic, note in notes.items():
            self._appender.send(self.topic, topic.encode(), orjson.dumps(note))
        self._appender.flush(seconds)


def look_at_notes(settings: Mapping[str, Any], topics: Topics, sink: str) -> dict[str, dict[str, Any]]:
    """A sink's notes for whoever only shows them; none where it never ran. ``sink``: its name with its group's.

    Raises:
        Retriable, Failed: As ``SinkNotes.read``.
    """
    topic = f"{sink}.bootstrap"
    return _read(settings, topics, topic, _LOOK_SECONDS) if topics.describe([topic]) else {}


def _read(settings: Mapping[str, Any], topics: Topics, topic: str, seconds: float) -> dict[str, dict[str, Any]]:
    [end] = topics.ends(topic, 1)
    notes: dict[str, dict[str, Any]] = {}
    for message in read_to(settings, topic, 0, end, seconds):
        note = _decode(message, topic)
        readable(f"topic {topic}", note.get("version"), VERSION)
        notes[(message.key() or b"").decode()] = note
    return notes


def _decode(message: Message, topic: str) -> dict[str, Any]:
    with suppress(ValueError):
        note = orjson.loads(message.value() or b"")
        if isinstance(note, dict):
            return note
    text = f"topic {topic} holds a record at offset {message.offset()} that is no note of ours"
    hint = "Something else wrote into it. Delete the topic and run connect rebuild SINK FILE."
    raise Failed("offset_format", text, hint=hint)
