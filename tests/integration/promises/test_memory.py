"""Memory stays bounded while what is big passes (invariant 7). CONNECT_TEST_BIG_ROWS=1000000 is the promised size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ROWS = int(os.environ.get("CONNECT_TEST_BIG_ROWS", "200000"))
LIMIT_MB = 400


def peak_mb(chain) -> int:
    """The most that the source's process ever held, in MB."""
    status = Path(f"/proc/{chain.status()['pid']}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def in_topic(chain, table: str) -> dict[str, Any]:
    """How many records a topic holds, and how many keys."""
    keys = [message.key() for message in chain.messages(chain.topic(table))]
    return {"records": len(keys), "keys": len(set(keys))}


@pytest.mark.parametrize("streaming", ["on", pytest.param("off", marks=pytest.mark.long)])
def test_a_big_transaction_passes_in_bounded_memory_and_in_one_piece(chain, streaming):
    (name,) = chain.sql("SELECT current_database()")[0]
    chain.sql(f"ALTER DATABASE {name} SET logical_decoding_work_mem = '4MB'")  # so that it is streamed early
    chain.config["sources"]["s"]["streaming"] = streaming
    chain.sql("CREATE TABLE big (id int PRIMARY KEY, what text, at timestamptz DEFAULT now(), amount numeric(10,2))")
    chain.start()
    chain.streaming()
    chain.transaction(
        f"INSERT INTO big SELECT n, md5(n::text), now(), n FROM generate_series(1, {ROWS // 2}) n",
        "SAVEPOINT tried",
        "INSERT INTO big SELECT -n, 'rolled back', now(), n FROM generate_series(1, 1000) n",
        "ROLLBACK TO SAVEPOINT tried",
        f"UPDATE big SET what = 'changed' WHERE id <= {ROWS // 2}",
    )
    chain.caught_up(300)
    peak = peak_mb(chain)
    print(f"peak {peak} MB over {ROWS} rows, streaming {streaming}")  # noqa: T201 - a figure for people

    assert in_topic(chain, "big") == {"records": ROWS // 2 * 2, "keys": ROWS // 2}
    assert peak < LIMIT_MB


def test_a_big_table_is_read_in_bounded_memory(chain):
    chain.sql("CREATE TABLE big (id int PRIMARY KEY, what text)")
    chain.sql(f"INSERT INTO big SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, {ROWS // 4}) n")
    chain.start()
    chain.caught_up(300)
    peak = peak_mb(chain)
    print(f"peak {peak} MB over a snapshot of {ROWS // 4} rows of 1 kB")  # noqa: T201 - a figure for people

    assert in_topic(chain, "big") == {"records": ROWS // 4, "keys": ROWS // 4}
    assert peak < LIMIT_MB


def test_rows_of_8_mb_pass_in_bounded_memory(chain):
    chain.sql("CREATE TABLE big (id int PRIMARY KEY, body text, v int)")
    body = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 262144) i)"
    chain.sql(f"INSERT INTO big SELECT n, {body}, 0 FROM generate_series(1, 4) n")
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql(f"INSERT INTO big SELECT n, {body}, 0 FROM generate_series(5, 8) n")
    chain.sql("UPDATE big SET v = 1")
    chain.caught_up()
    peak = peak_mb(chain)
    print(f"peak {peak} MB over rows of 8 MB")  # noqa: T201 - a figure for people
    query = "SELECT id, md5(body), v FROM big ORDER BY id"

    assert chain.rows(warehouse, query) == chain.sql(query)
    assert peak < LIMIT_MB
