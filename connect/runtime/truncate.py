"""What a TRUNCATE leaves of a state topic: nothing; every key that it holds at that point is deleted (DESIGN §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, plain_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.record import RowShape
    from connect.runtime.table_writer import Send, TableWriter
    from connect.schema.model import TableId


class Truncation:
    """Keys that are live in the state topics of truncated tables, followed through one batch."""

    def __init__(
        self, live: Mapping[TableId, Sequence[bytes]], key_values: Callable[[TableId, bytes], Sequence[Any]]
    ) -> None:
        """``live``: the keys as read back from each topic before the batch; ``key_values`` decodes one."""
        self._live = {table: dict.fromkeys(keys) for table, keys in live.items()}
        self._key_values = key_values

    def saw(self, table: TableId, event: ChangeEvent, keys: Sequence[bytes]) -> None:
        """An event of the same batch went before: the last key lives unless it was a delete, an older one died."""
        live = self._live.get(table)
        if live is None:
            return
        for key in keys:
            live.pop(key, None)
        if event.op is not Op.DELETE and keys:
            live[keys[-1]] = None

    def send(self, writer: TableWriter, event: ChangeEvent, send: Send, now_us: int) -> int:
        """Send the TRUNCATE; returns how many records it became."""
        live = self._live.get(event.table, {})
        rows = self._rows(writer.bind(event.shape).shape, event.table, live)
        sent = writer.truncate(event, rows, send, now_us)
        live.clear()
        return sent

    def _rows(self, shape: RowShape, table: TableId, keys: Mapping[bytes, None]) -> dict[bytes, Row]:
        """Rows of which only the key is known, under a plain shape."""
        schema, plain = shape.schema, plain_shape(shape.schema)
        rows = {}
        for key in keys:
            known = dict(zip(schema.key, self._key_values(table, key), strict=True))
            rows[key] = Row(plain, [known.get(column.name, UNAVAILABLE) for column in schema.columns])
        return rows
