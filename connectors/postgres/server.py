"""What is asked of the server over an ordinary connection, whatever for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed, Retriable
from connectors.postgres.catalog import tables_by_name
from connectors.postgres.relations import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import psycopg

    from connect.schema.model import TableId
    from connectors.postgres.catalog import CatalogTable


def row(connection: psycopg.Connection[Any], query: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row of a query that always has one."""
    found: tuple[Any, ...] | None = connection.execute(query.encode(), parameters).fetchone()
    if found is None:
        raise Failed("source_error", f"no row from: {query}", hint="This is an error of Connect; please report it.")
    return found


def pause(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep; raises ``Retriable("stopping")`` when the task should end."""
    if stopping():
        raise Retriable("the source was asked to stop while it waited", code="stopping")
    time.sleep(seconds)


def find_tables(
    connection: psycopg.Connection[Any], wanted: Iterable[TableId], connector: str
) -> dict[TableId, CatalogTable]:
    """The captured tables as they are now.

    Raises:
        Failed: ``table_missing``.
    """
    wanted = list(wanted)
    found = tables_by_name(connection, wanted)
    missing = [table for table in wanted if table not in found]
    if missing:
        raise Failed(
            "table_missing",
            f"{connector}: there is no table {missing[0]}" + (f", nor {len(missing) - 1} more" if missing[1:] else ""),
            hint="Take it out of `tables:`, or create it. Views, temporary and unlogged tables are not in the log.",
        )
    return found


_WRITERS: Final = """
SELECT l.virtualtransaction, coalesce('server process ' || l.pid::text || coalesce(' of ' || a.usename::text, '')
       || coalesce(', open for ' || extract(epoch FROM statement_timestamp() - a.xact_start)::int8::text || ' s', ''),
       'a prepared transaction')
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   AND l.relation IN (SELECT %s::oid UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(%s::oid))
"""


def writers(connection: psycopg.Connection[Any], table: TableId) -> dict[str, str]:
    """Transactions that hold a write lock on the table or a partition of it: virtual transaction → who it is."""
    found = connection.execute("SELECT pg_catalog.to_regclass(%s)::oid", (quoted(table),)).fetchone()
    if found is None or found[0] is None:
        return {}
    return dict(connection.execute(_WRITERS, (found[0], found[0])).fetchall())


# A sub-transaction holds a lock of its own, with its transaction's process; of a prepared one only the top has a name.
_HOLDERS: Final = """
SELECT DISTINCT coalesce(h.pid::text, ''), coalesce(a.usename::text, ''),
       CASE WHEN a.wait_event = 'SyncRep' THEN 'committed, waits for a synchronous standby'
            ELSE coalesce(a.state, '') END,
       coalesce(extract(epoch FROM statement_timestamp() - a.xact_start)::int8, -1) AS age, coalesce(p.gid, '')
  FROM pg_catalog.pg_locks h
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = h.transactionid
 WHERE h.locktype = 'transactionid' AND h.granted AND h.transactionid::text::int8 = ANY(%s)
   AND (h.pid IS NOT NULL OR p.gid IS NOT NULL)
 ORDER BY age DESC
"""


def whose(connection: psycopg.Connection[Any], transactions: Collection[int]) -> str:
    """Whom these transactions belong to, for people: the oldest's process, role and age; "" where none is open.

    Args:
        connection: Asks; a role without ``pg_read_all_stats`` sees pids but not the age of other roles' transactions.
        transactions: 32-bit xids.
    """
    found = connection.execute(_HOLDERS, (list(transactions),)).fetchall()
    if not found:
        return ""
    pid, user, state, age, gid = found[0]
    more = f", and {len(found) - 1} more" if found[1:] else ""
    if gid:
        return f"the prepared transaction {gid!r}{more}: COMMIT or ROLLBACK PREPARED it"
    how_long = f", open for {age} s" if age >= 0 else ""
    who = f" of {user}" if user else ""
    doing = f" ({state})" if state else ""
    return f"the transaction of server process {pid}{who}{how_long}{doing}{more}"
