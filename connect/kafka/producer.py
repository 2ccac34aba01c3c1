"""The one producer of a source task: transactions, fencing, delivery errors never lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from connect.compiled import COMPILED
from connect.errors import Failed, Retriable
from connect.failpoints import failpoint
from connect.kafka.client import LOGGER, MAX_MESSAGE_BYTES, kafka_errors, translate
from connect.kafka.heard import hears
from connect.kafka.library import bind_library
from connect.kafka.outbox import Part, Slice, rounds

if COMPILED:
    from connect.kafka import producer_c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from connect.records_c import Records

TRANSACTION_TIMEOUT_MS: Final = 60_000
NATIVE: Final = COMPILED and bind_library()
_QUEUE_KBYTES: Final = 24_576  # invariant 7: what waits for the broker is bounded; the largest record must fit
_QUEUE_RECORDS: Final = 40_000  # bytes do not count what librdkafka holds beside each
_FULL_SECONDS: Final = 0.03  # how often a full queue is tried again: nobody tells of deliveries
_COMMIT_SECONDS: Final = 45.0
_ABORT_SECONDS: Final = 10.0
_SAYS_NOTHING: Final = frozenset({KafkaError._FATAL, KafkaError._STATE})  # noqa: SLF001 - librdkafka's names
# Librdkafka sends a partition one request at a time if it is idempotent, and asks its socket without a pause while more
# waits behind that: a core's worth. So no more is queued than the next requests take, and ``flush`` sends it.
_REQUEST_BYTES: Final = 900_000
_BATCH_BYTES: Final = 1_000_000  # such records with what frames them; topics take 1 MiB by default
_LINGER_MS: Final = 100
_ROUND_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.001  # without delivery reports ``flush`` itself looks every 10 ms
_ASK_SECONDS: Final = 3.0  # of one call that is made again until the broker answers; a stop is looked for between


class TransactionalProducer:
    """Sends records of one task in transactions under one stable transactional id (F87).

    Not thread-safe: the task's loop owns it. Commits, and what may take long to be delivered, run in a thread of the
    producer's own, which ``close`` joins, and until ``finish`` nothing else touches the library. Any error leaves it
    unusable; the task closes it and starts again from the stored position (rule S12: never abort and resend under the
    same epoch).
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
        made = {
            **settings,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",  # rule S14: as Java's clients do
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": _QUEUE_KBYTES,
            "queue.buffering.max.messages": _QUEUE_RECORDS,
            "compression.type": "zstd",
            "compression.level": 1,  # half of lz4's bytes for no more CPU (DECISIONS)
            "linger.ms": _LINGER_MS,
            "batch.size": _BATCH_BYTES,
            "batch.num.messages": _QUEUE_RECORDS,
            "delivery.report.only.error": not NATIVE,
            "delivery.timeout.ms": min(timeout_ms, 60_000),
            "socket.nagle.disable": True,
        }
        with kafka_errors(f"making the producer {transactional_id}"):
            self._producer, self._native = _client(made)
        self.open = False
        self.partitions: dict[str, int] = {}  # of topics, where they are known
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"commit {transactional_id}")
        self._work: Future[None] | None = None
        self._closing = False

    def fence(self, seconds: float = 30.0) -> None:
        """End the predecessor: its open transaction is aborted and its next call fails (invariant 2, first step)."""
        self._until_answered(self._producer.init_transactions, seconds, f"fencing {self._id}")

    def begin(self) -> None:
        """Open a transaction, once the last one has ended."""
        self.finish()
        with kafka_errors(f"beginning a transaction of {self._id}"):
            self._producer.begin_transaction()
        self.open, self._begun_at = True, _clock()

    def send(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        """Queue one record; waits while the queue is full.

        Raises:
            Failed: ``record_too_large``.
            Retriable: The broker took nothing for a transaction's time.
        """
        self.send_all(topic, [{"key": key, "value": value}], partition)

    def send_all(self, topic: str, records: Records | list[dict[str, Any]], partition: int = -1) -> None:
        """Queue records in their order, as ``send`` does.

        Args:
            topic: Of all of them.
            records: What is sent; as a list, ``key`` and ``value`` of each as ``produce_batch`` takes them.
            partition: Of all of them; -1 chooses by the key, as ``send`` does.

        Raises:
            Failed: ``record_too_large``.
            Retriable: The broker took nothing for a transaction's time.
        """
        self._queue(Slice(Part(topic, partition, records), 0, len(records)))

    def _queue(self, sent: Slice) -> None:
        (topic, partition, records), at, stop = sent
        moved_at = time.monotonic()
        while at < stop:
            taken, error = self._offer(topic, records, at, stop, partition)
            if error is None:
                return
            at += taken
            if error.code() != KafkaError._QUEUE_FULL:  # noqa: SLF001 - librdkafka's name
                refused = records[at]
                raise self._refused(error, topic, refused["value"] if isinstance(refused, dict) else refused[1])
            now = time.monotonic()
            moved_at = now if taken else moved_at  # invariant 7: the queue is full, so the source is not read on
            if now - moved_at > (_ROUND_SECONDS if self._ends else _COMMIT_SECONDS):
                message = f"sending to {topic}: the broker took nothing for {now - moved_at:.0f} s"
                raise Retriable(message, code="kafka_unreachable")
            self._producer.flush(_FULL_SECONDS)  # which sends at once, as ``poll`` does not, what lingers

    def _offer(
        self, topic: str, records: Records | list[dict[str, Any]], at: int, stop: int, partition: int
    ) -> tuple[int, KafkaError | None]:
        """Queue records from the one at index ``at`` on: how many were taken, and why not the next one."""
        if self._native and not isinstance(records, list):
            taken, code = self._producer.produce_records(topic, records, at, stop, partition)
            return taken, KafkaError(code) if code else None
        if isinstance(records, list):
            offered = records[at:stop]
        else:
            offered = [{"key": key, "value": value} for key, value in records[at:stop]]
        try:
            self._producer.produce_batch(topic, offered, partition)
        except KafkaException as error:
            return 0, error.args[0]
        marks = [(i, mark) for i, record in enumerate(offered) if (mark := record.pop("_error", None)) is not None]
        return marks[0] if marks else (len(offered), None)

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
        self.start_commit()
        self.finish()

    def start_sending(self, parts: Sequence[Part]) -> None:
        """Begin to deliver records of the open transaction, in a thread. Nothing else can be sent before ``finish``."""
        self.finish()
        self._work = self._thread.submit(self._deliver, parts)

    def start_commit(self, parts: Sequence[Part] = (), last: Sequence[Part] = ()) -> None:
        """Begin to deliver the rest, ``last`` behind all else, and to commit. Nothing can be sent before ``finish``."""
        self.finish()
        self.open = False
        self._work = self._thread.submit(self._deliver_and_commit, parts, last)

    def _deliver_and_commit(self, parts: Sequence[Part], last: Sequence[Part]) -> None:
        self.open = True  # for ``close`` to abort what cannot be delivered
        self._deliver(parts, last)
        if last:
            failpoint("source.after_position")
        self.open = False
        # Rule S12: the same commit again until the broker answers; a timeout says nothing about the outcome.
        doing = f"committing a transaction of {self._id}"
        self._until_answered(self._producer.commit_transaction, _COMMIT_SECONDS, doing)

    def _deliver(self, parts: Sequence[Part], last: Sequence[Part] = ()) -> None:
        """Pass records on at the pace at which the broker takes them; the commit sees that all are delivered."""
        all_slices = list(rounds(parts, self.partitions, _REQUEST_BYTES)) or [[]]
        all_slices[-1] += [Slice(part, 0, len(part.records)) for part in last]
        for slices in all_slices:
            for sent in slices:
                self._queue(sent)
            if not self._flush() and self._ends:
                raise Retriable(f"sending for {self._id}: stopped before the broker took all", code="kafka_unreachable")

    def _flush(self) -> bool:
        """Wait until what is queued is delivered or refused, at most a second."""
        deadline = time.monotonic() + _ROUND_SECONDS
        while self._producer.flush(_ROUND_SECONDS if self._native else _LOOK_SECONDS):
            if time.monotonic() >= deadline:
                return False
        return True

    @property
    def _ends(self) -> bool:
        return self._closing or self._stopping()

    @property
    def working(self) -> bool:
        """Whether a delivery or commit is under way, or ended and its end is not known yet: ``finish`` tells."""
        return self._work is not None

    @property
    def answered(self) -> bool:
        """Whether ``finish`` would return, or raise, at once."""
        return self._work is None or self._work.done()

    def finish(self) -> None:
        """Wait for the end of what is under way; raises as ``send_all`` and ``commit`` do, from then on each time.

        So no later commit can carry a position behind records that were not delivered.
        """
        if self._work is not None:
            self._work.result()
        self._work = None

    def _until_answered(self, call: Callable[[float], None], seconds: float, doing: str) -> None:
        """Make a call of librdkafka that may be made again after a timeout, until it returns or fails for good."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return call(_ASK_SECONDS)
            except KafkaException as error:
                kafka_error = error.args[0]
                self._producer.poll(0)  # what it has to say of its connections
                if kafka_error.retriable() and time.monotonic() < deadline and not self._ends:
                    continue
                raise self._cause(kafka_error, doing) from None

    def close(self) -> None:
        """Let go: an open transaction is aborted if the broker answers soon, else by the next fence."""
        self._closing = True
        self._thread.shutdown()
        if self.open:
            self.open = False
            try:
                self._producer.abort_transaction(2.0)
            except KafkaException as error:
                LOGGER.debug("abort on close of %s: %s", self._id, error)
        self._producer.purge()


def _client(settings: dict[str, Any]) -> tuple[Any, bool]:
    """A producer of librdkafka, and whether it is the compiled one, which takes ``Records`` as they lie in memory."""
    if NATIVE:
        return producer_c.NativeProducer(settings, hears(settings)), True
    return Producer({**settings, "error_cb": hears(settings)}, logger=LOGGER), False


def _clock() -> float:
    """Seconds that go on while the machine sleeps, as the broker's do."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
