"""The ``sql`` sink: tables in Postgres or SQLite, equal to their topics, exactly once."""

from connect.api import Capabilities, Plugin
from connectors.sql.config import SqlConfig, SqlTarget
from connectors.sql.sink import SqlSink

PLUGIN = Plugin(
    name="sql",
    kind="sink",
    config=SqlConfig,
    target=SqlTarget,
    build=SqlSink,
    capabilities=Capabilities(truncate=True, deletes=True, transactional=True, appends=True),
    version="1",
)
