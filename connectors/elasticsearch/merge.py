"""Rows with columns that the log did not carry: get the document, merge, index with version (DESIGN §6, rule K4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.elasticsearch.cluster import Cluster, part, parts
from connectors.elasticsearch.document import INCOMPLETE_FIELD

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_REQUEST: Final = 20  # documents; each may hold megabytes, so what is fetched at once stays bounded (invariant 7)


class Stored(NamedTuple):
    """A document as the index holds it now."""

    version: int
    source: dict[str, Any]


def stored_documents(cluster: Cluster, alias: str, ids: Sequence[str]) -> dict[str, Stored]:
    """Those of the documents that exist, by ``_id``; realtime, so writes are seen before a refresh."""
    body = {"docs": [{"_id": each} for each in ids]}
    answer = cluster.request("POST", f"/{part(alias)}/_mget", params={"realtime": "true"}, body=body)
    return {doc["_id"]: Stored(doc["_version"], doc["_source"]) for doc in answer.body["docs"] if doc.get("found")}


def count_incomplete(cluster: Cluster, aliases: Sequence[str]) -> int:
    """How many documents of these indices wait for columns that the log did not carry."""
    query = {"query": {"exists": {"field": INCOMPLETE_FIELD}}}
    count = 0
    for names in parts(aliases):
        cluster.request("POST", f"/{names}/_refresh")
        count += cluster.request("POST", f"/{names}/_count", body=query).body["count"]
    return count
