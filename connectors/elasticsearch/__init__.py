"""The Elasticsearch sink: indices equal to topics, by versioned writes."""

from __future__ import annotations

from connect.api import Capabilities, Plugin, later
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget, alias_name
from connectors.elasticsearch.failures import FAILURES

__all__ = ["PLUGIN"]

PLUGIN = Plugin(
    name="elasticsearch",
    kind="sink",
    config=ElasticsearchConfig,
    target=ElasticsearchTarget,
    target_names=lambda target, topic: {"index": alias_name(target, topic)},
    build=later("connectors.elasticsearch.sink:ElasticsearchSink"),
    capabilities=Capabilities(truncate=True, deletes=True, appends=True, rewrites=True),
    version="0.1.0",
    preflight=later("connectors.elasticsearch.doctor:preflight"),
    rebuild=later("connectors.elasticsearch.rebuild:rebuild"),
    failures=FAILURES,
)
