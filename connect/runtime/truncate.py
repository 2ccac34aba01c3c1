"""What a TRUNCATE leaves of a state topic: nothing; every key that it holds at that point is deleted (DESIGN §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.record import UNAVAILABLE, ChangeEvent, Row, plain_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connect.record import RowShape
    from connect.runtime.table_writer import Send, TableWriter, Written
    from connect.schema.model import TableId


class Truncation:
    """The live keys of truncated tables' state topics, followed through one batch."""

    def __init__(self, read_back: Mapping[TableId, Callable[[], Iterable[bytes]]]) -> None:
        """``read_back``: reads the keys that each topic held before the batch, one at a time."""
        self._read_back = dict(read_back)
        self._touched: dict[TableId, dict[bytes, bool]] = {table: {} for table in read_back}

    def saw(self, table: TableId, written: Written) -> None:
        """A change of the same batch was sent before: its keys live, or died."""
        touched = self._touched.get(table)
        if touched is None or not written.sent:
            return
        touched.update(dict.fromkeys(written.keys, False))
        if written.keys:
            touched[written.keys[-1]] = written.lives

    def send(
        self,
        writer: TableWriter,
        event: ChangeEvent,
        key_values: Callable[[bytes], Sequence[Any]],
        send: Send,
        now_us: int,
    ) -> int:
        """Send the TRUNCATE; returns how many records it became. ``key_values`` decodes a record key."""
        shape = writer.bind(event.shape).shape
        sent = writer.truncate(event, key_rows(shape, self._live(event.table), key_values), send, now_us)
        if event.table in self._read_back:
            self._read_back[event.table] = tuple
            self._touched[event.table] = {}
        return sent

    def _live(self, table: TableId) -> Iterator[bytes]:
        touched = self._touched.get(table, {})
        yield from (key for key, lives in touched.items() if lives)
        yield from (key for key in self._read_back.get(table, tuple)() if key not in touched)


def key_rows(
    shape: RowShape, keys: Iterable[bytes], key_values: Callable[[bytes], Sequence[Any]]
) -> Iterator[tuple[bytes, Row]]:
    """Record keys with rows of which only the key is known, under one plain shape."""
    schema, plain = shape.schema, plain_shape(shape.schema)
    for key in keys:
        known = dict(zip(schema.key, key_values(key), strict=True))
        yield key, Row(plain, [known.get(column.name, UNAVAILABLE) for column in schema.columns])
