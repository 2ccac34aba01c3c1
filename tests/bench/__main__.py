"""``make bench``: how fast a worker is beside the limit that the servers set, and beside the peer, in one run.

``QUICK=1`` takes smaller inputs. ``ONLY=pg_stream_100,start`` takes some measures, prints them and leaves docs/ as it
is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import report
import tables
from bench import Bench
from inputs import QUICK, WHOLE
from results import measures
from streams import stream

from connect.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from inputs import Inputs
    from results import Measure

    Take = Callable[..., None]


def plan(inputs: Inputs) -> list[tuple[tuple[str, ...], Take]]:
    """What is taken together: names of measures, and what gives them."""
    return [
        (("pg_stream_100",), partial(stream, table=tables.NARROW, rows=inputs.stream, transaction=100)),
        (("pg_stream_1",), partial(stream, table=tables.NARROW, rows=inputs.stream_1, transaction=1)),
        (("pg_stream_100k",), partial(stream, table=tables.NARROW, rows=inputs.stream, transaction=100_000)),
        (("pg_stream_wide",), partial(stream, table=tables.WIDE, rows=inputs.stream_wide, transaction=100)),
        (("pg_stream_10kb",), partial(stream, table=tables.TEN_KB, rows=inputs.stream_10kb, transaction=10)),
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
    with (
        Stack.start(("kafka", "schema_registry", "postgres")) as stack,
        tempfile.TemporaryDirectory(prefix="connect-bench-") as folder,
    ):
        bench = Bench(stack, Path(folder), inputs)
        for names, take in wanted:
            _take(bench, [known[name] for name in names], take)
    results = [known[name].to_json() for names, _ in wanted for name in names]
    report.show(results)
    if not only:
        report.write(results, quick=quick)
    return 1 if any(result["error"] for result in results) else 0


def _take(bench: Bench, taken: list[Measure], take: Take) -> None:
    """One measure that fails does not cost the others; it says so in the result."""
    print(f"{', '.join(measure.name for measure in taken)} …", flush=True)
    try:
        take(bench, *taken)
    except Exception as error:  # noqa: BLE001 - the edge of a measure
        traceback.print_exc()
        for measure in taken:
            measure.error = f"{type(error).__name__}: {error}"[:500]
    for measure in taken:
        print(report.line(measure.to_json()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
