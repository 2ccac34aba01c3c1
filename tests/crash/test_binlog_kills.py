"""``make torture --origin mysql`` in short: eight writers, flushed logs, a restarted server, kills of every kind."""

from __future__ import annotations

import uuid

import pytest

from connect.testing.torture import Plan, Torture, binlog_chain

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.mark.parametrize("mariadb", [False, pytest.param(True, marks=pytest.mark.long)], ids=["mysql", "mariadb"])
def test_writers_kills_and_restarts_lose_and_repeat_nothing(stack, tmp_path, mariadb: bool) -> None:  # noqa: FBT001
    plan = Plan(scale=1, seconds=15, rate=150, pause=(1.5, 3.0), settle=120.0, seed=11)
    chain, load = binlog_chain(stack, f"j-{uuid.uuid4().hex[:8]}", tmp_path, plan, mariadb=mariadb)
    try:
        outcome = Torture(chain, load, plan, print).run()
    finally:
        chain.close()
    assert len(outcome.kills) >= 2
    assert sum(table.changes.made for table in outcome.tables.values()) > 100
    assert outcome.clean, outcome
