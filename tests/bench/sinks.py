"""Sinks: a topic that is there before the start, timed from process start until the last record is in the target."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import debezium
import limits
import processes
import psycopg
from bench import drop_slots, worker_used
from elasticsearch import ApiError, Elasticsearch
from streams import start_once
from tables import NARROW, fill, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Bench
    from results import Measure
    from worker import Worker

_SENTINEL: Final = 1_000_000_000  # key of the row that is written last, and again last
_NOT_YET: Final = frozenset({404, 503})  # no index or no document; a shard that has just been made
_LOOK_EVERY: Final = 0.02  # seconds

# One hundred records a transaction: 70 new rows; 20 updates and 5 deletes, each with its tombstone, of rows of a
# hundred transactions before.
_MIXED: Final = """DO $$ BEGIN FOR n IN 0..{last} LOOP
  INSERT INTO orders SELECT {select} FROM generate_series(n * 70 + 1, n * 70 + 70) i;
  UPDATE orders SET status = 'paid' WHERE id BETWEEN (n - 100) * 70 + 1 AND (n - 100) * 70 + 20;
  DELETE FROM orders WHERE id BETWEEN (n - 100) * 70 + 66 AND (n - 100) * 70 + 70;
  COMMIT;
END LOOP; END $$"""
_UPDATES: Final = """DO $$ BEGIN FOR n IN 0..{last} LOOP
  UPDATE orders SET weight = weight + 1 WHERE id BETWEEN n * 70 + 1 AND n * 70 + 70;
  COMMIT;
END LOOP; END $$"""


class Origin:
    """A table, and the topic that our source makes of it; both sides' sinks read it."""

    def __init__(self, bench: Bench, what: str) -> None:
        self._bench = bench
        self.url = bench.database()
        self._source = bench.source(bench.name(what), self.url)
        self.topic = f"{self._source.name}.public.orders"
        self.execute(NARROW.create())
        start_once(self._source)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute(statement.encode())

    def publish(self, status: str) -> int:
        """Write the sentinel behind all changes and bring them into the topic; how many records that were."""
        fresh = f"INSERT INTO orders SELECT {NARROW.select()} FROM generate_series({_SENTINEL}, {_SENTINEL}) i"
        self.execute(f"{fresh} ON CONFLICT (id) DO UPDATE SET status = '{status}'")
        if status != "placed":
            self.execute(f"UPDATE orders SET status = '{status}' WHERE id = {_SENTINEL}")
        held = self._bench.readable.count(self.topic)
        end = self._bench.readable.end(self.topic)
        self._source.start()
        try:
            self._bench.readable.wait(self.topic, _SENTINEL, end + 1, self._source.check)
        finally:
            self._source.stop()
        return self._bench.readable.count(self.topic) - held

    def close(self) -> None:
        drop_slots(self.url)
        self._bench.delete_topics(self.topic)


def sink_postgres(bench: Bench, bootstrap: Measure, upsert: Measure, rows: int) -> None:
    """First the topic into empty tables, then updates of every row behind it into the same tables."""
    origin = Origin(bench, "shop")
    transactions = rows // 100
    origin.execute(_MIXED.format(last=transactions - 1, select=NARROW.select()))
    records = origin.publish("placed")
    target = bench.database()
    ours = [_our_sink(bench, origin.topic, target) for _ in range(bench.inputs.repeats)]
    theirs = [bench.name("peersink") for _ in ours]
    for sink, peer in zip(ours, theirs, strict=True):
        _time_ours(bench, bootstrap, sink, records, partial(_has, target, sink.name, "placed"))
        make = lambda peer=peer: bench.peer.put(peer, debezium.jdbc(origin.topic, peer, target))  # noqa: E731
        _time_theirs(bench, bootstrap, peer, records, make, partial(_has, target, peer, "placed"))
    origin.execute(_UPDATES.format(last=transactions - 1))
    records = origin.publish("paid")
    for sink, peer in zip(ours, theirs, strict=True):
        _time_ours(bench, upsert, sink, records, partial(_has, target, sink.name, "paid"))
        go_on = lambda peer=peer: bench.peer.release(peer)  # noqa: E731
        _time_theirs(bench, upsert, peer, records, go_on, partial(_has, target, peer, "paid"))
        _compare(origin.url, target, sink.name)
        if bench.has_peer():
            _compare(origin.url, target, peer)
            bench.peer.delete(peer)
    origin.close()


