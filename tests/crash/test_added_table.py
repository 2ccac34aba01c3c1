"""A table added to the file: only it is read, the rest streams on."""

from __future__ import annotations

import time

import pytest

from connect.demo.verdict import READ
from connect.testing.chain import SOURCE
from connect.testing.topics import read_topic

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ADDED = "public.j_3"


def reads(chain, table) -> list:
    content = read_topic(chain.where.kafka, chain.where.registry, chain.topic(table))
    changes = [(key, change) for key, history in content.histories.items() for change in history]
    return [(key, change) for key, change in changes if change.op == READ]


def test_only_an_added_table_is_snapshotted_under_load(make_chain, load) -> None:
    chain = make_chain()
    known = [table for table in chain.tables if table != ADDED]
    chain.write_file(known)
    worker = chain.worker()
    worker.wait_for("streaming", lambda status: status.get(SOURCE, {}).get("complete"), 60)
    writing = load(chain)
    time.sleep(2)
    before = reads(chain, "public.j_0")
    worker.kill_all()
    chain.write_file([*known, ADDED])
    worker.start()
    worker.wait_for("streaming", lambda status: status.get(SOURCE, {}).get("complete"), 60)
    writing.stop()
    chain.settle(worker, 60)
    found = chain.compare(late=[ADDED])
    assert all(one.clean for one in found.values()), found
    assert found[ADDED].changes.reads > 0
    assert reads(chain, "public.j_0") == before
