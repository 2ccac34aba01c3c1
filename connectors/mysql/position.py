"""Where the stream stands in the binlog: by GTIDs, or by file where they are off (rules S1, S4, S8)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

from connect.api import readable
from connect.errors import Failed
from connectors.mysql.gtid import AnyGtid, Gtids, GtidSet, GtidState, parse_gtid


class LogPosition(NamedTuple):
    """An offset in one server's binlog; also the id of a transaction that has no GTID: where it begins."""

    file: str
    pos: int

    @property
    def order(self) -> tuple[int, int]:
        """For comparisons within one server's log: the file's number, then the offset."""
        number = self.file.rpartition(".")[2]
        return int(number) if number.isdigit() else -1, self.pos

    def __str__(self) -> str:
        return f"{self.file}:{self.pos}"


@dataclass(frozen=True, slots=True)
class MysqlPosition:
    """A point of one branch of history (invariant 3).

    Attributes:
        server: The server's UUID, MariaDB's numeric id: whose files ``log`` names.
        log: Everything of this server's log before it was delivered, but for prepared XA transactions: a boundary.
            Its file is "" where only GTIDs are known, after a failover.
        gtids: Every transaction delivered whole; None where the position counts by ``log`` alone (GTIDs off).
        prepared: Open XA transactions that begin before ``log``, oldest first, by where they begin; for ``gtids`` of
            MySQL they are gaps in the set and not listed.
        transaction: Inside a split transaction its id; None at a boundary.
        event: So many of its row events were delivered whole, those of other tables counted.
        row: And so many rows of the one after.
        ordinal: And so many rows of captured tables altogether; 0 only at a boundary.
        ts_us: Commit time of the last transaction delivered from, microseconds since 1970 UTC.
        file_id: Tells the file of ``log`` from another of its name: ``seconds@host``, when it was made, and on MariaDB
            where; nothing for what is not known. No part of where the position lies.
    """

    version: ClassVar[int] = 1

    server: str
    log: LogPosition
    gtids: Gtids | None = None
    prepared: tuple[LogPosition, ...] = ()
    transaction: AnyGtid | LogPosition | None = None
    event: int = 0
    row: int = 0
    ordinal: int = 0
    ts_us: int | None = None
    file_id: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``file``, ``pos``, ``event``, ``row``, ``gtids`` and ``ts_sec`` are Debezium's keys."""
        return {
            "version": self.version,
            "server": self.server,
            "kind": "file" if self.gtids is None else "mysql" if isinstance(self.gtids, GtidSet) else "mariadb",
            "file": self.log.file,
            "pos": self.log.pos,
            "gtids": None if self.gtids is None else str(self.gtids),
            "prepared": [list(begin) for begin in self.prepared],
            "transaction": None if self.transaction is None else str(self.transaction),
            "event": self.event,
            "row": self.row,
            "ordinal": self.ordinal,
            "ts_sec": None if self.ts_us is None else self.ts_us // 1_000_000,
            "ts_usec": self.ts_us,
            "file_id": self.file_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The position of ``to_json``.

        Raises:
            Failed: ``state_is_newer``; ``offset_format`` for anything else (F124).
        """
        try:
            readable("the stored position", _number(data["version"]), cls.version)
            return cls(
                server=_text(data["server"]),
                log=LogPosition(_text(data["file"]), _number(data["pos"])),
                gtids=_gtids(data["kind"], data["gtids"]),
                prepared=tuple(LogPosition(_text(file), _number(pos)) for file, pos in data["prepared"]),
                transaction=_transaction(data["kind"], data["transaction"]),
                event=_number(data["event"]),
                row=_number(data["row"]),
                ordinal=_number(data["ordinal"]),
                ts_us=None if data["ts_usec"] is None else _number(data["ts_usec"]),
                file_id=_text(data.get("file_id", "")),  # not there before this was noted
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _not_understood(f"{type(error).__name__}: {error}") from error

    def is_after(self, other: Self) -> bool:
        """Whether this position lies strictly after the other on the same branch of history."""
        # Invariant 3: a total order, rows of a split transaction included, by which a position only moves on.
        if self.gtids != other.gtids and self.gtids is not None and other.gtids is not None:
            return _contains(self.gtids, other.gtids)
        if self.gtids is None and self.log != other.log:
            return self.log.order > other.log.order
        if (self.event, self.row, self.ordinal) != (other.event, other.row, other.ordinal):
            return (self.ordinal, self.event, self.row) > (other.ordinal, other.event, other.row)
        # The same transactions: what lies between holds none, such as a new file, or the file was not known before.
        return self.server == other.server and self.log.order > other.log.order

    def boundary(self) -> Self:
        """Without the part of a transaction: what a server is asked to send from."""
        return replace(self, transaction=None, event=0, row=0, ordinal=0)

    def __str__(self) -> str:
        inside = f" row {self.ordinal} of {self.transaction}" if self.transaction is not None else ""
        return (str(self.log) if self.gtids is None else f"{self.gtids} ({self.log})") + inside


def _contains(one: Gtids, other: Gtids) -> bool:
    if isinstance(one, GtidSet) and isinstance(other, GtidSet):
        return one.contains(other)
    return isinstance(one, GtidState) and isinstance(other, GtidState) and one.contains(other)


def _gtids(kind: object, text: object) -> Gtids | None:
    if kind == "file" and text is None:
        return None
    if kind == "mysql":
        return GtidSet.parse(_text(text))
    if kind == "mariadb":
        return GtidState.parse(_text(text))
    raise ValueError(f"a position of kind {kind!r}")


def _transaction(kind: object, text: object) -> AnyGtid | LogPosition | None:
    if text is None:
        return None
    if kind != "file":
        return parse_gtid(_text(text))
    file, _, pos = _text(text).rpartition(":")
    return LogPosition(file, int(pos))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError(f"{type(value).__name__} is no number in range")
    return value


def _not_understood(what: str) -> Failed:
    return Failed(
        "offset_format",
        f"the stored position is not one of this MySQL source: {what}",
        hint="Did another plugin write it? Nothing was changed; restore the topic, or run what wrote it.",
    )
