"""The Postgres source: logical replication with pgoutput, and snapshots that are guests in the stream."""

from __future__ import annotations

from connect.api import Capabilities, Plugin, later
from connectors.postgres.config import PostgresConfig, server_names
from connectors.postgres.failures import FAILURES

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="postgres",
    kind="source",
    config=PostgresConfig,
    build=later("connectors.postgres.source:PostgresSource"),
    capabilities=Capabilities(snapshots=True, resumes_inside_transactions=True, truncate=True, deletes=True),
    version="0.1.0",
    discover=later("connectors.postgres.discover:discover"),
    uncaptured=later("connectors.postgres.discover:uncaptured"),
    names=server_names,
    preflight=later("connectors.postgres.preflight:preflight"),
    leftovers=later("connectors.postgres.preflight:leftovers"),
    remove=later("connectors.postgres.preflight:remove"),
    failures=FAILURES,
    connector="postgresql",
    session="SET lock_timeout = '2s';",
    schemes=("postgresql",),
)
