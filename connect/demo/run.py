"""``connect demo``: the whole chain on real servers, with the worker killed while the monolith keeps writing."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from elasticsearch import Elasticsearch

from connect.demo import check, verdict
from connect.demo.monolith import Monolith
from connect.demo.mysql_shop import MysqlShop
from connect.demo.origin import INTERNALS, TABLES, full_name
from connect.demo.postgres_shop import PostgresShop
from connect.demo.show import Show, result_table
from connect.demo.worker import Worker
from connect.errors import ConnectError
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.local.stack import Stack
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connect.demo.origin import Origin
    from connect.demo.show import Bars
    from connect.record import SinkRecord

    Trouble = tuple[float, str, Callable[[], object]]  # when, as a share of the whole; what; how

GROUP: Final = "demo"
Kind = Literal["postgres", "mysql", "mariadb"]
_SERVERS: Final = ("kafka", "schema_registry", "elasticsearch")
_TITLES: Final[dict[Kind, str]] = {"postgres": "Postgres", "mysql": "MySQL", "mariadb": "MariaDB"}
_BUSY: Final = frozenset({"SNAPSHOTTING", "STREAMING"})
_CATCH_UP_SECONDS: Final = 240.0  # on a machine that does much else


@dataclass(frozen=True)
class Place:
    """Where everything is: the shop, and the addresses of the other servers as a client takes them."""

    shop: Origin
    kafka: str
    registry: str
    search: str

    @property
    def environment(self) -> dict[str, str]:
        """What the worker's file refers to."""
        return {
            "DEMO_KAFKA": self.kafka,
            "DEMO_REGISTRY": self.registry,
            "DEMO_SEARCH": self.search,
            **self.shop.environment,
        }


def demo(kind: Kind = "postgres", *, seconds: float = 50.0, keep: bool = False, home: Path | None = None) -> bool:
    """Run it.

    Args:
        kind: The server of the shop. Where MySQL cannot be had, MariaDB takes its place, and it says so.
        seconds: How long the monolith works.
        keep: Leave everything running at the end, print every address, and wait for Ctrl-C.
        home: Folder of downloads; see ``Stack``.

    Returns:
        Whether nothing was lost, repeated, out of order or different.

    Raises:
        ConnectError: Something needed is missing or did not come up.
    """
    show = Show()
    with start_stack(show, kind, home) as stack, tempfile.TemporaryDirectory(prefix="connect-demo-") as folder:
        show.say("The servers are up.")
        where = Place(
            shop_in(stack),
            kafka=stack.kafka.address,
            registry=stack.schema_registry.address,
            search=stack.elasticsearch.address,
        )
        _fill(show, where.shop)
        file = config_file(where.shop.config)
        worker = Worker(file, GROUP, where.environment, Path(folder) / "worker.log")
        try:
            clean = _run(show, where, worker, seconds)
            if keep:
                _stay(show, where, worker)
        finally:
            worker.stop()
    return clean


def config_file(name: str) -> Path:
    """The demonstration's file: of the installed wheel, or of the checkout, where configs/ is beside the package."""
    package = Path(str(resources.files("connect")))
    installed = package / "configs" / name
    return installed if installed.is_file() else package.parent / "configs" / name


def start_stack(show: Show, kind: Kind, home: Path | None) -> Stack:
    """The servers; where MySQL cannot be had, MariaDB takes its place."""
    others = "real Kafka, a schema registry, Elasticsearch"
    show.say(f"Starting {others} and {_TITLES[kind]} on this machine, without Docker.")
    try:
        return Stack.start((*_SERVERS, kind), home=home)
    except ConnectError as error:
        if kind != "mysql" or error.code != "local_version_missing":
            raise
        show.say(f"{error.message}. MariaDB takes its place.")
    return start_stack(show, "mariadb", home)


