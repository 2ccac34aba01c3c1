"""Dead letters read back: which record, why it was put aside, and the record decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import ConnectError, RecordError
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.runtime.dead_letters import PREFIX, SETTLED
from connect.runtime.topic_records import Undecoded, has_key, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from connect.record import SinkRecord
    from connect.runtime.sink_task import Pipeline
    from connect.schema.formats import Reader

CODE: Final = "poisoned_record"  # of every letter: what the sink would have stopped with
_SECONDS: Final = 30.0


class Letter(NamedTuple):
    """A dead letter.

    Attributes:
        connector: The sink that could not write it.
        error: Why not; holds no values.
        place: Topic, partition and offset of the record; None where it does not say.
        key: Its key's bytes.
        record: The record that it is, as the sink's transforms leave it; what cannot be decoded says why.
    """

    connector: str
    error: str
    place: tuple[str, int, int] | None
    key: bytes | None
    record: SinkRecord | Undecoded

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"connector": self.connector, "code": CODE, "error": self.error, "record": to_json(self.record)}


def read_letters(
    settings: Mapping[str, Any], reader: Reader, topic: str, transforms: Pipeline | None = None, key: str | None = None
) -> list[Letter]:
    """The letters of a dead-letter topic that nobody settled, oldest first; one that was sent twice, by a kill, once.

    Args:
        settings: librdkafka settings of the connection.
        reader: Of the records.
        topic: The dead-letter topic.
        transforms: The sink's: what they mask is not shown.
        key: Only letters of this key: its value, or a JSON object of its columns.

    Raises:
        ConnectError: ``topic_unknown``: no letter was ever written.
        Retriable: The brokers or the registry are not there.
    """
    topics = Topics(settings)
    if topic not in topics.describe([topic]):
        message = f"there is no topic {topic}"
        raise ConnectError(message, code="topic_unknown", hint="It is made with the first record that is put aside.")
    open_: dict[bytes | None, Message] = {}
    (end,) = topics.ends(topic, 1)
    for message in read_to(settings, topic, 0, end, _SECONDS):
        if any(name == SETTLED for name, _ in message.headers() or ()):
            open_.pop(message.key(), None)
        else:
            open_[message.key()] = message
    letters = [_letter(reader, message, transforms) for message in open_.values()]
    return letters if key is None else [letter for letter in letters if has_key(letter.record, key)]


def _letter(reader: Reader, message: Message, transforms: Pipeline | None) -> Letter:
    headers = {name.removeprefix(PREFIX): value for name, value in message.headers() or ()}
    texts = {name: bytes(value or b"").decode(errors="replace") for name, value in headers.items()}
    connector, error = texts.get("connector.name", ""), texts.get("exception.message", "")
    where = f"{texts.get('topic', '')}[{texts.get('partition', '')}]@{texts.get('offset', '')}"
    try:
        partition, offset, timestamp = (int(texts[name]) for name in ("partition", "offset", "timestamp"))
        place = (texts["topic"], partition, offset)
    except (KeyError, ValueError):
        return Letter(connector, error, None, None, Undecoded(where, "it does not say which record it is"))
    key = bytes(headers["key"]) if "key" in headers else None
    try:
        record = reader.read(*place, timestamp, key, message.value())
        shown = transforms.apply(record) if transforms else record
    except RecordError as cause:
        return Letter(connector, error, place, key, Undecoded(where, cause.message))
    except KeyError:
        why = "the sink reads its topic no more, so nobody knows what its transforms would mask"
        return Letter(connector, error, place, key, Undecoded(where, why))
    return Letter(connector, error, place, key, shown or Undecoded(where, "the sink's transforms leave it out"))
