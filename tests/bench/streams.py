"""Streams: a backlog written before the start, timed from process start to the last record readable."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import debezium
import limits
import processes
import psycopg
from bench import drop_slots, publication, worker_used
from results import Measure
from tables import NARROW, Table, fill, value

if TYPE_CHECKING:
    from bench import Bench
    from worker import Worker


def stream(
    bench: Bench, measure: Measure, table: Table, rows: int, transaction: int, *, repeats: int | None = None
) -> None:
    """Every side has slots of its own from before the backlog, so all read the same one, as often as there are runs."""
    url = bench.database()
    repeats = repeats or bench.inputs.repeats
    sources, peers = prepare(bench, measure.name, url, table, repeats)
    with psycopg.connect(url, autocommit=True) as connection:
        name = publication(connection)
        for slot in [f"limit_{source.name}" for source in sources] + [f"peer_{peer}" for peer in peers]:
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        fill(url, table, rows, transaction)
        end = value(connection, "SELECT pg_current_wal_flush_lsn()")
    for run, (source, peer) in enumerate(zip(sources, peers, strict=True)):
        ours(bench, measure, source, rows, check=run == 0)
        before, own = bench.server_cpu(), processes.children_cpu_seconds()
        took = limits.recvlogical(url, f"limit_{source.name}", name, end)
        used = (processes.children_cpu_seconds() - own) * 1e6 / rows
        measure.add("limit", rows / took, cpu_reader=used, **bench.servers_used(before, rows))
        config = debezium.postgres(peer, url, f"peer_{peer}", name)
        theirs(bench, measure, peer, config, rows, check=run == 0)
    drop_slots(url)


def warm_up(bench: Bench) -> None:
    """One stream that nobody times: a broker and a peer that have just started compile their code as they run."""
    stream(bench, Measure(name="warm_up", what=""), NARROW, bench.inputs.warm_up, 100, repeats=1)


def prepare(bench: Bench, what: str, url: str, table: Table, repeats: int) -> tuple[list[Worker], list[str]]:
    """The table; for each run a source that has been started once, so that slot and topics are there, and a name."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(table.create().encode())
    sources = [bench.source(bench.name(what), url) for _ in range(repeats)]
    for source in sources:
        start_once(source)
    return sources, [bench.name(what) for _ in sources]


def start_once(source: Worker) -> None:
    """A first start, up to the head of the log, and a stop."""
    source.start()
    try:
        source.wait_state("STREAMING")
    finally:
        source.stop()


def ours(
    bench: Bench,
    measure: Measure,
    source: Worker,
    rows: int,
    *,
    check: bool,
    schema: str = "public",
    last_id: int | None = None,
) -> None:
    """One run of our worker: exec to the last of ``rows`` readable; its key is ``rows``, or ``last_id``."""
    topic = f"{source.name}.{schema}.orders"
    last_id = rows if last_id is None else last_id
    before = bench.server_cpu()
    started = source.start()
    try:
        first, last = bench.readable.wait(topic, last_id, rows, source.check)
        figures = worker_used(source, rows) | bench.servers_used(before, rows)
    finally:
        source.stop()
    measure.add("connect", rows / (last - started), **figures, seconds_to_first=first - started)
    finish(bench, topic, rows, check=check)


def theirs(
    bench: Bench,
    measure: Measure,
    peer: str,
    config: dict[str, str] | None,
    rows: int,
    *,
    check: bool,
    schema: str = "public",
    last_id: int | None = None,
) -> None:
    """One run of the peer, whose worker is running already: the order to make the connector to the last readable.

    Without a ``config`` the connector is there and held; then the order is to go on.
    """
    if not bench.has_peer(measure):
        return
    topic = f"{peer}.{schema}.orders"
    last_id = rows if last_id is None else last_id
    worker = bench.peer
    if config is not None:
        bench.make_topic(topic)
    before, own = bench.server_cpu(), processes.cpu_seconds(worker.pid)
    started = time.monotonic()
    if config is None:
        worker.release(peer)
    else:
        worker.put(peer, config)
    try:
        first, last = bench.readable.wait(topic, last_id, rows, partial(worker.check, peer))
        used = (processes.cpu_seconds(worker.pid) - own) * 1e6 / rows
        figures = {"cpu_worker": used} | bench.servers_used(before, rows)
    finally:
        worker.delete(peer)
    measure.add("peer", rows / (last - started), **figures, seconds_to_first=first - started)
    finish(bench, topic, rows, check=check)


def finish(bench: Bench, topic: str, rows: int, *, check: bool) -> None:
    """Count what is in the topic, with the clock stopped; then it can go."""
    if check and (found := bench.readable.count(topic)) != rows:
        raise RuntimeError(f"{topic} holds {found} records, not {rows}")
    bench.delete_topics(topic)
