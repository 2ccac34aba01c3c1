"""``connect rebuild``: drop what a sink made and nothing else, so that it starts again from offset 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sql.ledger import Ledger
from connectors.sql.sink import connect

if TYPE_CHECKING:
    from connect.api import SinkContext
    from connectors.sql.config import SqlConfig
    from connectors.sql.database import Database
    from connectors.sql.ledger import TargetRow


def rebuild(config: SqlConfig, context: SinkContext) -> list[str]:
    """Drop the sink's tables and its rows of the bookkeeping; one sentence for each thing.

    It is one transaction where DDL is part of one. On MySQL each DROP commits, and a rebuild that was cut is run again.

    Its epoch stays and rises, so that a worker that still runs is fenced. Tables that somebody else made stay as they
    are, rows and all.

    Raises:
        Retriable: The database is not there.
        Failed: A right is missing, or something else depends on a table (a view).
    """
    name = f"{context.group}.{context.connector}"
    database = connect(config, name)
    try:
        ledger = Ledger(database, name)
        if not ledger.exists():
            return []
        with database.transaction():
            ledger.take_over()
            done = [_drop(database, topic, row) for topic, row in ledger.targets().items()]
            ledger.lock()  # where DDL commits, another owner may have come in between
            done.append(f"Forgot {len(ledger.positions())} stored positions.")
            ledger.forget()
    finally:
        database.close()
    return done


def _drop(database: Database, topic: str, row: TargetRow) -> str:
    table = database.describe(row.table)
    if table is None:
        return f"Table {row.table} of topic {topic} is gone already."
    if not row.made or table.identity != row.identity:
        return f"Table {row.table} of topic {topic} was not made by this sink and stays as it is."
    database.ddl(f"DROP TABLE {database.place(row.table)}")
    return f"Dropped table {row.table} of topic {topic}."
