"""``make torture`` in short: pgbench, kills of every kind, and four tables that are equal everywhere."""

from __future__ import annotations

import uuid

import pytest

from connect.testing.torture import Plan, Torture, chain_for

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_pgbench_and_kills_lose_and_repeat_nothing(stack, tmp_path) -> None:
    plan = Plan(scale=1, seconds=15, rate=200, pause=(1.5, 3.0), settle=90.0, seed=11)
    chain, load = chain_for(stack, f"j-{uuid.uuid4().hex[:8]}", tmp_path, plan)
    try:
        outcome = Torture(chain, load, plan, print).run()
    finally:
        chain.close()
    assert len(outcome.kills) >= 4
    assert outcome.samples > 0
    assert outcome.clean, outcome