def _our_sink(bench: Bench, topic: str, target: str) -> Worker:
    name = bench.name("sink")
    return bench.worker(
        name, f'sinks:\n  {name}: {{plugin: sql, url: "{target}", topics: {{{topic}: {{table: {name}}}}}}}\n'
    )


def _time_ours(bench: Bench, measure: Measure, sink: Worker, records: int, done: Callable[[], bool]) -> None:
    before = bench.server_cpu()
    started = sink.start()
    try:
        took = _until(done, sink.check) - started
        figures = worker_used(sink, records) | bench.servers_used(before, records)
        sink.wait_state("LIVE")
    finally:
        sink.stop()
    measure.add("connect", records / took, **figures)


def _time_theirs(
    bench: Bench, measure: Measure, peer: str, records: int, begin: Callable[[], None], done: Callable[[], bool]
) -> None:
    if not bench.has_peer(measure):
        return
    worker = bench.peer
    before, own = bench.server_cpu(), processes.cpu_seconds(worker.pid)
    started = time.monotonic()
    begin()
    took = _until(done, partial(worker.check, peer)) - started
    used = (processes.cpu_seconds(worker.pid) - own) * 1e6 / records
    measure.add("peer", records / took, cpu_worker=used, **bench.servers_used(before, records))
    worker.hold(peer)


def _until(done: Callable[[], bool], alive: Callable[[], None]) -> float:
    """When it was seen to be done, on the monotonic clock."""
    checked = time.monotonic()
    deadline = checked + 900
    while not done():
        now = time.monotonic()
        if now - checked > 1:
            alive()
            checked = now
        if now > deadline:
            raise TimeoutError("the last record did not arrive within 900 s")
        time.sleep(_LOOK_EVERY)
    return time.monotonic()


def _has(url: str, table: str, status: str) -> bool:
    """Whether the row that was written last is there, as it was written last."""
    with psycopg.connect(url, autocommit=True) as connection:
        if value(connection, f"SELECT to_regclass('{table}')") is None:
            return False
        return value(connection, f"SELECT status FROM {table} WHERE id = {_SENTINEL}") == status


def _compare(origin: str, target: str, table: str) -> None:
    """The target must hold what the origin holds, or less work was done."""
    query = "SELECT count(*) || ' rows, id ' || sum(id) || ', weight ' || sum(weight::numeric) FROM {}"
    with psycopg.connect(origin) as ours, psycopg.connect(target) as theirs:
        wanted, found = value(ours, query.format("orders")), value(theirs, query.format(table))
    if found != wanted:
        raise RuntimeError(f"{table} holds {found} and its origin {wanted}")


def sink_elasticsearch(bench: Bench, measure: Measure, rows: int) -> None:
    """New rows only, so that the bare loader can send the very documents, ids and versions that our sink sent."""
    measure.note(
        "No peer: Debezium has no Elasticsearch sink, and Confluent's is in no registry that everybody may use."
    )
    origin = Origin(bench, "search")
    fill(origin.url, NARROW, rows - 1, 100)
    records = origin.publish("placed")
    url = bench.stack.elasticsearch.address
    client = Elasticsearch(url, request_timeout=60)
    for _ in range(bench.inputs.repeats):
        index = bench.name("index")
        topics = f"{{{origin.topic}: {{index: {index}}}}}"
        sink = bench.worker(index, f'sinks:\n  {index}: {{plugin: elasticsearch, url: "{url}", topics: {topics}}}\n')
        _time_ours(bench, measure, sink, records, partial(_is_indexed, client, index))
        copy = bench.name("bare")
        measure.add("limit", records / limits.bulk(client, index, copy))
        client.indices.refresh(index=f"{index},{copy}")
        held = [client.count(index=each)["count"] for each in (index, copy)]
        if held != [records, records]:
            raise RuntimeError(f"{held} documents instead of {records}")
    client.close()
    origin.close()


def _is_indexed(client: Elasticsearch, index: str) -> bool:
    try:
        return bool(client.get(index=index, id=str(_SENTINEL), source=False)["found"])
    except ApiError as error:
        if error.meta.status in _NOT_YET:
            return False
        raise
