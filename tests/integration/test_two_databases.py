"""One worker with a Postgres and a MySQL source in one file, as in configs/two-databases.yaml."""

import os
import time
from contextlib import closing

import psycopg
import pytest

from connect.demo.worker import Worker

pytestmark = [pytest.mark.stack, pytest.mark.slow]

FILE = """\
name: {group}
kafka: {{bootstrap: "{kafka}"}}
worker: {{listen: "127.0.0.1:0"}}
sources:
  {group}-shop: {{plugin: postgres, url: "{shop}", tables: [public.orders]}}
  {group}-legacy: {{plugin: mysql, url: "{legacy}", tables: ["{group}.*"]}}
sinks:
  warehouse:
    plugin: sql
    url: "{warehouse}"
    defaults: {{table: "{{schema}}_{{table}}"}}
    topics: ["{group}-shop.*.*", "{group}-legacy.*.*"]
"""


@pytest.fixture
def group():
    return f"d{os.getpid()}"


@pytest.fixture
def urls(stack, group):
    """A database of each kind with a table ``orders`` of two rows, and an empty warehouse."""
    shop, legacy = stack.postgres.create_database(f"{group}_shop"), stack.mysql.create_database(group)
    rows = "INSERT INTO orders VALUES (1, 'placed'), (2, 'placed')"
    table = "CREATE TABLE orders (id int PRIMARY KEY, status varchar(20))"
    write(shop, table, rows)
    for statement in (table, rows):
        stack.mysql.execute(statement, database=group)
    yield {
        "kafka": stack.kafka.address,
        "shop": shop,
        "legacy": legacy,
        "warehouse": stack.postgres.create_database(f"{group}_warehouse"),
    }
    stack.mysql.execute(f"DROP DATABASE {group}")
    slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
    write(shop, slots)


@pytest.fixture
def worker(tmp_path, group, urls):
    file = tmp_path / "two.yaml"
    file.write_text(FILE.format(group=group, **urls))
    worker = Worker(file, group, {}, tmp_path / "worker.log")
    worker.start()
    yield worker
    worker.stop()


def write(url, *statements):
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement)


def wait_for(worker, warehouse, table, rows):
    """Until a table of the warehouse is as it should be."""
    deadline = time.monotonic() + 120
    with closing(psycopg.connect(warehouse, autocommit=True)) as connection:
        while (found := read(connection, table)) != rows:
            worker.check()
            assert time.monotonic() < deadline, f"{table} has {found}"
            time.sleep(0.2)


def read(connection, table):
    if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
        return None
    return dict(connection.execute(f"SELECT id, status FROM {table}").fetchall())


def test_both_sources_of_a_file_arrive_and_go_on_after_a_kill(stack, worker, urls, group):
    tables = ["public_orders", f"{group}_orders"]
    for table in tables:
        wait_for(worker, urls["warehouse"], table, {1: "placed", 2: "placed"})

    worker.kill()
    for statement in ("UPDATE orders SET status = 'paid' WHERE id = 1", "DELETE FROM orders WHERE id = 2"):
        write(urls["shop"], statement)
        stack.mysql.execute(statement, database=group)
    worker.start()

    for table in tables:
        wait_for(worker, urls["warehouse"], table, {1: "paid"})
