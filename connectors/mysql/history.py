"""The tables of the log at each position (invariant 8, rules V1 and V2): what the stream reader asks of this plugin.

How the reader uses it, in log order::

    catalog = ServerCatalog(connection, at_end)
    history = History(captured, catalog, options, resume_notes)
    position, notes = history.first(read_position)                 # first start only; the notes ride with the position
    effect = history.statement(database, sql, sql_mode, where)     # each QUERY event that is no BEGIN, COMMIT, XA, …
    table = history.table_map(body, where)                         # each TABLE_MAP event: a LogTable, or None
    rows = table.changes(event_type, body)                         # each rows event: (before, after) pairs of Rows

``at_end() -> bool`` says whether the server's log ends where the stream stands; it is asked when a statement of DDL is
not understood. ``body`` is an event without its 19 bytes of header and without checksum, decompressed where MariaDB compressed it.
A table map is remembered by its bytes without the table id, so the same map gives the same shape object again; the
reader keeps table id -> LogTable of the current statement. ``where`` names file and position, for messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.record import RowShape


class Effect(NamedTuple):
    """What a statement of the log means to the stream.

    Attributes:
        notes: Ride with the position after the statement: the definitions that it changed, None for a dropped table.
        truncated: Shapes of captured tables that it emptied, in the statement's order: one ``op=t`` event each.
        data: Whether it changes rows as a statement, which the log should hold as rows (F46): FAILED(statement_dml).
    """

    notes: Mapping[str, dict[str, Any] | None]
    truncated: tuple[RowShape, ...] = ()
    data: bool = False
