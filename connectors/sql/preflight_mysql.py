"""What ``doctor`` checks of a MySQL or MariaDB target: writable, its log, the rights that the sink needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from connect.api import Finding, Severity
from connectors.sql.ledger import Ledger
from connectors.sql.mysql_errors import RIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.api import SinkContext
    from connectors.sql.mysql import MysqlDatabase

_GRANT: Final = re.compile(r"GRANT (.+?) ON (?:TABLE )?(\S+) TO ")


def findings(database: MysqlDatabase, context: SinkContext) -> Iterator[Finding]:
    """Look, and change nothing."""
    [(read_only, log, form)] = database.rows("SELECT @@read_only, @@log_bin, @@binlog_format")
    if read_only:
        message = "the target has read_only on: a replica, or a primary that takes no writes now"
        remedy = "Point url: to the primary, or SET GLOBAL read_only = OFF;"
        yield Finding("target_writable", Severity.WARNING, message, remedy)
    if log and str(form) == "STATEMENT":
        message = "the target's binlog_format is STATEMENT, which cannot log what is written at READ COMMITTED"
        yield Finding(
            "target_binlog_format", Severity.PROBLEM, message, "SET GLOBAL binlog_format = 'ROW';", is_sql=True
        )
    grants = [str(row[0]) for row in database.rows("SHOW GRANTS")]
    missing = missing_rights(grants, database.schema)
    if missing and not _has_roles(grants):
        [(account,)] = database.rows("SELECT CURRENT_USER()")
        user, _, host = str(account).rpartition("@")
        grant = f"GRANT {', '.join(missing)} ON `{database.schema.replace('`', '``')}`.* TO '{user}'@'{host}';"
        message = f"user {account} lacks {', '.join(missing)} on database {database.schema}"
        yield Finding("target_rights", Severity.PROBLEM, message, grant, is_sql=True)
        return
    yield from _tables(database, context)


def missing_rights(grants: list[str], schema: str) -> list[str]:
    """Of ``RIGHTS``, those that no grant to the account itself gives on every table of the database."""
    held: set[str] = set()
    for grant in grants:
        found = _GRANT.match(grant)
        if found and _covers(found[2], schema):
            held.update(right.strip() for right in found[1].split(","))
    return [] if "ALL PRIVILEGES" in held or "ALL" in held else [right for right in RIGHTS if right not in held]


def _covers(on: str, schema: str) -> bool:
    """Whether ``on``, as *.* or `pattern`.*, is about the database; in a pattern _ and % stand for others."""
    if on == "*.*":
        return True
    pattern = on.removesuffix(".*")[1:-1].replace("``", "`").replace('""', '"')
    parts = re.findall(r"\\.|.", pattern)
    regex = "".join(".*" if part == "%" else "." if part == "_" else re.escape(part[-1]) for part in parts)
    return on.endswith(".*") and re.fullmatch(regex, schema) is not None


def _has_roles(grants: list[str]) -> bool:
    """What a role grants is not in the list."""
    return any(re.match(r"GRANT [`'\"][^ ]* TO ", grant) for grant in grants)


def _tables(database: MysqlDatabase, context: SinkContext) -> Iterator[Finding]:
    ledger = Ledger(database, f"{context.group}.{context.connector}")
    if not ledger.exists():
        yield Finding("target_tables", Severity.OK, "the sink has not made its tables yet")
        return
    for topic, row in ledger.targets().items():
        if context.reads(topic) and row.columns and database.describe(row.table) is None:
            message = f"table {row.table}, a target of the sink, is gone"
            yield Finding("target_tables", Severity.PROBLEM, message, "Run connect rebuild SINK FILE.")
