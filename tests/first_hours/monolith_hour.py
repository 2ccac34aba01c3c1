"""A team that extracts 300 tables, masks two columns, gets a table the next day and renames its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from recorder import Background, Page, value
from servers import REPLACED

if TYPE_CHECKING:
    from pathlib import Path

    from connect.local.stack import Stack

SECURE: Final = False
SERVERS: Final = ("kafka", "schema_registry", "postgres")
TABLES: Final = 300
ROWS: Final = 20  # of each table; customers have more
CUSTOMERS: Final = 500
URL: Final = "postgresql://postgres@db.example:5432/shop"
FILE: Final = f"""\
name: shop-cdc
kafka: {{bootstrap: "kafka.example:9092"}}
schema_registry: {{url: "http://registry.example:8081"}}
mask_key: ${{env:MASK_KEY}}
sources:
  shop:
    plugin: postgres
    url: {URL}
    exclude: ["public.tmp_*"]
    tables:
      "public.*": {{}}
      public.customers: {{mask: {{email: hash, phone: nullify}}}}
sinks:
  warehouse: {{plugin: sql, url: "postgresql://postgres@warehouse.example:5432/warehouse", topics: ["shop.*.*"]}}
"""
OLD_NAME: Final = """\
  shop:
    plugin: postgres
"""
NEW_NAME: Final = """\
  monolith:
    plugin: postgres
"""
KEPT: Final = """\
  monolith:
    topic_prefix: shop
    slot: connect_shop_cdc__shop
    publication: connect_shop_cdc__shop
    plugin: postgres
