"""The one producer of a source task: transactions, fencing, delivery errors never lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from connect.errors import Failed, Retriable
from connect.kafka.client import LOGGER, MAX_MESSAGE_BYTES, kafka_errors, quiet, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRANSACTION_TIMEOUT_MS: Final = 60_000
_QUEUE_KBYTES: Final = 65_536  # invariant 7: what waits for the broker is bounded
_COMMIT_SECONDS: Final = 45.0
_ABORT_SECONDS: Final = 10.0
_SAYS_NOTHING: Final = frozenset({KafkaError._FATAL, KafkaError._STATE})  # noqa: SLF001 - librdkafka's names
_ASK_SECONDS: Final = 3.0  # of one call that is made again until the broker answers; a stop is looked for between


class TransactionalProducer:
    """Sends records of one task in transactions under one stable transactional id (F87).

    Not thread-safe: the task's loop owns it. Any error leaves it unusable; the task closes it and starts again from
    the stored position (rule S12: never abort and resend under the same epoch).
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        transactional_id: str,
        timeout_ms: int = TRANSACTION_TIMEOUT_MS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Connect nothing yet.

        Args:
            settings: librdkafka settings of the connection.
            transactional_id: ``<group>-<connector>-<task>`` (F-1).
            timeout_ms: After which the broker aborts a transaction that we left open.
            stopping: True once the task should end: a broker that does not answer is not waited for any longer.
        """
        self._id = transactional_id
        self._stopping = stopping
        self._limit_seconds = timeout_ms / 1000
        self._begun_at = _clock()
        self._producer = Producer(
            {
                **settings,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": timeout_ms,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",  # rule S14: as Java's clients do
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "queue.buffering.max.messages": 500_000,
                "compression.type": "lz4",
                "linger.ms": 2,
                "batch.size": 1_000_000,
                "delivery.timeout.ms": min(timeout_ms, 60_000),
                "socket.nagle.disable": True,
                "error_cb": quiet,
            },
            logger=LOGGER,
        )
        self.open = False

    def fence(self, seconds: float = 30.0) -> None:
        """End the predecessor: its open transaction is aborted and its next call fails (invariant 2, first step)."""
        self._until_answered(self._producer.init_transactions, seconds, f"fencing {self._id}")

    def begin(self) -> None:
        """Open a transaction."""
        with kafka_errors(f"beginning a transaction of {self._id}"):
            self._producer.begin_transaction()
        self.open, self._begun_at = True, _clock()

    def send(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        """Queue one record; waits while the queue is full.

        Raises:
            Failed: ``record_too_large``.
            Retriable: The broker took nothing for a transaction's time.
        """
        waited = 0.0
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
            except BufferError:  # invariant 7: the queue is full, so the source is not read on
                if waited > _COMMIT_SECONDS or self._stopping():
                    message = f"sending to {topic}: the broker took nothing for {waited:.0f} s"
                    raise Retriable(message, code="kafka_unreachable") from None
                self._producer.poll(0.1)
                waited += 0.1
            except KafkaException as error:
                raise self._refused(error.args[0], topic, value) from None
            else:
                return

    def send_all(self, topic: str, records: list[dict[str, Any]], partition: int = -1) -> None:
        """Queue records in their order; waits while the queue is full.

        Args:
            topic: Of all of them.
            records: ``key`` and ``value`` of each; without ``value`` it is a tombstone. The list is used up.
            partition: Of all of them; -1 chooses by the key, as ``send`` does.

        Raises:
            Failed: ``record_too_large``.
            Retriable: The broker took nothing for a transaction's time.
        """
        waited = 0.0
        while records:
            try:
                queued = self._producer.produce_batch(topic, records, partition)
            except KafkaException as error:
                raise self._refused(error.args[0], topic, None) from None
            if queued == len(records):
                return
            at, refused = next((i, record) for i, record in enumerate(records) if "_error" in record)
            cause = refused.pop("_error")
            if cause.code() != KafkaError._QUEUE_FULL or queued != at:  # noqa: SLF001 - librdkafka's name
                raise self._refused(cause, topic, refused.get("value"))
            waited = 0.0 if queued else waited
            del records[:at]  # invariant 7: the queue is full, and takes none after the first that it does not take
            if waited > _COMMIT_SECONDS or self._stopping():
                message = f"sending to {topic}: the broker took nothing for {waited:.0f} s"
                raise Retriable(message, code="kafka_unreachable")
            self._producer.poll(0.1)
            waited += 0.1

    def _refused(self, error: KafkaError, topic: str, value: bytes | None) -> Exception:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            message = f"sending to {topic}: a record of {len(value or b'')} bytes is over {MAX_MESSAGE_BYTES}"
            hint = "Leave the large column out with columns:, or mask it."
            return Failed("record_too_large", message, hint=hint)
        return self._cause(error, f"sending to {topic}")

    @property
    def overdue(self) -> bool:
        """Whether the last transaction was open for longer than the broker lets it: it may have ended it by itself."""
        return _clock() - self._begun_at >= self._limit_seconds

    def _cause(self, error: KafkaError, doing: str) -> Exception:
        """What has failed, where an error alone does not say whether another owner took over (rules S12, F-3).

        An old epoch is the work of another owner, or of the broker's time limit if the transaction was open for so
        long. Then ending it mostly tells: that raises the epoch (KIP-360) unless another owner has. Where librdkafka
        calls both a fence, the task looks who wrote its name last (``SourceTask``).
        """
        if error.code() in _SAYS_NOTHING:
            error = self._first_error(error)
        if error.code() != KafkaError.INVALID_PRODUCER_EPOCH or not self.overdue:
            return translate(error, doing)
        self.open = False
        try:
            self._producer.abort_transaction(_ABORT_SECONDS)
        except KafkaException as cause:
            return translate(cause.args[0], doing)
        hint = "It goes on from the stored position: the broker had ended the transaction, nobody else took over."
        return Retriable(f"{doing}: {error.str()} ({error.name()})", code="transaction_timeout", hint=hint)

    def _first_error(self, error: KafkaError) -> KafkaError:
        """``produce`` says only that the transaction has failed; a failed one refuses its commit with the reason."""
        try:
            self._producer.commit_transaction(1.0)
        except KafkaException as cause:
            first: KafkaError = cause.args[0]
            return first
        return error

    def poll(self) -> None:
        """Let librdkafka's delivery reports go; called now and then in a long transaction."""
        self._producer.poll(0)

    def commit(self) -> None:
        """Commit; on return everything sent is durable and visible to ``read_committed`` readers (invariant 1).

        Raises:
            Retriable: The outcome is unknown or the transaction failed: start anew from the stored position (S12).
            Fenced: Another owner took over.
            Failed: A record can never be delivered.
        """
        # Rule S12: the same commit again until the broker answers; a timeout says nothing about the outcome.
        doing = f"committing a transaction of {self._id}"
        self._until_answered(self._producer.commit_transaction, _COMMIT_SECONDS, doing)
        self.open = False

    def _until_answered(self, call: Callable[[float], None], seconds: float, doing: str) -> None:
        """Make a call of librdkafka that may be made again after a timeout, until it returns or fails for good."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return call(_ASK_SECONDS)
            except KafkaException as error:
                kafka_error = error.args[0]
                if kafka_error.retriable() and time.monotonic() < deadline and not self._stopping():
                    continue
                raise self._cause(kafka_error, doing) from None

    def close(self) -> None:
        """Let go: an open transaction is aborted if the broker answers soon, else by the next fence."""
        if self.open:
            self.open = False
            try:
                self._producer.abort_transaction(2.0)
            except KafkaException as error:
                LOGGER.debug("abort on close of %s: %s", self._id, error)
        self._producer.purge()


def _clock() -> float:
    """Seconds that go on while the machine sleeps, as the broker's do."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
