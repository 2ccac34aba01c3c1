"""Watches from outside that Postgres never hears of a position before Kafka has it (invariant 1).

A commit has returned once the transaction's coordinator holds it; readers see it a moment later, when its markers are
in the partitions. So what counts is whether the position's record was in the log by then and was committed in the end.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import psycopg
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connect.kafka.client import LOGGER, quiet

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_EVERY_SECONDS: Final = 0.1


class _Position(NamedTuple):
    offset: int
    lsn: int
    at: float  # monotonic seconds


class _Sample(NamedTuple):
    lsn: int
    end: int  # of the positions topic, open transactions included, asked after the slot


class SlotWatch:
    """Samples the slot, then the positions topic's end, every 100 ms; reads the positions meanwhile.

    Both are compared at the end, so that a slow reader is no false alarm. Two threads, joined by ``__exit__``.

    Args:
        url: Of the database, as one who may read ``pg_replication_slots``.
        slot: The connector's slot.
        bootstrap: Of Kafka.
        topic: The connector's positions topic; it exists.
    """

    def __init__(self, url: str, slot: str, bootstrap: str, topic: str) -> None:
        self._url = url
        self._slot = slot
        self._bootstrap = bootstrap
        self._topic = topic
        self._stop = threading.Event()
        self._positions: list[_Position] = []
        self._samples: list[_Sample] = []
        self._threads = [
            threading.Thread(target=self._read_positions, name="positions"),
            threading.Thread(target=self._sample, name="slot"),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def samples(self) -> int:
        """How often it looked."""
        return len(self._samples)

    @property
    def lsn(self) -> int:
        """Of the last committed position; 0 before the first."""
        return self._positions[-1].lsn if self._positions else 0

    def passed_at(self, lsn: int) -> float | None:
        """When (monotonic seconds) the committed position first was at or past an LSN; None: not yet."""
        return next((position.at for position in reversed(self._passed(lsn))), None)

    def _passed(self, lsn: int) -> list[_Position]:
        found = []
        for position in reversed(self._positions):
            if position.lsn < lsn:
                break
            found.append(position)
        return found

    def early(self) -> list[str]:
        """Samples in which the slot was above the last committed position; empty is right. Call it after the end."""
        wrong, committed, positions = [], 0, iter(self._positions)
        upcoming = next(positions, None)
        for sample in self._samples:
            while upcoming is not None and upcoming.offset < sample.end:
                committed, upcoming = upcoming.lsn, next(positions, None)
            if committed and sample.lsn > committed:
                wrong.append(f"the slot was at {sample.lsn:X}, the committed position at {committed:X}")
        return wrong

    def went_back(self) -> int:
        """How often a committed position was below the one before it (invariant 3)."""
        return sum(b.lsn < a.lsn for a, b in zip(self._positions, self._positions[1:], strict=False))

    def _sample(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "error_cb": quiet}, logger=LOGGER)
        while not self._stop.wait(_EVERY_SECONDS):
            with suppress(psycopg.OperationalError, KafkaException), self._connect() as connection:
                while not self._stop.wait(_EVERY_SECONDS):
                    self._look(connection, admin)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url, autocommit=True, application_name="slot watch", connect_timeout=2)

    def _look(self, connection: psycopg.Connection[Any], admin: AdminClient) -> None:
        query = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s"
        found = connection.execute(query, (self._slot,)).fetchone()
        if found is None or found[0] is None:
            return
        place = TopicPartition(self._topic, 0)
        [answer] = admin.list_offsets(
            {place: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=5
        ).values()
        self._samples.append(_Sample(int(found[0]), answer.result().offset))

    def _read_positions(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._topic}.watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "error_cb": quiet,
            },
            logger=LOGGER,
        )
        try:
            consumer.assign([TopicPartition(self._topic, 0, 0)])
            while not self._stop.is_set():
                for message in consumer.consume(1000, _EVERY_SECONDS):
                    if message.error() is None and message.key() == b"position":
                        lsn = int(orjson.loads(message.value() or b"{}")["lsn_commit"])
                        self._positions.append(_Position(message.offset() or 0, lsn, time.monotonic()))
        finally:
            consumer.close()
