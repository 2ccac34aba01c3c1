"""What ``doctor`` checks of a target: reachable, new enough, writable, the rights that the sink needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connect.api import Finding, Severity
from connect.errors import ConnectError
from connectors.sql import preflight_mysql
from connectors.sql.database import quote
from connectors.sql.ledger import Ledger
from connectors.sql.mysql import MysqlDatabase
from connectors.sql.postgres import PostgresDatabase
from connectors.sql.sink import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.api import SinkContext
    from connectors.sql.config import SqlConfig

_OLDEST_POSTGRES: Final = 130_000
_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")


def preflight(config: SqlConfig, context: SinkContext) -> Iterator[Finding]:
    """Look, and change nothing."""
    try:
        database = connect(config, f"{context.group}.{context.connector}")
    except ConnectError as error:
        yield Finding("target", Severity.PROBLEM, error.message, error.hint)
        return
    try:
        yield Finding("target", Severity.OK, "the target database answers")
        if isinstance(database, PostgresDatabase):
            yield from _postgres(database, context)
        if isinstance(database, MysqlDatabase):
            yield from preflight_mysql.findings(database, context)
    except ConnectError as error:
        yield Finding("target", Severity.PROBLEM, error.message, error.hint)
    finally:
        database.close()


def _postgres(database: PostgresDatabase, context: SinkContext) -> Iterator[Finding]:
    [(version, standby, user, create, usage, temporary, place)] = database.rows(
        "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_user,"
        " has_schema_privilege($1, 'CREATE'), has_schema_privilege($1, 'USAGE'),"
        " has_database_privilege(current_database(), 'TEMP'), current_database()",
        database.schema,
    )
    if version < _OLDEST_POSTGRES:
        message = f"the target is Postgres {version // 10_000}, and 13 is the oldest that is supported"
        yield Finding("target_version", Severity.PROBLEM, message, "Upgrade the server.")
    if standby:
        yield Finding("target_writable", Severity.PROBLEM, "the target is a standby and takes no writes", "Mend url:.")
    who, schema = quote(user), quote(database.schema)
    if not (create and usage):
        message = f"user {user} cannot make tables in schema {database.schema}"
        yield Finding(
            "target_schema", Severity.PROBLEM, message, f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {who};", is_sql=True
        )
    if not temporary:
        message = f"user {user} cannot make temporary tables, which batches go through"
        grant = f"GRANT TEMPORARY ON DATABASE {quote(place)} TO {who};"
        yield Finding("target_temporary", Severity.PROBLEM, message, grant, is_sql=True)
    yield from _tables(database, context, user)


def _tables(database: PostgresDatabase, context: SinkContext, user: str) -> Iterator[Finding]:
    ledger = Ledger(database, f"{context.group}.{context.connector}")
    if not ledger.exists():
        yield Finding("target_tables", Severity.OK, "the sink has not made its tables yet")
        return
    for row in (row for topic, row in ledger.targets().items() if context.reads(topic)):
        if database.describe(row.table) is None:
            message = f"table {row.table}, a target of the sink, is gone"
            yield Finding("target_tables", Severity.PROBLEM, message, "Run connect rebuild SINK FILE.")
            continue
        place = database.place(row.table)
        missing = [
            right for right in _RIGHTS if database.rows("SELECT has_table_privilege($1, $2)", place, right) != [(True,)]
        ]
        if missing:
            grant = f"GRANT {', '.join(missing)} ON {place} TO {quote(user)};"
            message = f"user {user} lacks {', '.join(missing)} on table {row.table}"
            yield Finding("target_rights", Severity.PROBLEM, message, grant, is_sql=True)
