"""Kills at each step of the sink loop: every change is applied once (F113, F129, K1)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.sink_sql.conftest import World

WORKER = Path(__file__).with_name("worker_main.py")
KILLED = 137
AUDIT = """
CREATE TABLE orders (id bigint PRIMARY KEY, name text, note text);
CREATE TABLE audit (id bigint, name text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO {schema}.audit VALUES (NEW.id, NEW.name); RETURN NEW; END';
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit();
"""


def work(world: World, failpoint: str) -> int:
    """Run a worker that the failpoint kills; its exit code."""
    command = [sys.executable, str(WORKER), world.kafka["bootstrap.servers"], world.postgres, world.name]
    environment = {**os.environ, "CONNECT_FAILPOINT": failpoint}
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


@pytest.mark.parametrize("place", ["sink.before_write", "sink.after_write"])
def test_F129_a_worker_that_is_killed_again_and_again_applies_each_change_once(world: World, place: str) -> None:
    world.make_topic()
    world.sql.execute(AUDIT.format(schema=world.name))
    world.put(*((number % 3, f"change {number}", None) for number in range(12)))
    exits = [work(world, f"{place}:exit:{hit}") for hit in (1, 2, 1)]
    assert exits == [KILLED] * 3
    assert work(world, "") == 0
    changes = world.sql.execute("SELECT name FROM audit").fetchall()
    assert len(set(changes)) == len(changes)
    assert world.rows() == [(0, "change 9", None), (1, "change 10", None), (2, "change 11", None)]
    assert world.position() == 12
