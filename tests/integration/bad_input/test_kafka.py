"""Kafka away when the worker starts: it waits, it can be stopped, and it publishes everything afterwards."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from typing import Any

import pytest

FILE = """
sources:
  shop: {{plugin: postgres, url: "{url}", tables: [public.{table}]}}
sinks:
  copy: {{plugin: sql, url: "sqlite:///{folder}/{table}.db", topics: [{group}.shop.*.*]}}
"""


@pytest.fixture
def text(world: Any, request: pytest.FixtureRequest) -> str:
    """A file over one table with one row, named for the test."""
    table = f"t{abs(hash(request.node.name)) % 10**8}"
    world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    world.table = table
    return FILE.format(url=world.url, table=table, folder=world.folder, group=world.group)


def test_kafka_that_is_down_at_start_is_waited_for(world, text, kafka, door):
    before = door(kafka)
    worker = world.run(world.write(text, kafka=before.address))
    for connector in ("shop", "copy"):
        told = worker.state(connector, "RETRYING")
        world.told(told, "kafka_unreachable", "", "kafka.bootstrap")

    before.open()

    worker.state("shop", "STREAMING")
    worker.state("copy", "LIVE")
    world.arrive(f"shop.public.{world.table}", 1)
    assert worker.stop() == 0


def test_F114_a_stop_does_not_wait_for_kafka(world, text, door, kafka):
    worker = world.run(world.write(text, kafka=door(kafka).address))
    worker.state("shop", "RETRYING")
    asked = time.monotonic()

    assert worker.stop() == 0
    assert time.monotonic() - asked < 10


def test_F114_a_stop_does_not_wait_for_a_broker_that_answers_nothing(world, text):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        worker = world.run(world.write(text, kafka=address))
        listening = worker.wait("shop", lambda event: event["state"] == "STARTING")
        time.sleep(1)  # it is inside its first request

        assert (listening["code"], worker.stop()) == ("", 0)


def test_a_taken_port_is_told_and_a_free_one_used(world, text, connect):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        file = world.write(text)
        file.write_text(file.read_text().replace("127.0.0.1:0", taken))
        worker = world.run(file)
        worker.state("shop", "STREAMING")
        code, out, _ = connect("status", file, "--json")

    [listening] = [event for event in worker.events if event["event"] == "listening"]
    [found] = json.loads(out)["workers"]
    assert (code, listening["taken"]) == (0, taken)
    assert (found["group"], "shop" in found["connectors"]) == (world.group, True)
    urllib.request.urlopen(f"{listening['url']}/health", timeout=5).close()
    worker.stop()
