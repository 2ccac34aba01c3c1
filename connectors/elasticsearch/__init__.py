"""The Elasticsearch sink: indices equal to topics, by versioned writes."""

from __future__ import annotations

from connect.api import Capabilities, Plugin
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget
from connectors.elasticsearch.doctor import preflight
from connectors.elasticsearch.failures import FAILURES
from connectors.elasticsearch.rebuild import rebuild
from connectors.elasticsearch.sink import ElasticsearchSink

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="elasticsearch",
    kind="sink",
    config=ElasticsearchConfig,
    target=ElasticsearchTarget,
    build=ElasticsearchSink,
    capabilities=Capabilities(truncate=True, deletes=True, appends=True),
    version="0.1.0",
    preflight=preflight,
    rebuild=rebuild,
    failures=FAILURES,
)
