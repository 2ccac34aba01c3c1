"""How much each measure is given: ``QUICK=1`` ends within ten minutes, the whole takes most of an hour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Rows and seconds; ``repeats`` of everything, one after the other: ours, limit, peer, ours, limit, peer.

    Attributes:
        long_repeats: Of what takes long to look at or to set up: latencies, memory, recovery, many tables.
        stream_big: Rows of ``pg_stream_100k``.
        peer_recoveries: Of ``long_repeats``: each takes the peer up to a minute and more.
    """

    repeats: int
    long_repeats: int
    warm_up: int
    stream: int
    stream_big: int
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
    long_repeats=2,
    warm_up=500_000,
    stream=1_500_000,
    stream_big=1_000_000,
    stream_1=300_000,
    stream_wide=300_000,
    stream_10kb=50_000,
    snapshot=2_000_000,
    mysql=1_500_000,
    sink=1_000_000,
    rss=1_000_000,
    latency_seconds=30,
    tables=300_000,
    transaction=1_000_000,
    peer_recoveries=2,
)
QUICK = Inputs(
    repeats=2,
    long_repeats=1,
    warm_up=150_000,
    stream=300_000,
    stream_big=200_000,
    stream_1=50_000,
    stream_wide=30_000,
    stream_10kb=5_000,
    snapshot=300_000,
    mysql=100_000,
    sink=60_000,
    rss=150_000,
    latency_seconds=10,
    tables=100_000,
    transaction=300_000,
    peer_recoveries=1,
)
