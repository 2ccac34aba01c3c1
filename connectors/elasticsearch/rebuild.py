"""``connect rebuild``: drop what this sink made and nothing else, so that it starts again from offset 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.errors import Failed
from connectors.elasticsearch.cluster import Cluster, part
from connectors.elasticsearch.state import StateStore
from connectors.elasticsearch.targets import owner_mark

if TYPE_CHECKING:
    from connect.api import SinkContext
    from connectors.elasticsearch.config import ElasticsearchConfig
    from connectors.elasticsearch.state import TargetNote


def rebuild(config: ElasticsearchConfig, context: SinkContext) -> list[str]:
    """Drop the sink's indices with their aliases and empty its state document; one sentence for each thing.

    The document itself stays with a raised epoch: a worker that still runs is fenced and not joined in its work.

    Raises:
        Retriable: The cluster is not there.
        Failed: The credentials lack a right.
    """
    cluster = Cluster(config)
    try:
        store = StateStore(cluster, context.group, context.connector)
        progress = store.take_over()
        done = [_drop(cluster, note, owner_mark(context, topic)) for topic, note in progress.targets.items()]
        progress.forget()
        store.store(progress)
        return [*done, f"forgot the position of {context.connector}: it starts again from offset 0"]
    finally:
        cluster.close()


def _drop(cluster: Cluster, note: TargetNote, mark: dict[str, str]) -> str:
    answer = cluster.request("GET", f"/{part(note.index)}/_mapping", expect=(404,))
    if answer.status == 404:
        return f"the index {note.index} was gone already"
    ours = answer.body[note.index]["mappings"].get("_meta", {}).get("connect") == mark
    if not ours and note.uuid is None:
        return f"the index {note.index} had not been made yet"
    if not ours:
        message = f"the index {note.index} is not the one that this sink made"
        raise Failed("target_changed", message, hint=f"Look at it; remove or rename it by hand: DELETE /{note.index}")
    cluster.request("DELETE", f"/{part(note.index)}")
    return f"dropped the index {note.index} with its alias {note.alias}"
