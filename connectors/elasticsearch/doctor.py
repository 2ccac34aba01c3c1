"""What ``connect doctor`` asks an Elasticsearch cluster before a sink relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connect.api import Finding, Severity
from connect.errors import ConnectError
from connectors.elasticsearch.cluster import Cluster, part
from connectors.elasticsearch.state import STATE_INDEX, StateStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.api import SinkContext
    from connectors.elasticsearch.config import ElasticsearchConfig
    from connectors.elasticsearch.state import TargetNote

_OLDEST: Final = 8
_PATIENCE_MS: Final = 10_000  # whoever asks sits there and waits
_FULL_PERCENT: Final = 90  # the high watermark's default; at 95 % the flood stage blocks writes (F153)
_RIGHTS: Final = {
    "cluster": ["monitor"],
    "index": [{"names": [STATE_INDEX], "privileges": ["create_index", "read", "write"]}],
}


def preflight(config: ElasticsearchConfig, context: SinkContext) -> Iterator[Finding]:
    """Reachable, version, rights, disks, and the indices that the sink has made so far."""
    try:
        cluster = Cluster(config.model_copy(update={"timeout": min(config.timeout, _PATIENCE_MS)}))
    except ConnectError as error:
        yield Finding(error.code, Severity.PROBLEM, error.message, error.hint)
        return
    try:
        yield from _cluster_findings(cluster)
        yield from _target_findings(cluster, config, context)
    except ConnectError as error:
        yield Finding(error.code, Severity.PROBLEM, error.message, error.hint)
    finally:
        cluster.close()


def _cluster_findings(cluster: Cluster) -> Iterator[Finding]:
    yield from _version(cluster)
    yield from _rights(cluster)
    yield from _disks(cluster)


def _version(cluster: Cluster) -> Iterator[Finding]:
    nodes = cluster.request("GET", "/_nodes", params={"filter_path": "nodes.*.version"}).body["nodes"]
    versions = sorted({node["version"] for node in nodes.values()})
    old = [version for version in versions if int(version.split(".")[0]) < _OLDEST]
    if old:
        message = f"a node of {cluster.name} runs Elasticsearch {old[0]}"
        yield Finding("version", Severity.PROBLEM, message, f"Upgrade the cluster to {_OLDEST} or later.")
    else:
        yield Finding("version", Severity.OK, f"{cluster.name} runs Elasticsearch {', '.join(versions)}")


def _rights(cluster: Cluster) -> Iterator[Finding]:
    answer = cluster.request("POST", "/_security/user/_has_privileges", body=_RIGHTS, expect=(400, 404, 405))
    if answer.status != 200:
        yield Finding("rights", Severity.OK, "the cluster has no security: everyone may write")
    elif answer.body["has_all_requested"]:
        yield Finding("rights", Severity.OK, f"the role may keep its state in {STATE_INDEX}")
    else:
        remedy = (
            'POST /_security/role/connect {"cluster": ["monitor"], "indices": [{"names": ["connect-state", '
            '"YOUR-INDICES*"], "privileges": ["create_index", "manage", "read", "write"]}]}'
        )
        yield Finding("rights", Severity.PROBLEM, f"the role lacks rights on {STATE_INDEX} or `monitor`", remedy)


def _disks(cluster: Cluster) -> Iterator[Finding]:
    nodes = cluster.request("GET", "/_cat/allocation", params={"format": "json", "bytes": "b"}).body
    full = [node for node in nodes if int(node["disk.percent"] or 0) >= _FULL_PERCENT]
    for node in full:
        message = f"the disk of node {node['node']} is {node['disk.percent']} % full"
        yield Finding("disk", Severity.WARNING, message, "Free disk space: at 95 % Elasticsearch blocks writes.")
    if not full:
        yield Finding("disk", Severity.OK, "no disk is near the flood stage")


def _target_findings(cluster: Cluster, config: ElasticsearchConfig, context: SinkContext) -> Iterator[Finding]:
    progress = StateStore(cluster, context.group, context.connector).read()
    for topic, note in progress.targets.items() if progress else ():
        if note.uuid and context.reads(topic):
            yield _target(cluster, note, config.gc_deletes)


def _target(cluster: Cluster, note: TargetNote, gc_deletes_ms: int) -> Finding:
    path, params = f"/{part(note.index)}/_settings", {"flat_settings": "true"}
    answer = cluster.request("GET", path, params=params, expect=(404,))
    if answer.status == 404:
        message = f"the index {note.index} behind {note.alias} is gone"
        return Finding("target", Severity.PROBLEM, message, "connect rebuild SINK FILE")
    settings: dict[str, Any] = answer.body[note.index]["settings"]
    blocks = [name for name, value in settings.items() if name.startswith("index.blocks.") and value == "true"]
    if blocks:
        remedy = f'PUT /{note.index}/_settings {{"{blocks[0]}": null}}'
        return Finding("target", Severity.PROBLEM, f"{note.index} has the block {blocks[0]}", remedy)
    if settings.get("index.gc_deletes") != f"{gc_deletes_ms}ms":
        message = f"{note.index} forgets deletes after {settings.get('index.gc_deletes', '60s')}"
        remedy = f'PUT /{note.index}/_settings {{"index.gc_deletes": "{gc_deletes_ms}ms"}} (the next start does it)'
        return Finding("target", Severity.WARNING, message, remedy)
    return Finding("target", Severity.OK, f"{note.alias} leads to {note.index}")
