"""The rule of DESIGN §5 under fire, on both kinds of server: commits are in the log long before they are visible."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import SourceContext, TableOptions
from connect.record import Op
from connect.runtime.guest import ChunkReader, Guest, TableProgress
from connect.schema.model import TableId
from connectors.mysql.config import MysqlConfig
from connectors.mysql.source import MysqlSource

if TYPE_CHECKING:
    import pymysql

pytestmark = [pytest.mark.stack, pytest.mark.slow]

DATABASE = "s_order"
TABLES = [TableId(DATABASE, f"t{number}") for number in range(6)]
KEYS = 150
WRITERS = 6
RUNS = 3  # snapshots of each table in one test
PATIENCE = 120.0
OWN_LOG = {"log_slave_updates": "ON", "slave_parallel_threads": "4"}  # of what it replicates, as MySQL has it
_numbers = itertools.count()
NO_GTIDS = {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}


@pytest.fixture(scope="module", params=["mysql", "mysql without GTIDs", "mariadb"])
def slow_to_show(stack, request):
    """A source whose commits become visible when a replica has them, and that replica."""
    kind, _, without = request.param.partition(" without ")
    new = stack.new_mysql if kind == "mysql" else stack.new_mariadb
    settings = NO_GTIDS if without else {}
    name = "s_" + request.param.replace(" ", "_")
    source = new(f"{name}_source", settings=settings)
    replica = new(f"{name}_replica", settings=settings | (OWN_LOG if kind == "mariadb" else {}))
    if without:
        follow_by_position(replica, source)
    else:
        replica.follow(source, semi_sync=True)
    source.wait_for_replicas(at_most=30)
    yield source, replica
    replica.stop()
    source.stop()


def follow_by_position(replica, source):
    """Without GTIDs a replica is told where to begin."""
    ((file, pos, *_),) = source.execute("SHOW BINARY LOG STATUS")
    replica.execute("SET GLOBAL rpl_semi_sync_replica_enabled = ON")
    replica.execute(
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {source.port}, SOURCE_USER = 'root',"
        f" SOURCE_LOG_FILE = '{file}', SOURCE_LOG_POS = {pos}, GET_SOURCE_PUBLIC_KEY = 1"
    )
    replica.execute("START REPLICA")


class Writers:
    """Threads that change one random key in every table in each of their transactions.

    The version comes from a row that stays locked until the commit is visible: per key its order is that of commits.
    """

    def __init__(self, server: Any, *, xa: bool) -> None:
        self._server = server
        self._xa = xa
        self._stopping = threading.Event()
        self.errors: list[Exception] = []
        self.transactions = 0
        self._threads = [threading.Thread(target=self._run, args=(n,), name=f"writer-{n}") for n in range(WRITERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        assert self.errors == []

    def wait_for(self, transactions: int) -> None:
        """Return once there were so many."""
        deadline = time.monotonic() + PATIENCE
        while self.transactions < transactions:
            assert self.errors == []
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            with contextlib.closing(self._server.connect()) as connection, connection.cursor() as cursor:
                cursor.execute(f"USE {DATABASE}")
                while not self._stopping.is_set():
                    self._change(cursor, chance)
                    self.transactions += 1
        except Exception as error:  # noqa: BLE001 - the edge of a thread: __exit__ shows it
            self.errors.append(error)

    def _change(self, cursor: pymysql.cursors.Cursor, chance: random.Random) -> None:
        key, xid = chance.randrange(KEYS), f"'{chance.random()}'"
        cursor.execute(f"XA START {xid}" if self._xa else "START TRANSACTION")
        cursor.execute(f"UPDATE versions SET v = v + 1 WHERE id = {key}")
        for table in TABLES:
            if chance.random() < 0.15:
                cursor.execute(f"DELETE FROM {table} WHERE id = {key}")
            else:
                row = f"SELECT id, n.v FROM versions n WHERE id = {key}"
                cursor.execute(f"INSERT INTO {table} {row} ON DUPLICATE KEY UPDATE v = n.v")
        for end in (f"XA END {xid}", f"XA PREPARE {xid}", f"XA COMMIT {xid}") if self._xa else ("COMMIT",):
            cursor.execute(end)


class Task:
    """A source task without Kafka: the runtime's guest beside the stream, and what would be sent, in its order."""

    def __init__(self, server: Any, folder: Any) -> None:
        self._source = MysqlSource(
            MysqlConfig(url=server.address),
            SourceContext("s", "s_order", dict.fromkeys(TABLES, TableOptions()), folder),
        )
        self._resources = contextlib.ExitStack()
        self.sent: dict[TableId, dict[Any, list[tuple[Op, int]]]] = {table: defaultdict(list) for table in TABLES}

    def __enter__(self):
        self._position = self._source.open(None)
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()
        self._source.close()

    def snapshots(self) -> Any:
        """A reader of the tables, closed with the task."""
        snapshots = self._source.snapshots()
        self._resources.callback(snapshots.close)
        return snapshots

    def snapshot(self) -> None:
        """Read every table once, beside the stream."""
        snapshots = self._source.snapshots()
        progress = {table: TableProgress() for table in TABLES}
        doubt = snapshots.in_doubt()
        guest = Guest(ChunkReader(snapshots, "s"), progress)
        guest._rows = 20  # small chunks, so that many of them meet the writers
        try:
            guest.doubt(doubt)
            deadline = time.monotonic() + PATIENCE
            while not guest.complete:
                assert time.monotonic() < deadline, "the snapshot does not come to its end"
                self._turn(guest)
                guest._rows = min(guest._rows, 100)
        finally:
            guest.reader.close()

    def _turn(self, guest: Guest) -> None:
        batch = self._source.read(0.01)
        for event in batch.events if batch is not None else ():
            row = event.after or event.before
            guest.saw(event.table, event.transaction, [key_of(row)], event.shape.schema)
            self.sent[event.table][row.key].append((event.op, row["v"]))
        if batch is not None:
            self._position = batch.resume_after
        if batch is None or batch.boundary:
            ready = guest.ready(self._position)
            guest.ask()
            if ready is not None:
                guest.sent(ready, self._send(ready))

    def _send(self, ready: Any) -> int:
        dropped = set().union(*ready.drop)
        rows = [row for row in ready.chunk.rows if key_of(row) not in dropped]
        for row in rows:
            self.sent[ready.table][row.key].append((Op.READ, row["v"]))
        return len(rows)

    def catch_up(self) -> None:
        """Read the stream to what the log holds now."""
        mark = self.snapshots().mark()
        deadline = time.monotonic() + PATIENCE
        while not mark.reached(self._position):
            assert time.monotonic() < deadline
            batch = self._source.read(0.1)
            for event in batch.events if batch is not None else ():
                row = event.after or event.before
                self.sent[event.table][row.key].append((event.op, row["v"]))
            self._position = batch.resume_after if batch is not None else self._position


