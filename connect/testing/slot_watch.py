"""Watches from outside that Postgres never hears of a position before Kafka has it (invariant 1).

A commit has returned once the transaction's coordinator holds it; readers see it a moment later, when its markers are
in the partitions. So what counts is whether the position's record was in the log by then and was committed in the end.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connect.kafka.client import LOGGER
from connect.kafka.heard import hears

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from connect.testing.position_watch import Committed

_EVERY_SECONDS: Final = 0.1


class Sample(NamedTuple):
    """What the slot had confirmed, and the end of the positions topic, open transactions included, asked after it."""

    lsn: int
    end: int


class SlotWatch:
    """Samples the slot, then the positions topic's end, every 100 ms. One thread, joined by ``__exit__``.

    What it saw is compared at the end with what was committed, so that a slow reader is no false alarm.

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
        self._thread = threading.Thread(target=self._sample, name="slot")
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def early(self, positions: Iterable[Committed]) -> list[str]:
        """Samples in which the slot was above the last committed position; empty is right. Call it after the end."""
        wrong, committed, coming = [], 0, iter(positions)
        upcoming = next(coming, None)
        for sample in self.samples:
            while upcoming is not None and upcoming.offset < sample.end:
                committed, upcoming = upcoming.place, next(coming, None)
            if committed and sample.lsn > committed:
                wrong.append(f"the slot was at {sample.lsn:X}, the committed position at {committed:X}")
        return wrong

    def _sample(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "error_cb": hears({})}, logger=LOGGER)
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
        self.samples.append(Sample(int(found[0]), answer.result().offset))
