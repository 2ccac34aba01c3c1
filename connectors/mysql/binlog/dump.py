"""The commands that make a server send its log, and what its session must know of us before."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING, Final

from connectors.mysql.gtid import GtidSet, GtidState

if TYPE_CHECKING:
    from connectors.mysql.position import MysqlPosition

_BINLOG_DUMP: Final = 0x12
_BINLOG_DUMP_GTID: Final = 0x1E
_THROUGH_GTID: Final = 4
_NAMESPACE: Final = uuid.UUID("5e0c2c1c-4f0b-5f6e-9d55-7a1f2f8a6f0e")  # of the UUIDs that we show as a replica
_ANNOTATED: Final = 2  # MariaDB sends the texts of statements only to those who ask
_BEGIN: Final = 4  # the first event of a file
_MARIADB_CAPABILITY: Final = 4  # GTID events as they are


def session_settings(kind: str, replica: str, heartbeat_ms: int) -> list[str]:
    """What to SET before the dump command.

    Args:
        kind: ``mysql`` or ``mariadb``.
        replica: A name of ours; the server ends an older dump of the same one (F66).
        heartbeat_ms: An idle server gives a sign of life at this period (F67).
    """
    ours = uuid.uuid5(_NAMESPACE, replica)
    variables = {
        "master_binlog_checksum": "'CRC32'",  # events come as they are in the log, and are verified (F69)
        "master_heartbeat_period": str(heartbeat_ms * 1_000_000),
        "slave_uuid": f"'{ours}'",
    }
    if kind == "mysql":
        variables |= {
            "source_binlog_checksum": "'CRC32'",
            "source_heartbeat_period": str(heartbeat_ms * 1_000_000),
            "replica_uuid": f"'{ours}'",
        }
    else:
        variables["mariadb_slave_capability"] = str(_MARIADB_CAPABILITY)
    return ["SET " + ", ".join(f"@{name} = {value}" for name, value in variables.items())]


def position_settings(position: MysqlPosition) -> list[str]:
    """What to SET where the start is told by variables: MariaDB's GTIDs. The server checks that it has them (F64)."""
    if not isinstance(position.gtids, GtidState) or position.prepared:
        return []
    return [
        f"SET @slave_connect_state = '{position.gtids}', @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0"
    ]


def dump_command(position: MysqlPosition, server_id: int, *, annotated: bool = False) -> tuple[int, bytes]:
    """The command and its argument: all that comes after the position, and then whatever is written.

    ``annotated``: with the texts of statements, which is for MariaDB to be told.
    """
    if isinstance(position.gtids, GtidSet):
        gtids = position.gtids.encode()
        start = struct.pack("<HIIQI", _THROUGH_GTID, server_id, 0, _BEGIN, len(gtids))
        return _BINLOG_DUMP_GTID, start + gtids
    flags = _ANNOTATED if annotated else 0
    if isinstance(position.gtids, GtidState) and not position.prepared:
        return _BINLOG_DUMP, struct.pack("<IHI", _BEGIN, flags, server_id)
    begin = position.prepared[0] if position.prepared else position.log
    return _BINLOG_DUMP, struct.pack("<IHI", begin.pos, flags, server_id) + begin.file.encode()
