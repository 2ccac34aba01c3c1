"""The demonstration on real servers: what it counts by is true on each of them, and its story in MySQL ends well."""

import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest

from connect.demo import check
from connect.demo.monolith import Monolith
from connect.demo.mysql_shop import MysqlShop
from connect.demo.postgres_shop import PostgresShop
from connect.demo.run import config_file
from connect.demo.verdict import fold
from connect.local.keeper import is_running, tree

pytestmark = [pytest.mark.stack, pytest.mark.slow]

DEMO = [sys.executable, "-m", "connect", "demo", "--mysql"]
KEYS = {"orders": "id", "order_items": "order_id, line_no", "coupons": "code", "stock": "warehouse_id, product_id"}


def started(stack, kind):
    if kind == "postgres":
        server = stack.new_postgres("d_demo_postgres")
        return server, PostgresShop(server)
    server = stack.new_mysql("d_demo_mysql") if kind == "mysql" else stack.new_mariadb("d_demo_mariadb")
    return server, MysqlShop(server, server.title)


BINLOGS = ["mysql", pytest.param("mariadb", marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=["postgres", *BINLOGS])
def shop(request, stack):
    """The shop on a server of its own, after the monolith worked for a moment and was upgraded."""
    server, shop = started(stack, request.param)
    shop.fill()
    monolith = Monolith(shop)
    monolith.start()
    try:
        time.sleep(2)
        monolith.add_column()
        time.sleep(1)
    finally:
        monolith.stop()
    yield shop
    server.stop()


def asked(shop, query):
    with closing(shop.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.parametrize("table", KEYS)
def test_the_ledger_ends_where_the_rows_are(shop, table):
    with closing(shop.connect()) as connection:
        histories = check.ledger(connection)[f"{shop.home}.{table}"]
    rows = asked(shop, f"SELECT {KEYS[table]}, lock_version FROM {table} WHERE lock_version > 0")

    assert fold(histories) == {check.key_texts(key): (str(version),) for *key, version in rows}


def test_every_kind_of_change_is_in_the_ledger(shop):
    with closing(shop.connect()) as connection:
        ledger = check.ledger(connection)
    ops = Counter(change.op for histories in ledger.values() for history in histories.values() for change in history)

    assert ops.keys() == {"c", "u", "d"}
    assert len(ledger) >= 8


def test_a_row_has_as_many_texts_as_the_table_has_columns(shop):
    assert {len(row) for row in shop.source_rows(f"{shop.home}.orders")} == {
        len(asked(shop, "SELECT * FROM orders LIMIT 1")[0])
    }


@pytest.mark.parametrize("shop", BINLOGS, indirect=True)
def test_a_target_with_another_value_in_one_row_differs_by_one(shop):
    name = f"{shop.home}.customers"
    asked(shop, "DROP TABLE IF EXISTS warehouse.customers")
    asked(shop, "CREATE TABLE warehouse.customers AS SELECT * FROM customers")
    same = check.TableResult()
    check.compare_rows(same, shop.source_rows(name), shop.target_rows(name))
    with closing(shop.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("UPDATE warehouse.customers SET profile = '[1]' WHERE id = 7")
        connection.commit()
    other = check.TableResult()
    check.compare_rows(other, shop.source_rows(name), shop.target_rows(name))

    assert (same.source_rows, same.sql_rows, same.differing, other.differing) == (12_000, 12_000, 0, 1)


def test_the_file_of_each_form_is_there():
    assert config_file(PostgresShop.config).is_file()
    assert config_file(MysqlShop.config).is_file()


@pytest.mark.long
def test_the_story_in_mysql_loses_nothing_and_repeats_nothing():
    told = subprocess.run([*DEMO, "--seconds", "30"], capture_output=True, text=True, check=False, timeout=900)

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.splitlines()[-1] == "lost 0, repeated 0"
    assert "A legacy shop is in M" in told.stdout
    assert told.stdout.count("kill -9") == 4


@pytest.mark.long
def test_ctrl_c_in_the_middle_of_the_story_leaves_nothing_running():
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as demo:
        assert any("The monolith goes on working" in line for line in demo.stdout)
        processes = tree(demo.pid)
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        code = demo.wait(120)

    assert code == 130
    assert len(processes) > 8
    assert not any(is_running(pid) for pid in processes)
