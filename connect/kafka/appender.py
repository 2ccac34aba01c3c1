"""A plain idempotent producer for the few records that a sink writes: dead letters, and notes of its bootstrap."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connect.errors import Retriable
from connect.kafka.client import LOGGER, MAX_MESSAGE_BYTES, kafka_errors, translate
from connect.kafka.heard import hears

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FLUSH_SECONDS: Final = 30.0


class Appender:
    """Sends records and makes them durable on ``flush``. Not thread-safe: the task's loop owns it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """``settings``: librdkafka settings of the connection."""
        self._failed: tuple[KafkaError, str] | None = None
        self._producer = Producer(
            {
                **settings,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.kbytes": 32_768,
                "delivery.timeout.ms": 25_000,
                "linger.ms": 2,
                "error_cb": hears(settings),
            },
            logger=LOGGER,
        )

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Queue one record; waits while the queue is full.

        Raises:
            Failed: ``record_too_large``.
            Retriable: The broker takes nothing.
        """
        for _ in range(int(_FLUSH_SECONDS * 10)):
            with kafka_errors(f"sending to {topic}"):
                try:
                    self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
                except BufferError:
                    self._served(self._producer.poll, 0.1)
                else:
                    return
        raise Retriable(f"sending to {topic}: the broker took nothing", code="kafka_unreachable")

    def _served(self, call: Callable[[float], int], seconds: float) -> int:
        """Call what serves callbacks. confluent_kafka raises a fatal error there that is no ``BaseException``."""
        try:
            return call(seconds)
        except:  # noqa: E722 - no class of exceptions has it
            fatal = sys.exc_info()[1]
            if not isinstance(fatal, KafkaError):
                raise
        raise translate(fatal, "sending records")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error, f"sending to {message.topic()}"

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Wait until everything sent is durable.

        Raises:
            Retriable: It is not known to be.
            Failed: It never will be.
        """
        left = self._served(self._producer.flush, seconds)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise translate(*failed)
        if left:
            raise Retriable(f"{left} records were not taken by the broker in time", code="kafka_unreachable")

    def close(self) -> None:
        """Let go without waiting."""
        try:
            self._producer.purge()
        except KafkaException as error:
            LOGGER.debug("closing a producer: %s", error)
