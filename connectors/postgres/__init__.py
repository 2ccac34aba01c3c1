"""The Postgres source: logical replication with pgoutput, and snapshots that are guests in the stream."""

from __future__ import annotations

from connect.api import Capabilities, Plugin
from connectors.postgres.config import PostgresConfig
from connectors.postgres.discover import discover
from connectors.postgres.failures import FAILURES
from connectors.postgres.preflight import preflight, remove
from connectors.postgres.source import PostgresSource

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="postgres",
    kind="source",
    config=PostgresConfig,
    build=PostgresSource,
    capabilities=Capabilities(snapshots=True, resumes_inside_transactions=True, truncate=True, deletes=True),
    version="0.1.0",
    discover=discover,
    preflight=preflight,
    remove=remove,
    failures=FAILURES,
    connector="postgresql",
)
