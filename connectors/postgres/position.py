"""Where the stream stands in the WAL: a commit end and, inside a split transaction, an ordinal (rules S1, S4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from connect.api import readable
from connect.errors import Failed


def parse_lsn(text: str) -> int:
    """``16/B374D848`` → a 64-bit number."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """A 64-bit number as the server prints it: ``16/B374D848``."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True, slots=True)
class PostgresPosition:
    """A point of one branch of history of one cluster (invariant 3).

    Attributes:
        system_id: The cluster's ``system_identifier``.
        timeline: The branch; LSNs of two timelines compare only below the point where they part (rule S9).
        lsn: Every transaction whose commit ends at or before it was delivered whole: the commit END of the last one,
            or a later LSN of a keepalive with nothing open (rule S6).
        ordinal: 0 at a boundary; k > 0 when rows 1..k of the next transaction that has rows were delivered too.
        row_lsn: LSN of that row k, checked on resume; 0 at a boundary.
        tx_id: The last transaction delivered from, wholly or in part; None where there was none.
        ts_usec: Its commit time, microseconds since 1970 UTC.
    """

    version: ClassVar[int] = 1

    system_id: str
    timeline: int
    lsn: int
    ordinal: int = 0
    row_lsn: int = 0
    tx_id: int | None = None
    ts_usec: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``lsn``, ``lsn_commit``, ``lsn_proc``, ``txId`` and ``ts_usec`` are Debezium's keys."""
        return {
            "version": self.version,
            "system_id": self.system_id,
            "timeline": self.timeline,
            "lsn_commit": self.lsn,
            "lsn_proc": self.lsn,
            "lsn": self.row_lsn if self.ordinal else self.lsn,
            "ordinal": self.ordinal,
            "txId": self.tx_id,
            "ts_usec": self.ts_usec,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The position of ``to_json``.

        Raises:
            Failed: ``state_is_newer``; ``offset_format`` for anything else (F124).
        """
        try:
            readable("the stored position", _number(data, "version"), cls.version)
            ordinal = _number(data, "ordinal")
            return cls(
                system_id=_identifier(data["system_id"]),
                timeline=_number(data, "timeline", least=1),
                lsn=_number(data, "lsn_commit"),
                ordinal=ordinal,
                row_lsn=_number(data, "lsn") if ordinal else 0,
                tx_id=_optional(data, "txId"),
                ts_usec=_optional(data, "ts_usec"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _not_understood(f"{type(error).__name__}: {error}") from error

    def is_after(self, other: Self) -> bool:
        """Whether this position lies strictly after the other on the same branch of history."""
        # Invariant 3: a total order, rows of a split transaction included, by which a position only moves on.
        return (self.lsn, self.ordinal) > (other.lsn, other.ordinal)

    def at(self, lsn: int) -> Self:
        """The boundary at a later LSN of the same branch."""
        return replace(self, lsn=lsn, ordinal=0, row_lsn=0)

    def __str__(self) -> str:
        inside = f" row {self.ordinal}" if self.ordinal else ""
        return f"{format_lsn(self.lsn)}{inside} (timeline {self.timeline})"


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not value.isdigit():
        raise ValueError("system_id is no text of digits")
    return value


def _number(data: dict[str, Any], key: str, least: int = 0) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 64:
        raise ValueError(f"{key} is no number in range")
    return value


def _optional(data: dict[str, Any], key: str) -> int | None:
    return None if data.get(key) is None else _number(data, key)


def _not_understood(what: str) -> Failed:
    return Failed(
        "offset_format",
        f"the stored position is not one of this Postgres source: {what}",
        hint="Did another plugin write it? Nothing was changed; restore the topic, or run what wrote it.",
    )
