"""The measures by name, what each is held against, and what the runs gave."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Side = Literal["connect", "limit", "peer"]
ROWS: Final = "rows/s"
RECVLOGICAL: Final = "pg_recvlogical"
DEBEZIUM: Final = "Debezium"


@dataclass(frozen=True, kw_only=True)
class Aim:
    """``of`` (the value, its ratio to the limit or to the peer) is to be ``at_least`` or ``at_most`` a number."""

    of: Literal["value", "ratio_to_limit", "ratio_to_peer"]
    at_least: float | None = None
    at_most: float | None = None

    def text(self) -> str:
        sign, number = (">=", self.at_least) if self.at_least is not None else ("<=", self.at_most)
        return f"{self.of} {sign} {number:g}"

    def is_met(self, result: dict[str, Any]) -> bool | None:
        """None where the figure is missing."""
        found = result[self.of]
        if found is None:
            return None
        return found >= self.at_least if self.at_least is not None else found <= self.at_most


@dataclass(kw_only=True)
class Measure:
    """A line of the result.

    Attributes:
        limit_name: What the limit is; empty where there is none.
        peer_name: What the peer is; empty where there is none.
        notes: What a reader must know, such as why a peer is missing.
    """

    name: str
    what: str
    unit: str = ROWS
    limit_name: str = ""
    peer_name: str = DEBEZIUM
    aims: tuple[Aim, ...] = ()
    notes: list[str] = field(default_factory=list)
    values: dict[Side, list[float]] = field(default_factory=lambda: {"connect": [], "limit": [], "peer": []})
    figures: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""

    def add(self, side: Side, value: float, **figures: float) -> None:
        """One run of one side; ``figures`` (CPU seconds, bytes) are kept under the side's name."""
        self.values[side].append(value)
        for name, figure in figures.items():
            self.figures.setdefault(f"{side}.{name}", []).append(figure)

    def note(self, text: str) -> None:
        """A sentence for the reader, said once."""
        if text not in self.notes:
            self.notes.append(text)

    def to_json(self) -> dict[str, Any]:
        value, limit, peer = (self._median(side) for side in ("connect", "limit", "peer"))
        result = {
            "measure": self.name,
            "value": value,
            "unit": self.unit,
            "limit": limit,
            "peer": peer,
            "ratio_to_limit": _ratio(value, limit),
            "ratio_to_peer": _ratio(value, peer),
            "aim": [aim.text() for aim in self.aims],
        }
        return result | {
            "met": [aim.is_met(result) for aim in self.aims],
            "what": self.what,
            "limit_name": self.limit_name or None,
            "peer_name": self.peer_name or None,
            "runs": {side: [_rounded(each) for each in values] for side, values in self.values.items()},
            "figures": {name: _rounded(statistics.median(each)) for name, each in sorted(self.figures.items())},
            "notes": self.notes,
            "error": self.error or None,
        }

    def _median(self, side: Side) -> float | None:
        values = self.values[side]
        return _rounded(statistics.median(values)) if values else None


def _ratio(value: float | None, other: float | None) -> float | None:
    return None if value is None or not other else _rounded(value / other)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def measures() -> dict[str, Measure]:
    """All of them, in the order of the report."""
    return {measure.name: measure for measure in _measures()}


def _measures() -> list[Measure]:
    to_limit = lambda least: Aim(of="ratio_to_limit", at_least=least)  # noqa: E731 - three words instead of a line
    to_peer = lambda least: Aim(of="ratio_to_peer", at_least=least)  # noqa: E731
    at_most = lambda most: Aim(of="value", at_most=most)  # noqa: E731
    chunks, rows8 = "chunks read and passed on undecoded", "8 columns"
    return [
        Measure(
            name="pg_stream_100",
            what=f"Postgres stream, 100-row transactions, {rows8}",
            limit_name=RECVLOGICAL,
            aims=(to_limit(0.8), to_peer(8)),
        ),
        Measure(name="pg_stream_1", what=f"Postgres stream, 1-row transactions, {rows8}", limit_name=RECVLOGICAL),
        Measure(
            name="pg_stream_100k", what=f"Postgres stream, 100,000-row transactions, {rows8}", limit_name=RECVLOGICAL
        ),
        Measure(
            name="pg_stream_wide", what="Postgres stream, 100-row transactions, 60 columns", limit_name=RECVLOGICAL
        ),
        Measure(
            name="pg_stream_10kb", what="Postgres stream, 10-row transactions, rows of 10 kB", limit_name=RECVLOGICAL
        ),
        Measure(
            name="pg_snapshot",
            what=f"Postgres snapshot, {rows8}",
            limit_name=chunks,
            aims=(to_limit(0.7), to_peer(10)),
        ),
        Measure(
            name="mysql_stream_100",
            what=f"MySQL stream, 100-row transactions, {rows8}",
            limit_name="mysql-replication, no output",
            aims=(to_limit(10), to_peer(9)),
        ),
        Measure(name="mysql_snapshot", what=f"MySQL snapshot, {rows8}", aims=(to_peer(8),)),
        Measure(
            name="sink_postgres_upsert",
            what="Kafka to Postgres, every row an update of one that is there",
            peer_name="Debezium's JDBC sink",
            aims=(to_peer(6),),
        ),
        Measure(
            name="sink_postgres_bootstrap",
            what="Kafka to an empty table of Postgres; 20 % repeated keys, 5 % tombstones",
            peer_name="Debezium's JDBC sink",
            aims=(to_peer(10),),
        ),
        Measure(
            name="sink_elasticsearch",
            what="Kafka to Elasticsearch",
            limit_name="bare bulk loader, same ids and versions",
            peer_name="",
            aims=(to_limit(0.9),),
        ),
        *[
            Measure(
                name=f"latency_{rate}_p{percentile}",
                what=f"commit to read_committed consumer at {rate:,} rows/s, p{percentile}",
                unit="ms",
                aims=(at_most(most),),
            )
            for rate, percentile, most in ((100, 50, 10), (100, 99, 40), (5000, 50, 15), (5000, 99, 60))
        ],
        Measure(
            name="rss_source",
            what="peak memory (PSS of all processes) under pg_stream_100's load",
            unit="MB",
            aims=(Aim(of="ratio_to_peer", at_most=0.2),),
        ),
        Measure(name="start", what="exec to the first readable record, topics there", unit="s", aims=(at_most(2),)),
        Measure(
            name="recover",
            what="kill -9 of the worker under 1,000 rows/s to the head of the log",
            unit="s",
            aims=(at_most(3),),
        ),
        Measure(
            name="tables_1000", what="CPU per row, 1,000 tables : 10", unit="ratio", peer_name="", aims=(at_most(1.1),)
        ),
        Measure(
            name="transaction_1m",
            what="peak memory, one transaction of 1,000,000 rows : the same rows by 1,000",
            unit="ratio",
            peer_name="",
            aims=(at_most(1.2),),
        ),
    ]