def key_of(row: Any) -> bytes:
    return repr(row.key).encode()


def violations(history: list[tuple[Op, int]]) -> Counter[str]:
    """What one key's records do wrong: rows of the snapshot against the changes around them."""
    found: Counter[str] = Counter()
    newest, gone = 0, False
    for op, version in history:
        if op is Op.READ:
            found["older than what was streamed"] += version < newest or (gone and version == newest)
        elif op is not Op.DELETE:
            found["streamed after a row that saw it"] += version <= newest
        newest, gone = max(newest, version), op is Op.DELETE
    return found


def prepare(server):
    """Make the tables; the name of a table that was made after them."""
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    server.execute(f"CREATE DATABASE {DATABASE}")
    for table in [TableId(DATABASE, "versions"), *TABLES]:
        server.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, v BIGINT NOT NULL)")
        rows = ", ".join(f"({key}, 1)" for key in range(KEYS))
        server.execute(f"INSERT INTO {table} VALUES {rows}")
    marker = f"marker_{next(_numbers)}"
    server.execute(f"CREATE TABLE {DATABASE}.{marker} (id INT PRIMARY KEY)")
    return marker


@contextlib.contextmanager
def pausing(replica):
    """Stops the replica and lets it go on, again and again: commits wait, then all show at once."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.wait(0.1):
            replica.pause()
            stopping.wait(0.15)
            replica.resume()

    thread = threading.Thread(target=work, name="pausing")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def contents(server):
    return {table: dict(server.execute(f"SELECT id, v FROM {table}")) for table in TABLES}


def has(server, marker):
    return server.execute(f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = '{marker}'") != []


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.mark.parametrize(
    "how",
    [
        "",
        pytest.param("pausing", marks=pytest.mark.long),
        pytest.param("xa", marks=pytest.mark.long),
        pytest.param("read from the replica", marks=pytest.mark.long),
    ],
)
def test_N2_no_row_goes_back_in_time_while_commits_are_slow_to_show(slow_to_show, tmp_path, how):
    source, replica = slow_to_show
    marker = prepare(source)
    server = replica if how == "read from the replica" else source
    eventually(lambda: has(server, marker))
    paused = pausing(replica) if how == "pausing" else contextlib.nullcontext()
    with Task(server, tmp_path) as task:
        with paused, Writers(source, xa=how == "xa") as writers:
            writers.wait_for(50)
            for _ in range(RUNS):
                task.snapshot()
        eventually(lambda: contents(server) == contents(source))
        task.catch_up()

    histories = [history for table in TABLES for history in task.sent[table].values()]
    found = sum((violations(history) for history in histories), Counter())
    counted = Counter(op is Op.READ for history in histories for op, _ in history)
    assert counted[True] > KEYS
    assert counted[False] > 100
    assert not +found, (found, counted)
    last = {table: {key[0]: history[-1] for key, history in task.sent[table].items()} for table in TABLES}
    folded = {t: {key: v for key, (op, v) in keys.items() if op is not Op.DELETE} for t, keys in last.items()}
    assert folded == contents(source)


@contextlib.contextmanager
def held_commit(source, replica):
    """A transaction that is in the log and that nobody sees, until the replica goes on."""
    replica.pause()
    writer = threading.Thread(target=source.execute, args=(f"UPDATE {TABLES[0]} SET v = 2 WHERE id = 1",))
    writer.start()
    try:
        yield
    finally:
        replica.resume()
        writer.join()


@pytest.mark.parametrize("slow_to_show", ["mysql"], indirect=True)
def test_a_commit_that_is_logged_and_not_visible_is_in_doubt_and_told_whose_it_is(slow_to_show, tmp_path):
    source, replica = slow_to_show
    prepare(source)
    with Task(source, tmp_path) as task:
        snapshots = task.snapshots()
        with held_commit(source, replica):
            doubt = eventually(snapshots.in_doubt)
            chunk = snapshots.read_chunk(TABLES[0], None, KEYS, 1 << 20)
            assert chunk.rows[1]["v"] == 1
            assert not any(chunk.sees(transaction) for transaction in doubt)
            assert "the commit of session" in snapshots.whose(doubt)
            assert "root" in snapshots.whose(doubt)
        chunk = snapshots.read_chunk(TABLES[0], None, KEYS, 1 << 20)
        assert chunk.rows[1]["v"] == 2
        assert all(chunk.sees(transaction) for transaction in doubt)
        assert snapshots.whose(doubt) == ""


@pytest.mark.parametrize("slow_to_show", ["mariadb", "mysql without GTIDs"], indirect=True)
def test_where_nobody_says_what_is_in_doubt_it_is_waited_for(slow_to_show, tmp_path):
    source, replica = slow_to_show
    prepare(source)
    with Task(source, tmp_path) as task:
        snapshots = task.snapshots()
        before = snapshots.mark()
        with held_commit(source, replica):
            eventually(lambda: snapshots.mark().end.order > before.end.order)
            threading.Timer(0.5, replica.resume).start()
            assert snapshots.in_doubt() == ()
            chunk = snapshots.read_chunk(TABLES[0], None, KEYS, 1 << 20)
        assert chunk.rows[1]["v"] == 2
        assert chunk.sees(before.end)
