"""MySQL's stream and snapshot, as Postgres' are measured."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import debezium
import limits
from streams import ours, start_once, theirs

if TYPE_CHECKING:
    from bench import Bench
    from results import Measure
    from worker import Worker

    from connect.local.mysql_client import MysqlClient

_TABLE: Final = """CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL, status varchar(20) NOT NULL,
  total decimal(12,2) NOT NULL, placed timestamp(6) NOT NULL, note varchar(100), paid boolean NOT NULL,
  weight double NOT NULL)"""
_ROWS: Final = """INSERT INTO orders SELECT %s + n, (%s + n) %% 1000, 'placed', (%s + n) / 100, now(6),
  concat('note number ', %s + n), n %% 2, n / 7 FROM numbers WHERE n < %s"""
_CHUNK: Final = 10_000


def stream(bench: Bench, measure: Measure, rows: int) -> None:
    """100-row transactions. Both sides have streamed one row before, so that both have a position in the log."""
    server = bench.stack.mysql
    database = _database(bench, server)
    url = server.url(database)
    sources = [_source(bench, measure.name, url, database, "never") for _ in range(bench.inputs.repeats)]
    peers = [bench.name(measure.name) for _ in sources]
    for source in sources:
        start_once(source)
    _first_row(bench, server, database, peers if bench.has_peer(measure) else [])
    log = _position(server)
    _fill(server, database, rows, 100)
    for source, peer in zip(sources, peers, strict=True):
        ours(bench, measure, source, rows + 1, schema=database, last_id=rows, check=True)
        measure.add("limit", rows / limits.mysql_replication(url, log, rows))
        theirs(bench, measure, peer, None, rows + 1, schema=database, last_id=rows, check=True)


def snapshot(bench: Bench, measure: Measure, rows: int) -> None:
    """Every run is a first start."""
    server = bench.stack.mysql
    database = _database(bench, server)
    _fill(server, database, rows, _CHUNK)
    server.execute("ANALYZE TABLE orders", database=database)
    for _ in range(bench.inputs.repeats):
        source = _source(bench, measure.name, server.url(database), database, "initial")
        ours(bench, measure, source, rows, schema=database, check=True)
        peer = bench.name(measure.name)
        config = _peer(bench, peer, server.url(database)) | {"snapshot.mode": "initial"}
        theirs(bench, measure, peer, config, rows, schema=database, check=True)


def _database(bench: Bench, server: MysqlClient) -> str:
    """A new database with the table, and one that counts; the server does not wait for the disk at each commit."""
    database = bench.name("bench")
    server.create_database(database)
    server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    server.execute("SET GLOBAL sync_binlog = 0")
    server.execute(_TABLE, database=database)
    server.execute("CREATE TABLE numbers (n bigint PRIMARY KEY)", database=database)
    server.execute("SET GLOBAL cte_max_recursion_depth = 100000")
    counted = f"WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < {_CHUNK - 1}) SELECT n FROM c"
    server.execute(f"INSERT INTO numbers {counted}", database=database)
    return database


def _fill(server: MysqlClient, database: str, rows: int, transaction: int) -> None:
    with server.connect(database) as session, session.cursor() as cursor:
        for start in range(1, rows + 1, transaction):
            size = min(transaction, rows + 1 - start)
            cursor.execute(_ROWS, (start, start, start, start, size))


def _source(bench: Bench, what: str, url: str, database: str, snapshot: str) -> Worker:
    name = bench.name(what)
    options = f'{{"{database}.orders": {{snapshot: {{mode: {snapshot}}}}}}}'
    return bench.worker(name, f"sources:\n  {name}:\n    plugin: mysql\n    url: {url}\n    tables: {options}\n")


def _peer(bench: Bench, peer: str, url: str) -> dict[str, str]:
    return debezium.mysql(peer, url, bench.stack.kafka.address, 6_000_000 + int(peer.rpartition("n")[2]))


def _first_row(bench: Bench, server: MysqlClient, database: str, peers: list[str]) -> None:
    """A row with key 0 goes through every connector of the peer; without it Debezium stores no position."""
    topics = [f"{peer}.{database}.orders" for peer in peers]
    for peer, topic in zip(peers, topics, strict=True):
        bench.make_topic(topic)
        bench.peer.put(peer, _peer(bench, peer, server.url(database)))
        bench.peer.wait_running(peer)
    time.sleep(5)  # it runs before it has noted where the log stands
    server.execute(_ROWS, 0, 0, 0, 0, 1, database=database)
    for peer, topic in zip(peers, topics, strict=True):
        bench.readable.wait(topic, 0, 1, partial(bench.peer.check, peer))
        bench.peer.hold(peer)


def _position(server: MysqlClient) -> tuple[str, int]:
    [row] = server.execute("SHOW BINARY LOG STATUS")
    return str(row[0]), int(row[1])
