"""How much each measure is given: ``QUICK=1`` ends within ten minutes, the whole takes most of an hour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Rows and seconds; ``repeats`` of everything, one after the other: ours, limit, peer, ours, limit, peer.

    Attributes:
        peer_recoveries: The peer's recoveries of ``repeats``: each takes up to a minute and more.
    """

    repeats: int
    warm_up: int
    stream: int
    stream_1: int
    stream_wide: int
    stream_10kb: int
    snapshot: int
    mysql: int
    sink: int
    rss: int
    latency_seconds: int
    tables: int
    transaction: int
    peer_recoveries: int


WHOLE = Inputs(
    repeats=3,
    warm_up=200_000,
    stream=3_000_000,
    stream_1=500_000,
    stream_wide=300_000,
    stream_10kb=50_000,
    snapshot=3_000_000,
    mysql=1_000_000,
    sink=1_000_000,
    rss=1_000_000,
    latency_seconds=30,
    tables=1_000_000,
    transaction=1_000_000,
    peer_recoveries=2,
)
QUICK = Inputs(
    repeats=2,
    warm_up=30_000,
    stream=300_000,
    stream_1=50_000,
    stream_wide=30_000,
    stream_10kb=5_000,
    snapshot=300_000,
    mysql=150_000,
    sink=100_000,
    rss=150_000,
    latency_seconds=10,
    tables=100_000,
    transaction=300_000,
    peer_recoveries=1,
)
