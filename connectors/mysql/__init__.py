"""The MySQL source, for MariaDB too: row-based binlogs, and snapshots that are guests in the stream."""

from __future__ import annotations

from connect.api import Capabilities, Plugin, later
from connectors.mysql.config import MysqlConfig
from connectors.mysql.failures import FAILURES

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="mysql",
    kind="source",
    config=MysqlConfig,
    build=later("connectors.mysql.source:MysqlSource"),
    capabilities=Capabilities(snapshots=True, resumes_inside_transactions=True, truncate=True, deletes=True),
    version="0.1.0",
    discover=later("connectors.mysql.discover:discover"),
    preflight=later("connectors.mysql.preflight:preflight"),
    remove=later("connectors.mysql.preflight:remove"),
    failures=FAILURES,
    connector="mysql",
    session="SET SESSION lock_wait_timeout = 2;",
    schemes=("mysql",),
)
