"""Sinks whose target is away, and records that cannot be read: named, the others go on, nothing is missing after."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Producer

from connect.kafka.positions import read_to
from connect.kafka.topics import Topics

FILE = """
sources:
  good: {{plugin: postgres, url: "{url}", tables: [public.good]}}
  poison: {{plugin: postgres, url: "{url}", tables: [public.poison]}}
sinks:
  search: {{plugin: elasticsearch, url: "http://{search}", topics: {{{group}.good.public.good: {{index: {group}}}}}}}
  warehouse:
    plugin: sql
    url: "postgresql://postgres@{warehouse}/{group}"
    topics: {{{group}.good.public.good: {{table: copied}}}}
  file: {{plugin: sql, url: "sqlite:///{folder}/good.db", topics: [{group}.good.public.*]}}
  strict: {{plugin: sql, url: "sqlite:///{folder}/poison.db", topics: [{group}.poison.public.*]}}
"""


@pytest.fixture(scope="module")
def doors(world: Any, elasticsearch: str, door: Any) -> Any:
    """Closed doors before Elasticsearch and before the warehouse."""
    return door(urlsplit(elasticsearch).netloc), door(urlsplit(world.postgres).netloc.rpartition("@")[2])


@pytest.fixture(scope="module")
def worker(world: Any, doors: Any) -> Any:
    """A worker over targets that are not there, and a topic that somebody else wrote into."""
    for table in ("good", "poison"):
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    search, warehouse = doors
    names = {"search": search.address, "warehouse": warehouse.address, "folder": world.folder}
    worker = world.run(world.write(FILE.format(url=world.url, group=world.group, **names)))
    world.arrive("poison.public.poison", 1)
    producer = Producer({"bootstrap.servers": world.kafka})
    producer.produce(world.topic("poison.public.poison"), b"{no JSON: S3CR3T-canary-73", b"k")
    assert producer.flush(20) == 0
    world.sql("INSERT INTO poison VALUES (2)")
    return worker


def rows(path: Any, table: str) -> list[int]:
    """The ids in a table of an SQLite file, [] while it is not there."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return [number for (number,) in connection.execute(f'SELECT id FROM "{table}" ORDER BY id')]


def test_elasticsearch_that_is_down_at_start(world, worker, doors):
    told = worker.state("search", "RETRYING")
    world.told(told, "target_unreachable", doors[0].address, "")


def test_a_warehouse_that_is_down_at_start(world, worker, doors):
    told = worker.state("warehouse", "RETRYING")
    world.told(told, "target_unreachable", doors[1].address, "is url: right?")


def test_another_sink_of_the_same_topic_goes_on(world, worker):
    worker.state("file", "LIVE")

    assert rows(world.folder / "good.db", "good") == [1]


def test_both_take_everything_once_their_target_is_there(world, worker, doors, elasticsearch):
    for one in doors:
        one.open()

    worker.state("search", "LIVE")
    worker.state("warehouse", "LIVE")
    assert world.sql("SELECT id FROM copied") == [(1,)]
    assert world.until(lambda: documents(elasticsearch, world.group)) == 1


def documents(elasticsearch: str, index: str) -> int:
    """How many an index has."""
    try:
        urllib.request.urlopen(f"{elasticsearch}/{index}/_refresh", b"", timeout=10).close()
        with urllib.request.urlopen(f"{elasticsearch}/{index}/_count", timeout=10) as answer:
            return int(json.load(answer)["count"])
    except urllib.error.HTTPError:
        return 0


def test_a_poisoned_record_stops_its_sink_before_it(world, worker):
    told = worker.state("strict", "FAILED")

    world.told(told, "poisoned_record", f"{world.topic('poison.public.poison')}[0]@", "on_error: dead_letter")
    assert rows(world.folder / "poison.db", "poison") == [1]


def test_with_dead_letters_it_is_put_aside_and_the_rest_is_applied(world, worker):
    worker.state("strict", "FAILED")
    assert worker.stop() == 1
    text = worker.file.read_text().replace("strict: {", "strict: {on_error: dead_letter, ")
    worker.file.write_text(text)

    again = world.run(worker.file)

    again.state("strict", "LIVE")
    world.until(lambda: rows(world.folder / "poison.db", "poison") == [1, 2])
    assert letters(world) == [b"{no JSON: S3CR3T-canary-73"]


def letters(world: Any) -> list[bytes | None]:
    """The values in the sink's dead-letter topic."""
    settings, topic = {"bootstrap.servers": world.kafka}, f"{world.group}.strict.dead"
    [end] = Topics(settings).ends(topic, 1)
    return [message.value() for message in read_to(settings, topic, 0, end, 20)]
