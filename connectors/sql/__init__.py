"""The ``sql`` sink: tables in Postgres or SQLite, equal to their topics, exactly once."""

from connect.api import Capabilities, Plugin
from connectors.sql.config import SqlConfig, SqlTarget
from connectors.sql.failures import FAILURES
from connectors.sql.maintenance import rebuild
from connectors.sql.preflight import preflight
from connectors.sql.sink import SqlSink

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="sql",
    kind="sink",
    config=SqlConfig,
    target=SqlTarget,
    build=SqlSink,
    capabilities=Capabilities(truncate=True, deletes=True, transactional=True, appends=True),
    version="0.1.0",
    preflight=preflight,
    rebuild=rebuild,
    failures=FAILURES,
)
