"""Folded batches as bulk requests: what compiled code writes of the records that need no look from Python (K3, E4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connect.compiled import COMPILED
from connectors.elasticsearch.bulk import BulkWriter, Outcome, Request

if COMPILED:
    from connectors.elasticsearch.bulk_c import DocumentLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connect.schema.avro_reader_c import Folded, Lane, SinkRecords
    from connectors.elasticsearch.state import Progress
    from connectors.elasticsearch.targets import Targets

_DOCUMENTS: Final = 5_000  # a request; several are under way at once, and the cluster works on each in one thread


class FoldedWriter:
    """Writes what it can of a batch; the writer of a lane is kept."""

    def __init__(self, writer: BulkWriter, progress: Progress, targets: Targets, batch_bytes: int) -> None:
        self._writer = writer
        self._progress = progress
        self._targets = targets
        self._batch_bytes = batch_bytes
        self._lines: dict[Lane, DocumentLines | None] = {}

    def write(self, batch: SinkRecords) -> tuple[Outcome, set[str]]:
        """What became of it, and the topics whose records have to be looked at one by one.

        A document of such a topic may have been written already: by its version, so that it may be written again (E1).
        """
        folded, left = batch.fold()
        for of_topic in folded.values():
            if of_topic.first_row >= 0:
                record = batch[of_topic.first_row]
                self._targets.ensure(record.topic, of_topic.lane.shape.schema)
        self._targets.check(folded.keys())
        return self._writer.send_written(self._requests(folded, left)), left

    def _requests(self, folded: Mapping[str, Folded], left: set[str]) -> Iterator[Request]:
        for topic, of_topic in folded.items():
            alias = self._targets.alias(topic)
            if alias is None:  # only deletes so far: there is nothing to delete from
                continue
            lines = self._lines_of(of_topic.lane, alias)
            start = 0
            while start < of_topic.size:
                made = lines.pack(of_topic, start, _DOCUMENTS, self._batch_bytes) if lines else None
                if made is None:
                    left.add(topic)
                    break
                yield Request(alias, *made)
                start += len(made[1])

    def _lines_of(self, lane: Lane, alias: str) -> DocumentLines | None:
        if lane not in self._lines:
            try:
                self._lines[lane] = DocumentLines(lane, alias, self._progress.topics[lane.topic].incarnation)
            except LookupError:  # written by Python
                self._lines[lane] = None
        return self._lines[lane]
