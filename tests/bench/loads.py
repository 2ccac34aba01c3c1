"""What a source holds in memory under load, and what many tables and big transactions cost it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import debezium
import processes
import psycopg
from bench import drop_slots, publication
from streams import prepare, start_once
from tables import NARROW, fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench import Bench
    from results import Measure
    from worker import Worker

_MB = 1e6


def rss_source(bench: Bench, measure: Measure, rows: int) -> None:
    """A backlog of 100-row transactions. The peer's worker has just been started: its heap is no other measure's."""
    url = bench.database()
    sources, peers = prepare(bench, measure.name, url, NARROW, bench.inputs.long_repeats)
    with psycopg.connect(url, autocommit=True) as connection:
        name = publication(connection)
        for peer in peers:
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (peer,))
    fill(url, NARROW, rows, 100)
    for source, peer in zip(sources, peers, strict=True):
        measure.add("connect", _peak(bench, source, rows) / _MB)
        if bench.has_peer(measure):
            measure.add("peer", _their_peak(bench, peer, debezium.postgres(peer, url, peer, name), rows) / _MB)
    drop_slots(url)


def transaction_1m(bench: Bench, measure: Measure, rows: int) -> None:
    """The same rows as one transaction and by 1,000."""
    for _ in range(bench.inputs.long_repeats):
        peaks = []
        for transaction in (rows, 1000):
            url = bench.database()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(NARROW.create().encode())
            source = bench.source(bench.name(measure.name), url)
            start_once(source)
            fill(url, NARROW, rows, transaction)
            peaks.append(_peak(bench, source, rows))
            drop_slots(url)
        measure.add("connect", peaks[0] / peaks[1], mb_one_transaction=peaks[0] / _MB, mb_by_1000=peaks[1] / _MB)
    if rows != 1_000_000:
        measure.note(f"The big transaction has {rows:,} rows in this run.")


def _peak(bench: Bench, source: Worker, rows: int) -> int:
    """Bytes, the supervisor's among them, from exec until the last row is readable."""
    topic = f"{source.name}.public.orders"
    source.start()
    try:
        with processes.watched(source.pid) as peak:
            bench.readable.wait(topic, rows, rows, source.check)
    finally:
        source.stop()
    bench.delete_topics(topic)
    return peak.pss


def _their_peak(bench: Bench, peer: str, config: dict[str, str], rows: int) -> int:
    topic = f"{peer}.public.orders"
    bench.make_topic(topic)
    bench.peer.stop()
    bench.peer.start()
    with processes.watched(bench.peer.pid) as peak:
        bench.peer.put(peer, config)
        try:
            bench.readable.wait(topic, rows, rows, partial(bench.peer.check, peer))
        finally:
            bench.peer.delete(peer)
    bench.delete_topics(topic)
    return peak.pss


def tables_1000(bench: Bench, measure: Measure, rows: int) -> None:
    """100-row transactions, each into the next table, while the worker is at the head of the log and every table's
    first row has gone through: what a table costs once (its schema, its topic) is not what a row costs.
    """
    for _ in range(bench.inputs.repeats):
        few, many = (_cpu_per_row(bench, measure, tables, rows) for tables in (10, 1000))
        measure.add("connect", many / few, cpu_10=few * 1e6, cpu_1000=many * 1e6)


def _cpu_per_row(bench: Bench, measure: Measure, tables: int, rows: int) -> float:
    url, name = bench.database(), bench.name(measure.name)
    names = [f"t{number}" for number in range(tables)]
    with psycopg.connect(url, autocommit=True) as connection:
        for table in names:
            connection.execute(NARROW.create(table).encode())
        source = bench.source(name, url, pattern="public.*")
        topics = [f"{name}.public.{table}" for table in names]
        source.start()
        try:
            source.wait_state("STREAMING", seconds=300)
            _insert(connection, tables, tables, 1)
            _wait_sum(bench, topics, tables, source)
            before = processes.cpu_seconds(source.pid)
            _insert(connection, rows // 100, tables, 100)
            used = _wait_sum(bench, topics, tables + rows, source) - before
        finally:
            source.stop()
    drop_slots(url)
    bench.delete_topics(*topics)
    return used / rows


def _insert(connection: psycopg.Connection[tuple[object, ...]], transactions: int, tables: int, size: int) -> None:
    """Transaction number n goes into table n modulo ``tables``, behind what it has."""
    connection.execute("CREATE SEQUENCE IF NOT EXISTS ids")
    columns = NARROW.select()
    text = f"""DO $$ DECLARE base bigint; BEGIN FOR n IN 0..{transactions - 1} LOOP
      base := nextval('ids') * 1000;
      EXECUTE format('INSERT INTO t%s SELECT {columns.replace("'", "''").replace("%", "%%")}
        FROM generate_series(%s, %s) i', n % {tables}, base, base + {size - 1});
      COMMIT;
    END LOOP; END $$"""
    connection.execute(text.encode())


def _wait_sum(bench: Bench, topics: Sequence[str], records: int, source: Worker) -> float:
    """Until all topics together hold so many committed records; the source's CPU seconds before they were counted."""
    deadline, looked = time.monotonic() + 600, 0
    while True:
        end = sum(bench.readable.ends(topics).values())
        if end >= records and end != looked:
            looked, used = end, processes.cpu_seconds(source.pid)
            if bench.readable.count(*topics) >= records:
                return used
        source.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{source.name}: not all of {records} records within 600 s")
        time.sleep(0.5)
