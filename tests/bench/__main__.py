"""``make bench``: how fast a worker is beside the limit that the servers set, and beside the peer, in one run.

``QUICK=1`` takes smaller inputs. ``ONLY=pg_stream_100,start`` takes some measures, prints them and leaves docs/ as it
is.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import mysql
import report
import tables
from bench import Bench
from inputs import QUICK, WHOLE
from latency import latency, recover
from loads import rss_source, tables_1000, transaction_1m
from results import measures
from sinks import sink_elasticsearch, sink_postgres
from snapshots import snapshot
from starts import start
from streams import stream, warm_up

from connect.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from inputs import Inputs
    from results import Measure

    Take = Callable[..., None]


def plan(inputs: Inputs) -> list[tuple[tuple[str, ...], Take]]:
    """What is taken together: names of measures, and what gives them."""
    narrow = partial(stream, table=tables.NARROW)
    return [
        (("pg_stream_100",), partial(narrow, rows=inputs.stream, transaction=100)),
        (("pg_stream_1",), partial(narrow, rows=inputs.stream_1, transaction=1)),
        (("pg_stream_100k",), partial(narrow, rows=inputs.stream_big, transaction=100_000)),
        (("pg_stream_wide",), partial(stream, table=tables.WIDE, rows=inputs.stream_wide, transaction=100)),
        (("pg_stream_10kb",), partial(stream, table=tables.TEN_KB, rows=inputs.stream_10kb, transaction=10)),
        (("pg_snapshot",), partial(snapshot, rows=inputs.snapshot)),
        (("mysql_stream_100",), partial(mysql.stream, rows=inputs.mysql)),
        (("mysql_snapshot",), partial(mysql.snapshot, rows=inputs.mysql)),
        (("sink_postgres_bootstrap", "sink_postgres_upsert"), partial(sink_postgres, rows=inputs.sink)),
        (("sink_elasticsearch",), partial(sink_elasticsearch, rows=inputs.sink)),
        (("latency_100_p50", "latency_100_p99"), partial(latency, rate=100)),
        (("latency_5000_p50", "latency_5000_p99"), partial(latency, rate=5000)),
        (("rss_source",), partial(rss_source, rows=inputs.rss)),
        (("start",), start),
        (("recover",), recover),
        (("tables_1000",), partial(tables_1000, rows=inputs.tables)),
        (("transaction_1m",), partial(transaction_1m, rows=inputs.transaction)),
    ]


def main() -> int:
    quick = os.environ.get("QUICK") == "1"
    inputs = QUICK if quick else WHOLE
    known = measures()
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    if unknown := sorted(set(only) - set(known)):
        print(f"no measure {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    wanted = [(names, take) for names, take in plan(inputs) if not only or set(names) & set(only)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a worker under way is stopped then, as after Ctrl-C
    started = time.monotonic()
    with (
        Stack.start(("kafka", "schema_registry", "postgres")) as stack,
        tempfile.TemporaryDirectory(prefix="connect-bench-") as folder,
    ):
        bench = Bench(stack, Path(folder), inputs)
        warm_up(bench)
        for names, take in wanted:
            _take(bench, [known[name] for name in names], take)
        results = [known[name].to_json() for names, _ in wanted for name in names]
        if not only:
            minutes = (time.monotonic() - started) / 60
            report.write(results, inputs, quick=quick, minutes=minutes, worker_start=bench.worker_start)
    return 1 if any(result["error"] for result in results) else 0


def _take(bench: Bench, taken: list[Measure], take: Take) -> None:
    """One measure that fails does not cost the others; it says so in the result."""
    started = time.monotonic()
    try:
        take(bench, *taken)
    except Exception as error:  # noqa: BLE001 - the edge of a measure
        traceback.print_exc()
        for measure in taken:
            measure.error = f"{type(error).__name__}: {error}"[:500]
    for measure in taken:
        result = measure.to_json()
        print(report.line(result), f"({time.monotonic() - started:.0f} s)", *result["notes"], flush=True)
        print(f"  runs {result['runs']}, figures {result['figures']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
