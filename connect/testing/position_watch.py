"""Watches the committed positions of a source from outside: they never go back (invariant 3), and when they came."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition

from connect.kafka.client import LOGGER
from connect.kafka.heard import hears

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

_EVERY_SECONDS: Final = 0.1


class Committed(NamedTuple):
    """A position that a ``read_committed`` consumer found: its record's offset, its place in the log, when."""

    offset: int
    place: Any
    at: float  # monotonic seconds


class PositionWatch:
    """Reads a positions topic while it grows. One thread, joined by ``__exit__``.

    Args:
        bootstrap: Of Kafka.
        topic: The connector's positions topic; it exists.
        place: Where a position lies in the log; places compare by their order.
    """

    def __init__(self, bootstrap: str, topic: str, place: Callable[[Mapping[str, Any]], Any]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="positions")
        self.positions: list[Committed] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def passed_at(self, place: Any) -> float | None:
        """When (monotonic seconds) the committed position first was at or past a place; None: not yet."""
        at = None
        for position in reversed(self.positions):
            if position.place < place:
                break
            at = position.at
        return at

    def went_back(self) -> int:
        """How often a committed position was below the one before it (invariant 3)."""
        return sum(b.place < a.place for a, b in zip(self.positions, self.positions[1:], strict=False))

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._topic}.watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "error_cb": hears({}),
            },
            logger=LOGGER,
        )
        try:
            consumer.assign([TopicPartition(self._topic, 0, 0)])
            while not self._stop.is_set():
                for message in consumer.consume(1000, _EVERY_SECONDS):
                    if message.error() is None and message.key() == b"position" and message.value() is not None:
                        place = self._place(orjson.loads(message.value() or b"{}"))
                        self.positions.append(Committed(message.offset() or 0, place, time.monotonic()))
        finally:
            consumer.close()
