"""Records that wait for a transaction: of a batch until all of it is encoded, of several while the last one commits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from connect.compiled import COMPILED

if COMPILED:
    from connect.records_c import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Part(NamedTuple):
    """Records of one topic: ``Records``, or a list of mappings with ``key`` and ``value``."""

    topic: str
    partition: int
    records: Any


class Slice(NamedTuple):
    """Records of a part, from ``start`` on and before ``stop``."""

    part: Part
    start: int
    stop: int


class Outbox:
    """Takes records as ``TransactionalProducer`` does, and keeps their order within each topic."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._start = 0  # the first part of the batch that is being sent
        self._singles = 0  # bytes of records that are lists, which do not count themselves

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def size(self) -> int:
        """Bytes of all keys and values (of those that a dropped batch had, too)."""
        return self._singles + (sum(part.records.size for part in self._parts) if COMPILED else 0)

    def begin(self) -> None:
        """What is sent from now on is a batch of its own, which ``drop`` takes back."""
        self._start = len(self._parts)

    def drop(self) -> None:
        """Forget what was sent since ``begin``."""
        del self._parts[self._start :]

    def send(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        """Keep one record; without ``value`` it is a tombstone, and partition -1 chooses by the key."""
        last = self._parts[-1] if len(self._parts) > self._start else None
        if last is None or (last.topic, last.partition) != (topic, partition):
            last = Part(topic, partition, Records() if COMPILED else [])
            self._parts.append(last)
        if COMPILED:
            last.records.append(key, value)
        else:
            last.records.append({"key": key, "value": value})
            self._singles += _size(last.records[-1])

    def send_all(self, topic: str, records: Records, partition: int = -1) -> None:
        """Keep records, which are no longer the caller's."""
        if len(records):
            self._parts.append(Part(topic, partition, records))

    def take(self) -> list[Part]:
        """All that is kept, for whoever sends it."""
        parts, self._parts, self._start, self._singles = self._parts, [], 0, 0
        return parts


def rounds(parts: Sequence[Part], partitions: Mapping[str, int], most: int) -> Iterator[list[Slice]]:
    """Parts in rounds: in each, of every topic what one request to each of its partitions takes.

    Args:
        parts: The records, each topic's in their order, which they keep.
        partitions: How many partitions topics have; one where it is not known.
        most: Bytes of a request's records. A record that is larger is alone in its round.
    """
    waiting: dict[str, deque[Slice]] = {}
    for part in parts:
        waiting.setdefault(part.topic, deque()).append(Slice(part, 0, len(part.records)))
    while waiting:
        yield [taken for topic in waiting for taken in _fitting(waiting[topic], most * partitions.get(topic, 1))]
        waiting = {topic: rest for topic, rest in waiting.items() if rest}


def _fitting(waiting: deque[Slice], most: int) -> Iterator[Slice]:
    """Take off the front what has no more than so many bytes, one record at least."""
    room = most
    while waiting and (room > 0 or room == most):
        part, start, stop = waiting.popleft()
        until, size = _until(part.records, start, room)
        if size > room and room < most:  # it begins the next round
            waiting.appendleft(Slice(part, start, stop))
            return
        yield Slice(part, start, until)
        room -= size
        if until < stop:
            waiting.appendleft(Slice(part, until, stop))
            return


def _until(records: Any, start: int, most: int) -> tuple[int, int]:
    """The index behind the records from ``start`` on, one at least, that have at most ``most`` bytes; and theirs."""
    if not isinstance(records, list):
        fitting: tuple[int, int] = records.fitting(start, most)
        return fitting
    stop, size = start, 0
    while stop < len(records) and (stop == start or size + _size(records[stop]) <= most):
        size += _size(records[stop])
        stop += 1
    return stop, size


def _size(record: Mapping[str, bytes | None]) -> int:
    return len(record["key"] or b"") + len(record["value"] or b"")
