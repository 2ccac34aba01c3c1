"""The keys that a source's state topics hold, read back from the topics themselves (DESIGN §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.api.tables import View
from connect.kafka.positions import live_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connect.kafka.topics import Topic, Topics
    from connect.runtime.table_writer import TableWriter
    from connect.schema.formats import Reader


class StateKeys:
    """Reads them back for what the log does not name key by key: a TRUNCATE, and rows that a new run did not meet."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Topics,
        known: Mapping[str, Topic],
        reader: Reader,
        pause: Callable[[], None],
    ) -> None:
        """``known``: the source's topics; ``pause`` is called now and then: a big topic takes long."""
        self._kafka = kafka
        self._topics = topics
        self._known = known
        self._reader = reader
        self._pause = pause

    def ends(self, writer: TableWriter) -> list[int] | None:
        """The ends of the table's state topic; None without one, or where it is empty."""
        name = writer.topics.get(View.STATE)
        if name is None:
            return None
        ends = self._topics.ends(name, self._known[name].partitions)
        return ends if any(ends) else None

    def live(self, writer: TableWriter, ends: Sequence[int], before: Sequence[int] | None = None) -> Iterator[bytes]:
        """Record keys whose last value up to ``ends`` is no tombstone; with ``before``, and lies before that."""
        return live_keys(self._kafka, writer.topics[View.STATE], ends, before, self._pause)

    def values(self, writer: TableWriter, key: bytes) -> list[Any]:
        """The decoded columns of a record key."""
        record = self._reader.read(writer.topics[View.STATE], 0, 0, 0, key, None)
        assert record.key is not None  # noqa: S101 - a record with a key
        return record.key.values()
