"""The thread that a sink works on, so that the next batch is read and checked while the last one is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from connect.api import Sink, TopicPartition, WriteResult
    from connect.record import SinkRecord

Given = TypeVar("Given")


class SinkThread:
    """``connect.api.Sink`` with all its calls on one thread of its own, ``sink-write``, from the first to ``close``."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="sink-write")

    def open(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """See ``Sink.open``; a sink that was open is closed first."""

        def opened() -> Mapping[TopicPartition, int]:
            self._sink.close()
            return self._sink.open(partitions)

        return self._begin(opened).result()

    def begin(
        self,
        batch: Sequence[SinkRecord],
        next_offsets: Mapping[TopicPartition, int],
        skip: AbstractSet[int] = frozenset(),
    ) -> Future[WriteResult]:
        """Begin a write; its result, or what ``Sink.write`` raises, comes later."""
        return self._begin(lambda: self._sink.write(batch, next_offsets, skip))

    def close(self) -> None:
        """Wait for what is under way, close the sink and join the thread. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                pool.submit(self._sink.close).result()
            finally:
                pool.shutdown()

    def _begin(self, work: Callable[[], Given]) -> Future[Given]:
        if self._pool is None:
            message = "the sink is closed"
            raise RuntimeError(message)
        return self._pool.submit(work)
