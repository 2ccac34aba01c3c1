"""Dead letters read back: which record, why it was put aside, and the record decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connect.errors import ConnectError, RecordError
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.runtime.dead_letters import PREFIX
from connect.runtime.topic_records import Undecoded, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from connect.record import SinkRecord
    from connect.schema.formats import Reader

_SECONDS = 30.0


class Letter(NamedTuple):
    """A dead letter.

    Attributes:
        connector: The sink that could not write it.
        error: Why not; holds no values.
        record: The record that it is, at its own place; what cannot be decoded says why.
    """

    connector: str
    error: str
    record: SinkRecord | Undecoded

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"connector": self.connector, "error": self.error, "record": to_json(self.record)}


def read_letters(settings: Mapping[str, Any], reader: Reader, topic: str) -> Iterator[Letter]:
    """Every letter of a dead-letter topic, oldest first; one that was sent twice, after a kill, once.

    Raises:
        ConnectError: ``topic_unknown``: no letter was ever written.
        Retriable: The brokers or the registry are not there.
    """
    topics = Topics(settings)
    if topic not in topics.describe([topic]):
        message = f"there is no topic {topic}"
        raise ConnectError(message, code="topic_unknown", hint="It is made with the first record that is put aside.")
    seen = set()
    (end,) = topics.ends(topic, 1)
    for message in read_to(settings, topic, 0, end, _SECONDS):
        if message.key() not in seen:
            seen.add(message.key())
            yield _letter(reader, message)


def _letter(reader: Reader, message: Message) -> Letter:
    headers = {name.removeprefix(PREFIX): value for name, value in message.headers() or ()}
    texts = {name: bytes(value or b"").decode(errors="replace") for name, value in headers.items()}
    connector, error = texts.get("connector.name", ""), texts.get("exception.message", "")
    where = f"{texts.get('topic', '')}[{texts.get('partition', '')}]@{texts.get('offset', '')}"
    try:
        partition, offset, timestamp = (int(texts[name]) for name in ("partition", "offset", "timestamp"))
        key = headers.get("key")
        record = reader.read(
            texts["topic"], partition, offset, timestamp, None if key is None else bytes(key), message.value()
        )
    except RecordError as cause:
        return Letter(connector, error, Undecoded(where, cause.message))
    except (KeyError, ValueError):
        return Letter(connector, error, Undecoded(where, "it does not say which record it is"))
    return Letter(connector, error, record)
