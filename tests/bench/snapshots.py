"""Snapshots: a filled table, timed from process start to the last row readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import debezium
import limits
import psycopg
from bench import drop_slots
from streams import ours, theirs
from tables import NARROW, fill

if TYPE_CHECKING:
    from bench import Bench
    from results import Measure


def snapshot(bench: Bench, measure: Measure, rows: int) -> None:
    """Every run is a first start: slot, publication and topic are made in the time that is taken."""
    url = bench.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(NARROW.create().encode())
        fill(url, NARROW, rows, 100_000)
        connection.execute("VACUUM ANALYZE orders")
    for run in range(bench.inputs.repeats):
        source = bench.source(bench.name(measure.name), url, snapshot="initial")
        ours(bench, measure, source, rows, check=run == 0)
        passed_on = bench.name("chunks")
        measure.add("limit", rows / limits.chunks(url, bench.kafka, passed_on))
        bench.delete_topics(passed_on)
        peer = bench.name(measure.name)
        config = debezium.postgres(peer, url, peer, peer) | debezium.SNAPSHOT
        theirs(bench, measure, peer, config, rows, check=run == 0)
    drop_slots(url)
