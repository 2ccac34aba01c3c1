"""One owner's time with the target, from ``open`` to ``close``: batches in, versioned writes and progress out."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from connect.api import Failure, WriteResult
from connect.compiled import COMPILED
from connect.record import Op
from connectors.elasticsearch.bulk import BulkWriter, Outcome
from connectors.elasticsearch.cluster import Cluster
from connectors.elasticsearch.collapse import collapse
from connectors.elasticsearch.folded import FoldedWriter
from connectors.elasticsearch.merge import count_incomplete
from connectors.elasticsearch.planner import Planner
from connectors.elasticsearch.state import Owner, Progress, StateStore
from connectors.elasticsearch.targets import Targets
from connectors.elasticsearch.truncate import truncate

if COMPILED:
    from connect.schema.avro_reader_c import SinkRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from connect.api import SinkContext, TopicPartition
    from connect.record import SinkRecord
    from connectors.elasticsearch.config import ElasticsearchConfig


class Segment(NamedTuple):
    """Records with their places in the batch, and the TRUNCATE that follows them."""

    records: list[tuple[int, SinkRecord]]
    truncate: tuple[int, SinkRecord] | None


def segments(wanted: Iterable[tuple[int, SinkRecord]]) -> Iterator[Segment]:
    """Cut records of a batch after each TRUNCATE; nothing is collapsed across one."""
    records: list[tuple[int, SinkRecord]] = []
    for index, record in wanted:
        if record.op is Op.TRUNCATE:
            yield Segment(records, (index, record))
            records = []
        else:
            records.append((index, record))
    yield Segment(records, None)


class Session:
    """Connections, threads, epoch and progress of one open sink."""

    def __init__(self, config: ElasticsearchConfig, context: SinkContext, owner: Owner) -> None:
        """``owner``: the sink, the same one through all its sessions."""
        self._cluster = Cluster(config)
        self._writer = BulkWriter(self._cluster, config, context.stopping)
        self._store = StateStore(self._cluster, context.group, context.connector, owner)
        self._config = config
        self._context = context
        self._progress = Progress()
        self._use(Progress())

    def _use(self, progress: Progress) -> None:
        self._progress = progress
        self._targets = Targets(self._cluster, self._context, progress, self._config.gc_deletes, self._save)
        self._planner = Planner(self._cluster, progress, self._targets)
        self._folded = FoldedWriter(self._writer, progress, self._targets, self._config.batch_bytes)
        self._incomplete = 0

    def begin(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Invariant 2: fence, then read the position, then check the target. Gives the next offsets."""
        self._use(self._store.take_over())
        self._targets.verify({partition.topic for partition in partitions})
        nexts = self._progress.adopt(partitions)
        self._save()
        self._count_incomplete()
        return nexts

    def end(self) -> None:
        """Join the threads and close the connections. Idempotent."""
        self._writer.close()
        self._cluster.close()

    def write(
        self, batch: Sequence[SinkRecord], next_offsets: Mapping[TopicPartition, int], skip: AbstractSet[int]
    ) -> WriteResult:
        """Write the batch, then store the offsets after it.

        A TRUNCATE is a barrier: what precedes it is written, the index emptied and the position behind it stored,
        before anything that follows is written. So a replay never empties what came later.
        """
        total = Outcome()
        wanted: Iterable[tuple[int, SinkRecord]] = ((i, record) for i, record in enumerate(batch) if i not in skip)
        if COMPILED and isinstance(batch, SinkRecords) and not skip and self._is_new(batch):
            outcome, left = self._folded.write(batch)
            total.add(outcome)
            if total.failures:
                return _result(total, self._incomplete)
            wanted = ((index, batch[index]) for index in batch.indexes(left))
        for records, emptied in segments(wanted):
            total.add(self._write_records(records))
            if total.failures:  # Invariant 4: no position at or past a record that is not written
                return _result(total, self._incomplete)
            if emptied and not self._progress.holds(emptied[1]):
                total.add(self._empty(emptied[1]))
                self._advance({(r.topic, r.partition): r.offset + 1 for r in batch[: emptied[0] + 1]})
        self._advance({(p.topic, p.partition): offset for p, offset in next_offsets.items()})
        if self._planner.left_gaps or self._incomplete:
            self._count_incomplete()
        return _result(total, self._incomplete)

    def write_again(self, batch: Sequence[SinkRecord], skip: AbstractSet[int]) -> WriteResult:
        """Write records below the position.

        One that the index holds already is written over itself: an older one, which failed, may fill what it lacked.
        """
        self._store.check_epoch(self._progress)
        total = self._send([(index, record) for index, record in enumerate(batch) if index not in skip], again=True)
        self._count_incomplete()
        return _result(total, self._incomplete)

    def _is_new(self, batch: SinkRecords) -> bool:
        """Whether no record lies below the stored position."""
        topics = self._progress.topics
        return all(
            first >= topics[place.topic].next_offsets[str(place.partition)]
            for place, (first, _) in batch.places().items()
        )

    def _count_incomplete(self) -> None:
        """Documents that lack columns, counted by the index itself: exact after kills, and bounded (invariant 7)."""
        self._incomplete = count_incomplete(self._cluster, self._targets.aliases())
        self._planner.left_gaps = False

    def _save(self) -> None:
        self._store.store(self._progress)

    def _advance(self, next_offsets: Mapping[tuple[str, int], int]) -> None:
        """Store the position, then believe in it: what a store refused is not held the next time (invariant 2)."""
        ahead = replace(self._progress, topics=deepcopy(self._progress.topics))
        moved = [ahead.advance(topic, partition, offset) for (topic, partition), offset in next_offsets.items()]
        if any(moved):
            self._store.store(ahead)
            self._progress.topics = ahead.topics

    def _empty(self, record: SinkRecord) -> Outcome:
        alias = self._targets.alias(record.topic)
        if alias is None:
            return Outcome()
        self._targets.check([record.topic])
        version = self._progress.version(record)
        return truncate(self._cluster, self._writer, alias, version, lambda: self._store.check_epoch(self._progress))

    def _write_records(self, records: Sequence[tuple[int, SinkRecord]]) -> Outcome:
        fresh = [(index, record) for index, record in records if not self._progress.holds(record)]
        outcome = Outcome(stale=len(records) - len(fresh))
        if fresh:
            outcome.add(self._send(fresh))
        return outcome

    def _send(self, records: Sequence[tuple[int, SinkRecord]], *, again: bool = False) -> Outcome:
        for _, record in records:
            if record.after is not None:
                self._targets.ensure(record.topic, record.after.shape.schema)
        self._targets.check({record.topic for _, record in records})
        writes, unusable = collapse(records)
        outcome = Outcome(failures=unusable)
        outcome.add(self._writer.send(self._planner.actions(writes, outcome, again=again)))
        return outcome


def _result(outcome: Outcome, incomplete: int) -> WriteResult:
    failures = [Failure(index, error) for index, error in sorted(outcome.failures)]
    return WriteResult(failures, outcome.applied, outcome.stale, incomplete)
