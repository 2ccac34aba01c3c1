"""Records that wait for a transaction: of a batch until all of it is encoded, of several while the last one commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connect.compiled import COMPILED

if COMPILED:
    from connect.records_c import Records

if TYPE_CHECKING:
    from connect.kafka.producer import TransactionalProducer


class _Part(NamedTuple):
    topic: str
    partition: int
    records: Any


class Outbox:
    """Takes records as ``TransactionalProducer`` does, and keeps their order within each topic."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
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
            last = _Part(topic, partition, Records() if COMPILED else [])
            self._parts.append(last)
        if COMPILED:
            last.records.append(key, value)
        else:
            last.records.append({"key": key, "value": value})
            self._singles += len(key or b"") + len(value or b"")

    def send_all(self, topic: str, records: Records, partition: int = -1) -> None:
        """Keep records, which are no longer the caller's."""
        self._parts.append(_Part(topic, partition, records))

    def flush(self, producer: TransactionalProducer) -> None:
        """Hand all over to the open transaction; raises as ``TransactionalProducer.send_all`` does."""
        parts, self._parts, self._start, self._singles = self._parts, [], 0, 0
        for part in parts:
            producer.send_all(part.topic, part.records, part.partition)
