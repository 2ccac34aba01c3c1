"""Chains over real servers, and a load that does what applications do."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.testing.chain import Addresses, Chain
from connect.testing.torture import pgbench

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from connect.local.stack import Stack

TABLES = {f"public.j_{number}": ("id",) for number in range(4)} | {"public.j_log": ()}
SCHEMA = """
CREATE SEQUENCE j_new START 100000;
{tables}
CREATE TABLE j_log (n int, note text);
INSERT INTO j_log VALUES (0, 'first');
"""
TABLE = """
CREATE TABLE {name} (id int PRIMARY KEY, n int NOT NULL, note text);
INSERT INTO {name} SELECT i, 0, repeat('it''s ', 3) FROM generate_series(1, 300) i;
"""
SCRIPTS = {  # :t is a table's number, :id a key that many share
    "update@6": "UPDATE j_:t SET n = n + 1 WHERE id = :id;",
    "upsert@3": "INSERT INTO j_:t VALUES (:id, 1, 'new') ON CONFLICT (id) DO UPDATE SET n = j_:t.n + 1;",
    "delete@1": "DELETE FROM j_:t WHERE id = :id;",
    "key@1": "UPDATE j_:t SET id = nextval('j_new'), n = n + 1 WHERE id = :id;",
    "many@1": "BEGIN;\nUPDATE j_0 SET n = n + 1 WHERE id = :id;\nINSERT INTO j_log VALUES (:id, 'many');\n"
    "UPDATE j_1 SET n = n + 1 WHERE id BETWEEN :id AND :id + 20;\nSAVEPOINT s;\nDELETE FROM j_2 WHERE id > 250;\n"
    "ROLLBACK TO s;\nEND;",
}


class Load:
    """pgbench over the tables, until it is stopped; what it did is for the oracle to say."""

    def __init__(self, url: str, folder: Path, rate: int = 150) -> None:
        self._command = ["-n", "-c", "3", "-T", "600", "-R", str(rate), "--max-tries", "20"]
        for name, script in SCRIPTS.items():
            path, weight = name.split("@")
            file = folder / f"{path}.sql"
            file.write_text(f"\\set t random(0, 3)\n\\set id random(1, 300)\n{script}\n")
            self._command += ["-f", f"{file}@{weight}"]
        self._command.append(url)
        self._bench: subprocess.Popen[str] | None = None

    def start(self) -> Load:
        self._bench = pgbench(*self._command)
        return self

    def stop(self) -> None:
        if self._bench is not None:
            self._bench.kill()
            self._bench.communicate()
            self._bench = None


@pytest.fixture
def make_chain(stack: Stack, tmp_path: Path) -> Iterator[Callable[..., Chain]]:
    """A chain over the tables of ``SCHEMA``; servers that a test breaks are its own and given by name."""
    chains: list[Chain] = []

    def make(*, database: Any = None, sql: bool = True, **own: str) -> Chain:
        group = f"j-{uuid.uuid4().hex[:8]}"
        name = group.replace("-", "_")
        servers = {"kafka": stack.kafka.address, "registry": stack.schema_registry.address} | own
        if sql and "warehouse" not in servers:
            servers["warehouse"] = stack.postgres.create_database(f"{name}_warehouse")
        url = (database or stack.postgres).create_database(name)
        with psycopg.connect(url) as connection:
            tables = "".join(TABLE.format(name=table) for table in TABLES if TABLES[table])
            connection.execute(SCHEMA.format(tables=tables).encode())
        chain = Chain(group, Addresses(database=url, **servers), TABLES, tmp_path)
        chains.append(chain)
        chain.origin.begin()
        return chain

    yield make
    for chain in chains:
        chain.close()


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[Chain], Load]]:
    """Starts the load on a chain's database."""
    loads: list[Load] = []

    def start(chain: Chain) -> Load:
        loads.append(Load(chain.where.database, tmp_path).start())
        return loads[-1]

    yield start
    for one in loads:
        one.stop()


@pytest.fixture
def run_source() -> Callable[..., int]:
    """Runs the chain's source alone; the exit code."""

    def run(chain: Chain, *, lsn: int = 0, seconds: float = 30.0, failpoint: str = "") -> int:
        script = Path(__file__).with_name("run_source.py")
        environment = {**os.environ, **({"CONNECT_FAILPOINT": failpoint} if failpoint else {})}
        command = [sys.executable, str(script), str(chain.file), str(lsn), str(seconds)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds + 30, check=False
        )
        assert done.returncode in {0, 3, 137}, done.stderr[-3000:]
        return done.returncode

    return run


@pytest.fixture
def assert_equal() -> Callable[..., None]:
    """Log, topics and SQL tables have to be equal, table by table."""

    def compare(chain: Chain, late: Collection[str] = ()) -> None:
        for table, found in chain.compare(late).items():
            assert found.clean, (table, found)
            assert found.changes.found + found.changes.reads > 0, table

    return compare
