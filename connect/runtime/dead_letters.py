"""Records that a sink cannot write, kept in a topic of their own before the sink goes on (rule K5). Idempotent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connect.kafka.topics import TopicSpec, events_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connect.kafka.appender import Appender
    from connect.kafka.consumer import Raw
    from connect.kafka.topics import Topics

PREFIX: Final = "__connect.errors."  # the header names of Kafka Connect's dead-letter queues
SETTLED: Final = f"{PREFIX}settled"  # of a mark: what became of the letter


class DeadLetters:
    """A dead-letter topic, made with its retention at the first letter."""

    def __init__(self, topics: Topics, appender: Appender, connector: str, topic: str, keep_ms: int) -> None:
        """``keep_ms``: retention of the topic in milliseconds; -1 is for ever."""
        self.topic = topic
        self._topics = topics
        self._appender = appender
        self._connector = connector
        self._spec = TopicSpec(topic, 1, events_settings(keep_ms))
        self._made = False

    def send(self, letters: Iterable[tuple[Raw, str]]) -> None:
        """Make letters durable: the record's own bytes, its place, and an error that holds no values.

        The key is the record's place, so a letter that is sent again after a kill is the same letter.
        """
        if not self._made:
            self._topics.create([self._spec])
            self._made = True
        for raw, error in letters:
            place = letter_key(raw.place.topic, raw.place.partition, raw.offset)
            self._appender.send(self.topic, place, raw.value, self._headers(raw, error))
        self._appender.flush()

    def _headers(self, raw: Raw, error: str) -> list[tuple[str, bytes]]:
        texts = {
            "topic": raw.place.topic,
            "partition": str(raw.place.partition),
            "offset": str(raw.offset),
            "timestamp": str(raw.timestamp_ms),
            "connector.name": self._connector,
            "exception.message": error,
        }
        headers = [(PREFIX + name, text.encode()) for name, text in texts.items()]
        return headers if raw.key is None else [*headers, (PREFIX + "key", raw.key)]


def letter_key(topic: str, partition: int, offset: int) -> bytes:
    """The key of a letter: the place of its record."""
    return f"{topic}/{partition}/{offset}".encode()


def settle(appender: Appender, topic: str, letters: Iterable[tuple[bytes, str]]) -> None:
    """Mark letters, by their keys, as nothing to do any more, with what became of each; durable on return."""
    for key, what in letters:
        appender.send(topic, key, None, [(SETTLED, what.encode())])
    appender.flush()
