"""``make measure``: how long the commands take that an operator waits for, and what an install downloads.

Writes docs/MEASURES.md. Every figure is the median of the runs, each a new process, interpreter's start included.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from connect.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
TABLES: Final = 300
RUNS: Final = 7
COLUMNS: Final = "id bigint PRIMARY KEY, name text, email text, price numeric(10,2), at timestamptz, a int, b int"
HEAD: Final = """\
# How long commands take

`make measure`: {tables} tables of 7 columns, {cores} cores with the servers on them; {runs} runs of each.

| what | median | fastest | aim |
|---|---|---|---|
"""


def main() -> int:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory(prefix="connect-measure-") as folder, _servers() as (kafka, registry, postgres):
        file = _file(kafka, registry, postgres, Path(folder))
        rows = [
            _row("`connect --help`", _times("--help"), 0.3),
            _row(f"`connect validate`, {TABLES} tables", _times("validate", file), 1.0),
            _row(f"`connect plan`, {TABLES} tables, before the first run", _times("plan", file), 5.0),
            _row(f"`connect doctor`, {TABLES} tables", _times("doctor", file), 5.0),
            _wheels(Path(folder) / "wheels"),
        ]
    head = HEAD.format(tables=TABLES, cores=_cores(), runs=RUNS)
    page = head + "\n".join(rows) + "\n"
    (ROOT / "docs" / "MEASURES.md").write_text(page)
    print(page)
    return 0


@contextlib.contextmanager
def _servers() -> Iterator[tuple[str, str, str]]:
    """Kafka, registry and Postgres: of the environment, as for tests, else of the local stack."""
    found = tuple(os.environ.get(f"CONNECT_TEST_{name}", "") for name in ("KAFKA", "SCHEMA_REGISTRY", "POSTGRES"))
    if all(found):
        yield found
        return
    with Stack.start(("kafka", "schema_registry", "postgres")) as stack:
        yield stack.kafka.address, stack.schema_registry.address, stack.postgres.address


def _file(kafka: str, registry: str, postgres: str, folder: Path) -> str:
    name = f"many_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    url = urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE t{number:03} ({COLUMNS})".encode())
    tables = "\n".join(f"      public.t{number:03}: {{new_columns: hold}}" for number in range(TABLES))
    path = folder / "many.yaml"
    path.write_text(
        f'name: {name}\nkafka: {{bootstrap: "{kafka}"}}\nschema_registry: {{url: "{registry}"}}\n'
        f"sources:\n  {name}:\n    plugin: postgres\n    url: {url}\n    tables:\n{tables}\n"
        f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{folder}/w.db', topics: ['{name}.*.*']}}\n"
    )
    return str(path)


def _times(*arguments: str) -> list[float]:
    times = []
    for _ in range(RUNS + 1):  # the first one warms the disk's cache
        began = time.monotonic()
        subprocess.run([Path(sys.executable).with_name("connect"), *arguments], capture_output=True, check=False)
        times.append(time.monotonic() - began)
    return times[1:]


def _row(what: str, times: Sequence[float], aim: float) -> str:
    return f"| {what} | {statistics.median(times):.2f} s | {min(times):.2f} s | {aim:g} s |"


def _wheels(folder: Path) -> str:
    """What ``pip install connect-cdc`` downloads, its own wheel too."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "-w", folder, ROOT]
    subprocess.run(command, check=True)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return f"| wheels of the base install, {len(sizes)} of them | {sum(sizes) / 1e6:.1f} MB | | 30 MB |"


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    sys.exit(main())
