"""What a TRUNCATE leaves of a state topic: nothing; every key that it holds at that point is deleted (DESIGN §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, plain_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.record import RowShape
    from connect.runtime.table_writer import Send, TableWriter
    from connect.schema.model import TableId


class Truncation:
    """Keys that are live in the state topics of truncated tables, followed through one batch."""

    def __init__(self, live: Mapping[TableId, Sequence[bytes]]) -> None:
        """``live``: the keys as read back from each topic before the batch."""
        self._live = {table: dict.fromkeys(keys) for table, keys in live.items()}

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
        rows = _rows_of(writer.bind(event.shape).shape, writer, live)
        sent = writer.truncate(event, rows, send, now_us)
        live.clear()
        return sent


def _rows_of(shape: RowShape, writer: TableWriter, keys: Mapping[bytes, None]) -> dict[bytes, Row]:
    """Rows of which only the key is known, under a plain shape."""
    plain = plain_shape(shape.schema)
    rows = {}
    for key in keys:
        known = writer.key_values(key)
        cells = [known.get(column.name, UNAVAILABLE) for column in shape.schema.columns]
        rows[key] = Row(plain, cells)
    return rows