def shop_in(stack: Stack) -> Origin:
    """The shop, not filled yet, in the one database server of a stack."""
    if "mysql" in stack.servers:
        return MysqlShop(stack.mysql, _TITLES["mysql"])
    if "mariadb" in stack.servers:
        return MysqlShop(stack.mariadb, _TITLES["mariadb"])
    return PostgresShop(stack.postgres)


def _fill(show: Show, shop: Origin) -> None:
    shop.fill()
    tables = [full_name(shop, table) for table in (*TABLES, INTERNALS)]
    rows = sum(_figure(shop, f"SELECT count(*) FROM {table}")[0] for table in tables)  # noqa: S608 - names of our own
    show.say(
        f"A legacy shop is in {shop.title}: {len(tables)} tables, {rows:,} rows, foreign keys, one table without a key."
    )


def _figure(shop: Origin, query: str) -> tuple[int, ...]:
    """The one row of numbers that a query gives."""
    with closing(shop.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return tuple(int(number) for number in cursor.fetchone())


def _run(show: Show, where: Place, worker: Worker, seconds: float) -> bool:
    worker.start()
    show.say(f"The worker starts: connect run configs/{where.shop.config}. It reads the tables and follows the log.")
    worker.wait_ready("shop", _BUSY, 120)
    monolith = Monolith(where.shop)
    monolith.start()
    show.say("The monolith goes on working: inserts, updates, deletes, changed keys, transactions over many tables.")
    try:
        _trouble(show, worker, monolith, _troubles(where.shop, worker, monolith), seconds)
    finally:
        monolith.stop()
    show.say(f"The monolith rests after {monolith.changes:,} changes. The worker catches up.")
    with show.bars() as bars:
        _catch_up(where, worker, bars)
    show.say("Everything has arrived. Now each change is looked for in the topics, and each row in the targets.")
    with show.bars() as bars:
        result = compare(where, lambda read: bars.set("records read back from Kafka", read, None))
    show.console.print()
    show.console.print(result_table(result, worker.kills, show.seconds))
    _verdict(show, result)
    return result.clean


def _troubles(shop: Origin, worker: Worker, monolith: Monolith) -> list[Trouble]:
    return [
        (0.04, "kill -9 of the whole worker, in the middle of the snapshot.", lambda: _kill(worker)),
        (
            0.30,
            f"kill -9 of the process that reads {shop.title}; its supervisor starts another.",
            _child(worker, "shop"),
        ),
        (0.45, "The monolith is upgraded: ALTER TABLE orders ADD COLUMN channel.", monolith.add_column),
        (0.55, "kill -9 of the process that writes SQL.", _child(worker, "warehouse")),
        (0.70, "kill -9 of the whole worker.", lambda: _kill(worker)),
    ]


def _trouble(show: Show, worker: Worker, monolith: Monolith, troubles: list[Trouble], seconds: float) -> None:
    """The kills and the ALTER, at their times; between them what is going on."""
    started = time.monotonic()
    with show.bars() as bars:
        while (now := time.monotonic() - started) < seconds:
            if troubles and now >= troubles[0][0] * seconds:
                _, text, act = troubles.pop(0)
                show.say(text)
                act()
            worker.check()
            bars.set("changes made by the monolith", monolith.changes, None)
            _figures(worker, bars)
            time.sleep(0.25)


def _kill(worker: Worker) -> None:
    worker.kill()
    worker.start()


def _child(worker: Worker, connector: str) -> Callable[[], object]:
    def act() -> None:
        if not worker.kill_child(connector):
            _kill(worker)

    return act


def _figures(worker: Worker, bars: Bars) -> dict[str, Any]:
    status = worker.status()
    tables = status.get("shop", {}).get("tables", {}).values()
    totals = [table["total"] or table["rows"] for table in tables]
    if tables:
        rows = sum(table["rows"] for table in tables)
        bars.set("rows in the snapshot", rows, max(sum(totals), rows) if sum(totals) else None)
    for sink, what in (("warehouse", "records into SQL tables"), ("search", "records into the index")):
        offsets = status.get(sink, {}).get("position", {}).values()
        if offsets:
            bars.set(what, sum(offsets), sum(offsets) + (status[sink]["lag_records"] or 0))
    return status


def _catch_up(where: Place, worker: Worker, bars: Bars) -> None:
    """Until the position has passed everything written, and both sinks stand at the end of their topics."""
    end = where.shop.end()
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    quiet = 0
    while quiet < 2:
        worker.check()
        status = _figures(worker, bars)
        source = status.get("shop", {})
        behind = [status.get(sink, {}).get("lag_records") for sink in ("warehouse", "search")]
        passed = source.get("complete") and where.shop.passed(source.get("position", {}), end)
        quiet = quiet + 1 if passed and behind == [0, 0] else 0
        if time.monotonic() > deadline:
            raise ConnectError(
                f"the worker did not catch up within {_CATCH_UP_SECONDS:.0f} s", code="demo_worker", hint=str(status)
            )
        time.sleep(0.7)


def compare(where: Place, saw: Callable[[int], None]) -> check.Result:
    """Hold topics against the ledger and targets against the source."""
    shop = where.shop
    result = check.Result({full_name(shop, table): check.TableResult() for table in TABLES})
    with closing(shop.connect()) as source:
        made = check.ledger(source)
    found, events = check.topics(_records(where), saw)
    for table, row in result.tables.items():
        if table.split(".")[1] in check.KEYLESS:
            check.compare_events(row, made[table], events)
        else:
            row.add(verdict.check(made[table], found[table]))
        check.compare_rows(row, shop.source_rows(table), shop.target_rows(table))
    _compare_index(where, result)
    return result


def _records(where: Place) -> Iterator[SinkRecord]:
    settings = {"bootstrap.servers": where.kafka}
    topics = Topics(settings)
    reader = RecordReader(RegistryClient(where.registry))
    names = [name for name in topics.names() if name.startswith("shop.")]
    for name, topic in topics.describe(names).items():
        for partition, end in enumerate(topics.ends(name, topic.partitions)):
            for message in read_to(settings, name, partition, end, 30.0):
                _, stamp = message.timestamp()
                yield reader.read(name, partition, message.offset(), stamp, message.key(), message.value())


def _compare_index(where: Place, result: check.Result) -> None:
    with Elasticsearch(where.search) as client:
        for name in check.INDEXED:
            client.indices.refresh(index=name)
            answer = client.search(
                index=name, size=0, track_total_hits=True, aggs={"v": {"sum": {"field": "lock_version"}}}
            )
            rows, versions = int(answer["hits"]["total"]["value"]), int(answer["aggregations"]["v"]["value"])
            table = full_name(where.shop, name)
            query = f"SELECT count(*), coalesce(sum(lock_version), 0) FROM {table}"  # noqa: S608 - a name of our own
            source_rows, source_versions = _figure(where.shop, query)
            row = result.tables[table]
            row.index_rows = rows
            row.differing += abs(rows - source_rows) or int(versions != source_versions)


def _verdict(show: Show, result: check.Result) -> None:
    for name, what in (("disordered", "keys whose changes came out of order"), ("differing", "rows that differ")):
        if result.total(name):
            show.console.print(f"{result.total(name):,} {what}")
    show.console.print(f"lost {result.total('lost'):,}, repeated {result.total('repeated'):,}")


def _stay(show: Show, where: Place, worker: Worker) -> None:
    lines = [
        "Everything stays up until Ctrl-C.",
        f"Kafka             {where.kafka}",
        f"schema registry   {where.registry}",
        f"Elasticsearch     {where.search}/orders/_search?pretty",
        *(f"{what:<18}{command}" for what, command in where.shop.consoles.items()),
        f"the worker's log  {worker.log}",
        "Try:  change a row of the shop; then look into the warehouse.",
        "Try:  connect status",
    ]
    for line in lines:
        show.console.print(line)
    try:
        while True:
            worker.check()
            time.sleep(1)
    except KeyboardInterrupt:
        show.say("Ending everything.")
