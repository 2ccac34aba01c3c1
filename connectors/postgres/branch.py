"""Whether a stored position lies on the server's branch of history (rule S9, F33-F35)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.errors import Failed
from connectors.postgres.position import format_lsn, parse_lsn

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.position import PostgresPosition
    from connectors.postgres.replication import Identity


def check_branch(identity: Identity, position: PostgresPosition, history: Callable[[int], str]) -> None:
    """Whether the stored position lies on this server's branch (F33-F35).

    Args:
        identity: What the server says it is.
        position: The stored position.
        history: Timeline → content of its history file.

    Raises:
        Failed: ``other_system``, ``wrong_branch``.
    """
    if identity.system_id != position.system_id:
        raise Failed(
            "other_system",
            f"the position was stored for the cluster {position.system_id}, but this is {identity.system_id}",
            hint="After pg_upgrade or a move, `connect remove SOURCE FILE` and start anew: the tables are read again.",
        )
    reached = max(position.lsn, position.row_lsn)
    if position.timeline != identity.timeline:
        parted = None
        if position.timeline < identity.timeline:
            parted = branch_point(history(identity.timeline), position.timeline)
        if parted is None or reached > parted:
            raise _wrong_branch(position, identity, parted)
    elif reached > identity.wal_end:
        raise _wrong_branch(position, identity, identity.wal_end)


def branch_point(history: str, timeline: int) -> int | None:
    """Where the history file's timeline left ``timeline``; None where it did not come from it."""
    for line in history.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == str(timeline):
            return parse_lsn(fields[1])
    return None


def _wrong_branch(position: PostgresPosition, identity: Identity, end: int | None) -> Failed:
    where = f"ends at {format_lsn(end)} here" if end is not None else "is no part of this server's history"
    return Failed(
        "wrong_branch",
        f"the stored position {position} lies on a branch that {where} (timeline {identity.timeline} now): "
        "changes were delivered that this server does not have",
        hint="After a failover or restore that lost changes: `connect remove SOURCE FILE` and start anew. "
        "`synchronized_standby_slots` keeps a standby from falling behind its readers.",
    )
