"""``kill -9`` at any instant loses and repeats nothing (F113)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.slow]

RECORDS, KEYS = 3_000, 97  # as in writing_process
KILLS = 7


def expected():
    """The index after the history, one change at a time."""
    rows: dict[str, dict] = {}
    for offset in range(RECORDS):
        key = offset * 31 % KEYS
        old = rows.get(str(key), {})
        if offset == RECORDS // 2:
            rows.clear()
        elif offset % 7 == 0:
            rows.pop(str(key), None)
        elif offset % 3:
            rows[str(key)] = {"id": key, "note": offset, "body": f"body {offset}"}
        elif "body" in old:
            rows[str(key)] = {"id": key, "note": offset, "body": old["body"]}
        else:
            rows[str(key)] = {"id": key, "note": offset, "__incomplete": ["body"]}
    return rows


def life(world, batches, seconds):
    """Start a worker and kill it that long after it wrote that many batches; whether it was done before."""
    script = Path(__file__).with_name("writing_process.py")
    command = [sys.executable, str(script), world.url, world.table.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(batches):
            if not process.stdout.readline():
                return process.wait() == 0
        time.sleep(seconds)  # so that the kill falls into the next batch, somewhere
        process.kill()
        return False


def test_F113_a_worker_killed_again_and_again_ends_with_the_right_index(world):
    random_ = random.Random(17)
    for _ in range(KILLS):
        assert not life(world, random_.randint(1, 5), random_.uniform(0.0, 0.02))
    assert life(world, RECORDS, 0)

    assert world.documents() == expected()
    assert world.stored == {"0": RECORDS}
