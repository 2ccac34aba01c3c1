"""Dead letters sent again once their cause is mended, never over a newer record of their key.

The topic decides, not the letter: from a letter on, every record of its key up to the sink's position is read back and
written again in its order, as one write. The last of them wins, as it would have, had none failed.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson

from connect.api.sink import SinkContext, TopicPartition, WritesAgain
from connect.errors import Failed, RecordError, Retriable
from connect.failpoints import failpoint
from connect.kafka.appender import Appender
from connect.kafka.consumer import SinkConsumer
from connect.record import UNAVAILABLE, Op
from connect.runtime.dead_letters import letter_key, settle
from connect.runtime.letters import Letter, read_letters
from connect.runtime.maintenance import at_rest, known
from connect.runtime.tasks import SinkTopics, registry_client
from connect.runtime.topic_records import records_up_to
from connect.schema.reader import RecordReader
from connect.transforms.build import sink_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.api import Sink
    from connect.config.models import Config, SinkConfig
    from connect.kafka.consumer import Raw
    from connect.kafka.topics import Topic
    from connect.record import SinkRecord

_AT_ONCE: Final = 1_000  # records in a write, but a key's are never parted
_LONGEST: Final = 1_000  # records of a key: before the last whole one of more, the older are of no account
_AVRO_HEADER: Final = 5  # the magic byte and a schema id

Outcome = Literal["written", "superseded", "refused", "kept"]


class Resent(NamedTuple):
    """What became of a letter.

    Attributes:
        letter: The letter.
        outcome: ``written``; ``superseded``: the target has what came after it; these two are listed no more.
            ``refused`` by the target again; ``kept``: it cannot be sent.
        why: In a sentence; "" for ``written``.
    """

    letter: Letter
    outcome: Outcome
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {**self.letter.to_json(), "outcome": self.outcome, "why": self.why}


def resend(config: Config, name: str, key: str | None = None) -> list[Resent]:
    """Send a sink's letters again, oldest key first; ``key``: only those of this key.

    A kill between the write and the marks leaves the letters listed: sent again, they change nothing.

    Raises:
        ConfigError: The file has no such sink.
        ConnectError: ``topic_unknown``: no letter was ever written; ``resend_unsupported``.
        Retriable: A server is not there.
    """
    sink = config.sinks[known(name, config.sinks, "sink")]
    topics = SinkTopics(config, sink)
    pipeline, reader = sink_pipeline(sink, topics.__getitem__), RecordReader(registry_client(config))
    letters = read_letters(config.kafka.settings(), reader, sink.dead_letter_topic, pipeline, key)
    if not letters:
        return []
    with at_rest(config, name), ExitStack() as after:
        consumer = SinkConsumer(config.kafka.settings(), f"{config.name}.{name}")
        after.callback(consumer.close)
        appender = Appender(config.kafka.settings())
        after.callback(appender.close)
        context = SinkContext(sink.name, config.name, lambda topic: topics[topic].options)
        target: Sink = sink.plugin.build(sink.options, context)
        after.callback(target.close)
        return list(_Resending(sink, target, consumer, appender, reader, pipeline).send(letters, topics))


@dataclass
class _History:
    """What a topic has of one key from its oldest letter on; of a record without a key, itself alone."""

    letters: dict[int, Letter]
    raws: list[Raw] = field(default_factory=list)
    truncated: bool = False  # after the last of its letters
    records: list[SinkRecord] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


@dataclass
class _Resending:
    """The servers and codecs of one command."""

    sink: SinkConfig
    target: Sink
    consumer: SinkConsumer
    appender: Appender
    reader: RecordReader
    pipeline: Any

    def send(self, letters: Sequence[Letter], topics: SinkTopics) -> Iterator[Resent]:
        target = self.target
        if not isinstance(target, WritesAgain):
            message = f"{self.sink.name}: {self.sink.plugin.name} cannot write older records again"
            raise Failed("resend_unsupported", message, hint="Mend the cause, then run connect rebuild SINK FILE.")
        placed = [letter for letter in letters if letter.place is not None]
        names = {letter.place[0] for letter in placed if letter.place}
        found = self.consumer.find(lambda topic: topic in names and topics.wanted(topic))
        for letter in letters:
            if letter.place is None or letter.place[0] not in found:
                yield Resent(letter, "kept", "its topic is not there, or the sink reads it no more")
        ours = sorted((letter for letter in placed if letter.place and letter.place[0] in found), key=_place)
        if not ours:
            return
        partitions = [
            TopicPartition(topic.name, topic.id, p) for topic in found.values() for p in range(topic.partitions)
        ]
        held = target.open(partitions)
        for (name, partition), of_partition in groupby(ours, lambda letter: _place(letter)[:2]):
            place = TopicPartition(name, found[name].id, partition)
            yield from self._partition(target, place, list(of_partition), held.get(place, 0), found[name])

    def _partition(
        self, target: WritesAgain, place: TopicPartition, letters: list[Letter], end: int, topic: Topic
    ) -> Iterator[Resent]:
        ahead = [letter for letter in letters if _place(letter)[2] >= end]
        yield from self._settled(
            [Resent(each, "superseded", "the sink has yet to come to its record") for each in ahead]
        )
        letters = [letter for letter in letters if _place(letter)[2] < end]
        if not letters:
            return
        compacted = "compact" in self.consumer.settings([topic.name])[topic.name].get("cleanup.policy", "")
        histories = self._read(place, letters, end)
        batch: list[_History] = []
        for history in histories:
            self._decode(history)
            batch.append(history)
            if sum(len(each.records) for each in batch) >= _AT_ONCE:
                yield from self._write(target, batch, compacted=compacted)
                batch = []
        yield from self._write(target, batch, compacted=compacted)

    def _read(self, place: TopicPartition, letters: list[Letter], end: int) -> list[_History]:
        """The histories of the letters' keys, from one pass over the partition up to the sink's position."""
        histories: dict[object, _History] = {}
        for letter in letters:
            offset = _place(letter)[2]
            histories.setdefault(_key_name(letter.key, offset), _History({})).letters[offset] = letter
        first = self.consumer.bounds([place])[place].first
        start = max(first, _place(letters[0])[2])
        ends = {place: end} if start < end else {}
        if ends:
            self.consumer.assign({place: start})
        for raw in records_up_to(self.consumer, ends):
            if raw.key is None and self._is_truncate(raw):
                for history in histories.values():
                    if min(history.letters) < raw.offset:
                        history.raws, history.truncated = [], max(history.letters) < raw.offset
            of_key = histories.get(_key_name(raw.key, raw.offset))
            if of_key is not None and raw.offset >= min(of_key.letters):
                of_key.raws.append(raw)
                self._bound(of_key)
        if ends:
            message = f"{place.topic}[{place.partition}] could not be read up to offset {end}, where the sink stands"
            raise Retriable(message, code="hanging_transaction", hint="Try again; nothing was sent.")
        return list(histories.values())

    def _is_truncate(self, raw: Raw) -> bool:
        try:
            return self._record(raw).op is Op.TRUNCATE
        except RecordError:
            return False

    def _record(self, raw: Raw) -> SinkRecord:
        return self.reader.read(raw.place.topic, raw.place.partition, *raw[1:])

    def _bound(self, history: _History) -> None:
        """Invariant 7: a hot key may have millions; what lies before a whole row that was written is of no account."""
        if len(history.raws) <= _LONGEST:
            return
        for index in range(len(history.raws) - 1, 0, -1):
            raw = history.raws[index]
            if raw.offset not in history.letters and self._has_whole(raw):
                history.raws = history.raws[index:]
                return

    def _has_whole(self, raw: Raw) -> bool:
        try:
            return _is_whole(self._record(raw))
        except RecordError:
            return False

    def _decode(self, history: _History) -> None:
        for raw in history.raws:
            try:
                record = self.pipeline.apply(self._record(raw))
            except RecordError as error:
                history.refused[raw.offset] = error.message
            else:
                if record is not None and record.op is Op.TRUNCATE:
                    history.refused[raw.offset] = "a TRUNCATE is not sent again: connect rebuild SINK FILE"
                elif record is not None:
                    history.records.append(record)

    def _write(self, target: WritesAgain, histories: Sequence[_History], *, compacted: bool) -> Iterator[Resent]:
        """As one: what the target refuses is left out, as when it came first (rule K5)."""
        batch = [record for history in histories for record in history.records]
        owners = [history for history in histories for _ in history.records]
        skip: set[int] = set()
        while batch:
            new = [failure for failure in target.write_again(batch, skip).failures if failure.index not in skip]
            for failure in new:
                owners[failure.index].refused[batch[failure.index].offset] = failure.error
            skip |= {failure.index for failure in new}
            if not new:
                break
        failpoint("resend.before_marks")
        yield from self._settled(
            [_outcome(history, offset, compacted=compacted) for history in histories for offset in history.letters]
        )

    def _settled(self, resent: list[Resent]) -> list[Resent]:
        done = [each for each in resent if each.outcome in {"written", "superseded"}]
        if done:
            marks = [(letter_key(*_place(each.letter)), each.outcome) for each in done]
            settle(self.appender, self.sink.dead_letter_topic, marks)
        return resent


def _key_name(key: bytes | None, offset: int) -> object:
    """The same for equal keys, under another schema id or JSON schema too; a record without a key is its own."""
    if key is None:
        return offset
    if key[:1] == b"\0":
        return key[_AVRO_HEADER:]
    try:
        value = orjson.loads(key)
    except orjson.JSONDecodeError:
        return key
    payload = value.get("payload", value) if isinstance(value, dict) else value
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)


def _place(letter: Letter) -> tuple[str, int, int]:
    assert letter.place is not None  # noqa: S101 - those without one were kept before
    return letter.place


def _is_whole(record: SinkRecord) -> bool:
    return record.after is None or all(value is not UNAVAILABLE for value in record.after.values())


def _outcome(history: _History, offset: int, *, compacted: bool) -> Resent:
    outcome, why = _verdict(history, offset, compacted=compacted)
    return Resent(history.letters[offset], outcome, why)


def _verdict(history: _History, offset: int, *, compacted: bool) -> tuple[Outcome, str]:
    written = [record for record in history.records if record.offset not in history.refused]
    if any(record.offset > offset and _is_whole(record) for record in written):
        return "superseded", "the target has a newer record of its key"
    if offset in history.refused:
        return "refused", history.refused[offset]
    if any(raw.offset == offset for raw in history.raws):
        dropped = all(record.offset != offset for record in written)
        return ("superseded", "the sink's transforms leave it out") if dropped else ("written", "")
    if history.truncated or compacted:
        return "superseded", "its topic has it no more: its table was emptied, its row deleted, or a newer one came"
    return "kept", "its topic has it no more, and what came after it cannot be told: connect rebuild SINK FILE"
