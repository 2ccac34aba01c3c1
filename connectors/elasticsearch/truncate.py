"""``op=t``: empty an index without forgetting versions, so that late writes of older records stay harmless.

Not by a new index and not by ``delete_by_query``: both would lose the deletes' versions that rule E3 rests on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.elasticsearch.bulk import Action, BulkWriter, Outcome
from connectors.elasticsearch.cluster import Cluster, part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAGE: Final = 5_000
_KEEP: Final = "5m"


def truncate(
    cluster: Cluster, writer: BulkWriter, alias: str, version: int, check_epoch: Callable[[], None]
) -> Outcome:
    """Delete every document that the index holds now.

    The pages come from one point in time, and the epoch is checked after that point was taken: what a later owner of
    the sink writes is therefore either not in it or has a higher version than the delete.

    Args:
        cluster: Where.
        writer: Sends the deletes.
        alias: Of the index.
        version: Of the truncate record; documents whose own is higher (other partitions) are deleted at theirs.
        check_epoch: Raises ``Fenced`` if another owner took over.
    """
    cluster.request("POST", f"/{part(alias)}/_refresh")
    point = cluster.request("POST", f"/{part(alias)}/_pit", params={"keep_alive": _KEEP}).body["id"]
    try:
        check_epoch()
        return writer.send(_deletes(cluster, alias, version, point))
    finally:
        cluster.request("DELETE", "/_pit", body={"id": point}, expect=(404,))


def _deletes(cluster: Cluster, alias: str, version: int, point: str) -> Iterator[Action]:
    after: list[Any] | None = None
    while True:
        hits = _page(cluster, point, after)
        if not hits:
            return
        for hit in hits:
            yield Action(-1, alias, hit["_id"], max(version, hit["_version"]), None, "external_gte")
        after = hits[-1]["sort"]


def _page(cluster: Cluster, point: str, after: list[Any] | None) -> list[dict[str, Any]]:
    body: dict[str, Any] = {
        "size": _PAGE,
        "version": True,
        "_source": False,
        "track_total_hits": False,
        "pit": {"id": point, "keep_alive": _KEEP},
        "sort": [{"_shard_doc": "asc"}],
    }
    if after:
        body["search_after"] = after
    hits: list[dict[str, Any]] = cluster.request("POST", "/_search", body=body).body["hits"]["hits"]
    return hits
