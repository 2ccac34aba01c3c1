"""The rule of DESIGN §5 under fire: commits are in the log long before they are visible, on every version at hand."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.local.postgres import postgres_versions
from connect.record import Op

if TYPE_CHECKING:
    from connect.record import SinkRecord

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TABLES = 12
KEYS = 150
WRITERS = 6
DELAY = "150ms"


FIRST, *OTHERS = postgres_versions()[:2]


@pytest.fixture(scope="module", params=[FIRST, *(pytest.param(version, marks=pytest.mark.long) for version in OTHERS)])
def slow_to_show(stack, request):
    """A primary whose commits become visible only when a standby that lags has applied them."""
    version = request.param
    primary = stack.new_postgres(f"k-primary-{version}", version=version)
    standby = primary.new_standby(f"k_standby_{version}", settings={"recovery_min_apply_delay": DELAY})
    standby.start()
    primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby.name}'")
    primary.execute("SELECT pg_reload_conf()")
    yield primary, standby
    standby.stop()
    primary.stop()


class Writers:
    """Threads that change one random key in every table in each of their transactions.

    The version comes from a sequence under a lock of the key, which ends when the commit is visible: per key its order
    is the order of commits. Deletes carry the version that they end (REPLICA IDENTITY FULL).
    """

    def __init__(self, url: str) -> None:
        self._url = url
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

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            with psycopg.connect(
                self._url, autocommit=True, options="-c synchronous_commit=remote_apply"
            ) as connection:
                while not self._stopping.is_set():
                    self._change(connection, chance)
                    self.transactions += 1
        except Exception as error:  # noqa: BLE001 - the edge of a thread: __exit__ shows it
            self.errors.append(error)

    @staticmethod
    def _change(connection: psycopg.Connection[Any], chance: random.Random) -> None:
        key = chance.randrange(KEYS)
        statements = [f"SELECT pg_advisory_xact_lock({key})"]
        for number in range(TABLES):
            if chance.random() < 0.15:
                statements.append(f"DELETE FROM t{number} WHERE id = {key}")
            else:
                row = f"({key}, nextval('versions'))"
                statements.append(f"INSERT INTO t{number} VALUES {row} ON CONFLICT (id) DO UPDATE SET v = excluded.v")
        with connection.transaction():
            connection.execute("; ".join(statements))


def violations(history: list[SinkRecord]) -> Counter[str]:
    """What one key's records do wrong: rows of the snapshot against the changes around them."""
    found: Counter[str] = Counter()
    newest, gone = 0, False
    for record in history:
        row = record.after or record.before
        version = row["v"]
        if record.op is Op.READ:
            found["read twice"] += sum(r.op is Op.READ for r in history) > 1
            found["older than what was streamed"] += version < newest or (gone and version == newest)
        elif record.op is not Op.DELETE:
            found["streamed after a row that saw it"] += version <= newest
        newest, gone = max(newest, version), record.op is Op.DELETE
    return found


def prepare(chain):
    chain.sql("CREATE SEQUENCE versions")
    for number in range(TABLES):
        chain.sql(f"CREATE TABLE t{number} (id int PRIMARY KEY, v bigint)")
        chain.sql(f"ALTER TABLE t{number} REPLICA IDENTITY FULL")
        chain.sql(f"INSERT INTO t{number} SELECT n, nextval('versions') FROM generate_series(0, {KEYS - 1}) n")


def found_in(chain) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in range(TABLES):
        for history in chain.by_key(f"t{number}").values():
            found += violations(history)
            found["snapshot rows"] += sum(record.op is Op.READ for record in history)
            found["changes"] += sum(record.op is not Op.READ for record in history)
    return found


def run(chain, *, kill: bool = False) -> Counter[str]:
    """Snapshot under load to its end, and a moment more; what was found."""
    prepare(chain)
    with Writers(chain.url) as writers:
        chain.wait("the writers write", lambda: writers.transactions > 50)
        chain.start()
        if kill:
            chain.wait("a chunk was sent", lambda: any(name.startswith("snapshot:") for name in chain.notes()))
            chain.kill()
            chain.start()
        chain.streaming()
        time.sleep(1.0)
    chain.caught_up()
    return found_in(chain)


def folded_is_equal(chain) -> None:
    for number in range(TABLES):
        rows = {(key,): {"id": key, "v": v} for key, v in chain.sql(f"SELECT id, v FROM t{number}")}
        assert chain.folded(f"t{number}") == rows


@pytest.mark.parametrize("kill", [False, True], ids=["", "killed"])
def test_N2_no_row_goes_back_in_time_while_commits_are_slow_to_show(slow_to_show, new_chain, kill):
    primary, _ = slow_to_show
    chain = new_chain(primary.address)
    found = run(chain, kill=kill)

    assert found["snapshot rows"] > 0
    assert found["changes"] > 100
    for wrong in ("read twice", "older than what was streamed", "streamed after a row that saw it"):
        assert found[wrong] == 0, found
    folded_is_equal(chain)


def test_N2_a_standby_that_freezes_again_and_again_changes_nothing(slow_to_show, new_chain):
    primary, standby = slow_to_show
    chain = new_chain(primary.address)
    with pausing(standby):
        found = run(chain)

    assert found["changes"] > 100
    assert found["older than what was streamed"] == found["streamed after a row that saw it"] == 0, found
    folded_is_equal(chain)


@contextlib.contextmanager
def pausing(standby):
    """Stops what receives the log on the standby and lets it go on: commits wait, then all show at once."""
    stopping = threading.Event()
    ((receiver,),) = standby.execute("SELECT pid FROM pg_stat_wal_receiver")

    def work() -> None:
        while not stopping.wait(0.3):
            os.kill(receiver, signal.SIGSTOP)
            stopping.wait(0.3)
            os.kill(receiver, signal.SIGCONT)

    thread = threading.Thread(target=work, name="pausing")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
