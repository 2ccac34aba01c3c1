"""The ``sql`` sink: tables in Postgres, MySQL, MariaDB or SQLite, equal to their topics, exactly once."""

from connect.api import Capabilities, Plugin, later
from connectors.sql.config import SqlConfig, SqlTarget
from connectors.sql.failures import FAILURES

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="sql",
    kind="sink",
    config=SqlConfig,
    target=SqlTarget,
    build=later("connectors.sql.sink:SqlSink"),
    capabilities=Capabilities(truncate=True, deletes=True, transactional=True, appends=True, rewrites=True),
    version="0.1.0",
    preflight=later("connectors.sql.preflight:preflight"),
    rebuild=later("connectors.sql.maintenance:rebuild"),
    failures=FAILURES,
)
