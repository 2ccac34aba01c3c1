"""The Elasticsearch sink: keeps an index equal to each topic by versioned writes (rules E1 to E5, invariant 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.errors import Retriable
from connectors.elasticsearch.session import Session
from connectors.elasticsearch.state import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from connect.api import SinkContext, TopicPartition, WriteResult
    from connect.record import SinkRecord
    from connectors.elasticsearch.config import ElasticsearchConfig


class ElasticsearchSink:
    """A sink by the contract of ``connect.api.sink``: what happens between open and close is a ``Session``."""

    def __init__(self, config: ElasticsearchConfig, context: SinkContext) -> None:
        self._config = config
        self._context = context
        self._session: Session | None = None
        self._owner = Owner()

    def open(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Fence older owners, check that the noted indices are those noted, say where each partition goes on.

        Raises:
            Retriable: ``target_unreachable``, ``target_busy``, ``target_blocked``.
            Failed: ``target_missing``, ``target_changed``, ``target_denied``, ``state_is_newer`` …
            Fenced: This sink was open before, and another owner took over since.
        """
        self.close()
        session = self._session = Session(self._config, self._context, self._owner)
        return session.begin(partitions)

    def write(
        self, batch: Sequence[SinkRecord], next_offsets: Mapping[TopicPartition, int], skip: AbstractSet[int]
    ) -> WriteResult:
        """Write the batch, then the offsets after it; ``connect.api.Sink.write`` says the rest."""
        if self._session is None:
            raise Retriable("the sink is not open", code="target_unreachable")
        return self._session.write(batch, next_offsets, skip)

    def write_again(self, batch: Sequence[SinkRecord], skip: AbstractSet[int]) -> WriteResult:
        """Write records below the position; ``connect.api.WritesAgain`` says the rest."""
        if self._session is None:
            raise Retriable("the sink is not open", code="target_unreachable")
        return self._session.write_again(batch, skip)

    def close(self) -> None:
        """Join the threads and close the connections. Idempotent."""
        session, self._session = self._session, None
        if session:
            session.end()
