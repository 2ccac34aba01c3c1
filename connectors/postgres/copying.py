"""One COPY of rows: its lines, up to a limit of bytes."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.pq import ExecStatus

from connectors.postgres.libpq import NATIVE, address

if NATIVE:
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import sql


class Copied(NamedTuple):
    """What was read: the lines, their bytes, and whether the limit cut them short."""

    lines: Sequence[bytes]
    size: int
    cut: bool


class _Enough(Exception):
    """There are bytes enough."""


def copied(connection: psycopg.Connection[Any], connector: str, query: sql.Composed, max_bytes: int | None) -> Copied:
    """The lines of a COPY, cut after the one that passes ``max_bytes``.

    Raises:
        psycopg.Error: As the server says it.
        Retriable: ``source_unreachable``: the connection is closed.
    """
    if NATIVE:
        return _compiled(connection, connector, query, sys.maxsize if max_bytes is None else max_bytes)
    lines: list[bytes] = []
    size = 0
    with contextlib.suppress(_Enough), connection.cursor() as cursor, cursor.copy(query) as copy:
        for data in copy:
            line = bytes(data)
            lines.append(line)
            size += len(line)
            if max_bytes is not None and size > max_bytes:
                raise _Enough  # psycopg cancels a COPY that is left by an exception
        return Copied(lines, size, cut=False)
    return Copied(lines, size, cut=True)


def _compiled(connection: psycopg.Connection[Any], connector: str, query: sql.Composed, max_bytes: int) -> Copied:
    """The same without an object for each line."""
    pgconn, at = connection.pgconn, address(connection.pgconn, connector)
    result = pgconn.exec_(query.as_bytes(connection))
    if result.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)
    lines = stream_c.Burst()
    cut = lines.copy_out(at, max_bytes) > 0
    if cut:
        connection.cancel_safe()
        while stream_c.Burst().copy_out(at, max_bytes) > 0:
            pass
    ends = list(iter(pgconn.get_result, None))  # to the last: the connection would not be fit for another query
    for end in ends:
        if end.status == ExecStatus.FATAL_ERROR and not cut:
            raise psycopg.errors.error_from_result(end)
    return Copied(lines, lines.size, cut=cut)
