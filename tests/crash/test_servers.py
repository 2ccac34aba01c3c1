"""Servers that end at once and come back: the chain goes on where it was."""

from __future__ import annotations

import time

import pytest

from connect.testing.chain import SOURCE

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def complete(status) -> bool:
    return bool(status.get(SOURCE, {}).get("complete"))


def test_F9_a_postgres_that_is_killed_repeats_nothing(stack, make_chain, load, assert_equal) -> None:
    postgres = stack.new_postgres("j_crash")
    chain = make_chain(database=postgres)
    worker = chain.worker()
    worker.wait_for("streaming", complete, 60)
    load(chain)
    time.sleep(3)
    postgres.kill()
    postgres.start()
    again = load(chain)
    time.sleep(3)
    again.stop()
    chain.settle(worker, 60)
    assert_equal(chain)


def test_F97_a_broker_that_is_killed_loses_nothing(stack, make_chain, load, assert_equal) -> None:
    kafka = stack.new_kafka("j_kafka")
    chain = make_chain(kafka=kafka.address)
    worker = chain.worker()
    worker.wait_for("streaming", complete, 60)
    writing = load(chain)
    time.sleep(2)
    kafka.kill()
    time.sleep(3)
    kafka.start()
    time.sleep(3)
    writing.stop()
    chain.settle(worker, 90)
    assert_equal(chain)


def test_F102_known_tables_stream_on_without_a_registry(stack, make_chain, load, assert_equal) -> None:
    registry = stack.new_schema_registry("j_registry")
    chain = make_chain(registry=registry.address, sql=False)
    worker = chain.worker()
    worker.wait_for("streaming", complete, 60)
    writing = load(chain)
    time.sleep(2)
    registry.stop()
    worker.kill_all()
    worker.start()
    time.sleep(3)
    writing.stop()
    chain.settle(worker, 30)
    registry.start()
    assert_equal(chain)


@pytest.mark.long
def test_sinks_whose_servers_are_down_for_ten_seconds_catch_up(stack, make_chain, load, assert_equal) -> None:
    warehouse, search = stack.new_postgres("j_warehouse"), stack.new_elasticsearch("j_search")
    chain = make_chain(warehouse=warehouse.create_database("j_down"), search=search.address)
    worker = chain.worker()
    worker.wait_for("streaming", complete, 60)
    writing = load(chain)
    time.sleep(2)
    warehouse.kill()
    search.kill()
    time.sleep(10)
    warehouse.start()
    search.start()
    writing.stop()
    chain.settle(worker, 90)
    assert_equal(chain)
