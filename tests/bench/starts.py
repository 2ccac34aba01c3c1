"""From exec to the first record readable: topics there, no long transaction open."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import debezium
import psycopg
from bench import drop_slots
from streams import start_once
from tables import NARROW, fill

if TYPE_CHECKING:
    from bench import Bench
    from results import Measure

_LOOK_EVERY = 0.005  # seconds


def start(bench: Bench, measure: Measure) -> None:
    """One row is waiting. The peer's connector is made anew after its worker's start, and both times are told."""
    for _ in range(bench.inputs.repeats):
        url, source, peer = bench.database(), bench.name("start"), bench.name("start")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(NARROW.create().encode())
            worker = bench.source(source, url)
            start_once(worker)
            connection.execute("CREATE PUBLICATION peer FOR TABLE orders")
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (peer,))
        bench.make_topic(f"{peer}.public.orders")
        fill(url, NARROW, 1, 1)
        started = worker.start()
        try:
            first, _ = bench.readable.wait(f"{source}.public.orders", 1, 1, worker.check, every=_LOOK_EVERY)
        finally:
            worker.stop()
        measure.add("connect", first - started)
        if bench.has_peer(measure):
            own, connector = _their_start(bench, peer, debezium.postgres(peer, url, peer, "peer"))
            measure.add("peer", own + connector, seconds_of_worker=own, seconds_of_connector=connector)
        drop_slots(url)
    measure.note("The peer's time is its worker's start and its connector's; the figures tell them apart.")


def _their_start(bench: Bench, peer: str, config: dict[str, str]) -> tuple[float, float]:
    bench.peer.stop()
    started = time.monotonic()
    bench.peer.start()
    up = time.monotonic()
    bench.peer.put(peer, config)
    try:
        check = partial(bench.peer.check, peer)
        first, _ = bench.readable.wait(f"{peer}.public.orders", 1, 1, check, every=_LOOK_EVERY)
    finally:
        bench.peer.delete(peer)
    return up - started, first - up