"""


def tell(stack: Stack, folder: Path) -> Page:
    """The story."""
    postgres = stack.postgres
    shop, warehouse = postgres.create_database("shop"), postgres.create_database("warehouse")
    _fill(shop)
    here = f"127.0.0.1:{postgres.port}"
    names = {
        "warehouse.example:5432": here,
        "db.example:5432": here,
        "kafka.example:9092": stack.kafka.address,
        "http://registry.example:8081": stack.schema_registry.address,
    }
    page = Page("First hour of a team that takes a monolith of 300 tables apart", folder, names)
    with page.told():
        page.say(REPLACED)
        page.say(
            "The way is that of [many tables](../how-to/many-tables.md) and of "
            "[a file in use](../how-to/change-a-file.md). "
            f"What there is: a database of {TABLES} tables, one of which holds e-mail addresses and telephone numbers."
        )
        _file(page)
        worker = _run(page, shop, warehouse)
        _next_day(page, shop, warehouse)
        page.say("## Another name")
        page.say("There will be a second shop, so the source is to be called `monolith`. The worker is stopped first:")
        worker.stop()
        _rename(page, shop, warehouse)
    return page


def _fill(shop: str) -> None:
    with psycopg.connect(shop) as connection:
        for number in range(1, TABLES):
            name = f"module_{number:03}"
            connection.execute(
                f"CREATE TABLE {name} (id int PRIMARY KEY, what text, amount numeric(10, 2), at timestamptz)".encode()
            )
            connection.execute(
                f"INSERT INTO {name} SELECT n, 'row ' || n, n / 3.0, now() FROM generate_series(1, {ROWS}) n".encode()
            )
        connection.execute(b"CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone text)")
        connection.execute(
            b"INSERT INTO customers SELECT n, 'name ' || n, 'c' || n || '@mail.example', '+49 30 ' || n"
            + f" FROM generate_series(1, {CUSTOMERS}) n".encode()
        )
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(b"ANALYZE")


def _file(page: Page) -> None:
    page.say("## The file")
    page.run(f"connect init {URL} --kafka kafka.example:9092 -o found.yaml")
    found = page.run("cat found.yaml", lines=24)
    page.expect(found.count("public.module_") == TABLES - 1, "every table is in the file")
    page.say("What holds for all, and the one exception by name:")
    page.write("shop.yaml", FILE)
    page.export(MASK_KEY="0f3a5d8e6b1c94720f3a5d8e6b1c9472")
    page.run("connect validate shop.yaml")
    page.run("connect doctor shop.yaml", lines=24)
    page.run("connect plan shop.yaml", lines=24)
    page.run("connect plan shop.yaml --table public.customers")


def _run(page: Page, shop: str, warehouse: str) -> Background:
    page.say("## 300 tables")
    worker = page.start("connect run shop.yaml", "worker.log")
    worker.wait_for("shop ", "STREAMING")
    _rows(page, warehouse, (TABLES - 1) * ROWS + CUSTOMERS)
    page.until_live("connect status shop.yaml --json", "warehouse")
    worker.show()
    page.run("connect status shop.yaml", lines=24)
    page.say("The two columns never left the database in clear:")
    shown = page.run("connect topic show shop.public.customers shop.yaml --limit 3")
    page.expect("@mail" not in shown and "+49" not in shown and '"phone": null' in shown, "masked")
    page.both("SELECT count(*) FROM customers", ("the shop", shop), ("the warehouse", warehouse))
    clear = page.ask(warehouse, "SELECT count(*) FROM customers WHERE email LIKE '%@%' OR phone IS NOT NULL")
    page.expect(clear == 0, "none is clear")
    return worker


def _next_day(page: Page, shop: str, warehouse: str) -> None:
    page.say("## The next day")
    page.say("A release of the monolith brings a table, and nobody tells us. The worker of yesterday is running:")
    page.sql(
        shop,
        "CREATE TABLE invoices (id int PRIMARY KEY, total numeric(12, 2));\n"
        "INSERT INTO invoices SELECT n, n * 10 FROM generate_series(1, 50) n;",
    )
    exists = "SELECT to_regclass('public.invoices') IS NOT NULL"
    count = "SELECT count(*) FROM invoices"
    page.until("invoices came", lambda: value(warehouse, exists) and value(warehouse, count) == value(shop, count))
    page.run("connect topic show shop.public.invoices shop.yaml --limit 2")
    page.both(count, ("the shop", shop), ("the warehouse", warehouse))


def _rename(page: Page, shop: str, warehouse: str) -> None:
    page.edit("shop.yaml", OLD_NAME, NEW_NAME)
    page.say("The command says what the file lacks then:")
    said = page.run("connect rename source shop monolith shop.yaml", code=None)
    page.expect("slot: connect_shop_cdc__shop" in said, "the lines that are missing are named")
    page.edit("shop.yaml", NEW_NAME, KEPT)
    page.say("Whoever starts the worker now, without the command, is stopped; nothing is changed:")
    worker = page.start("connect run shop.yaml", "worker.log")
    worker.wait_for("monolith ", "looks_renamed")
    worker.show()
    worker.stop(code=1)
    page.run("connect rename source shop monolith shop.yaml")
    said = page.run("connect plan shop.yaml")
    page.expect("Nothing to do" in said, "a rename is no change to the plan")
    page.sql(shop, "UPDATE invoices SET total = total + 1;\nINSERT INTO invoices VALUES (51, 510);")
    worker = page.start("connect run shop.yaml", "worker.log")
    worker.wait_for("monolith ", "STREAMING")
    total = "SELECT sum(total) FROM invoices"
    page.until("the sums are equal", lambda: value(shop, total) == value(warehouse, total))
    worker.show()
    page.expect("SNAPSHOTTING" not in worker.text(), "nothing is read again")
    page.say("No table was read again; what happened meanwhile came from the log, into the same topics:")
    for query in (total, "SELECT count(*) FROM invoices"):
        page.both(query, ("the shop", shop), ("the warehouse", warehouse))
    worker.stop()


def _rows(page: Page, warehouse: str, rows: int) -> None:
    """Wait until the warehouse has so many rows in all its tables of the shop."""
    tables = [f"module_{number:03}" for number in range(1, TABLES)] + ["customers"]
    there = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^(module_|customers)'"
    union = " UNION ALL ".join(f"SELECT count(*) n FROM {name}" for name in tables)
    page.until(
        f"{rows} rows are there",
        lambda: value(warehouse, there) == TABLES and value(warehouse, f"SELECT sum(n) FROM ({union}) t") == rows,
    )
