"""A team that makes a service from the topics alone, rebuilds it, and knows when it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recorder import Page, value
from servers import REPLACED

if TYPE_CHECKING:
    from pathlib import Path

    from connect.local.stack import Stack

SECURE: Final = False
SERVERS: Final = ("kafka", "schema_registry", "postgres")

SHOP: Final = """\
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int, status text, total numeric);
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text);
INSERT INTO customers (name, email) SELECT 'name ' || n, 'c' || n || '@mail.example' FROM generate_series(1, 700) n;
INSERT INTO orders (customer, status, total) SELECT 1 + n % 700, 'placed', n / 4.0 FROM generate_series(1, 6000) n;
ANALYZE;
"""
LEGACY: Final = """\
name: shop-cdc
kafka: {bootstrap: "kafka.example:9092"}
schema_registry: {url: "http://registry.example:8081"}
worker: {listen: "127.0.0.1:0"}
sources:
  shop: {plugin: postgres, url: "postgresql://postgres@db.example:5432/shop", tables: ["public.*"]}
"""
COLUMNS: Final = "      shop.public.customers: {table: customers, fields: [id, name]}"
SERVICE: Final = """\
name: delivery
kafka: {bootstrap: "kafka.example:9092"}
schema_registry: {url: "http://registry.example:8081"}
sinks:
  store:
    plugin: sql
    url: postgresql://postgres@service-db.example:5432/delivery
    topics:
      shop.public.orders: {table: orders}
      shop.public.customers: {table: customers, fields: [id, name]}
"""


def tell(stack: Stack, folder: Path) -> Page:
    """The story."""
    postgres = stack.postgres
    shop, store = postgres.create_database("shop"), postgres.create_database("delivery")
    for statement in SHOP.strip().split("\n"):
        postgres.execute(statement, database="shop")
    names = {
        "service-db.example:5432": f"127.0.0.1:{postgres.port}",
        "db.example:5432": f"127.0.0.1:{postgres.port}",
        "kafka.example:9092": stack.kafka.address,
        "http://registry.example:8081": stack.schema_registry.address,
    }
    page = Page("First hour of a team that makes a service from the topics alone", folder, names)
    with page.told():
        _first_words(page)
        _file(page)
        _complete(page, shop, store)
        _rebuild(page, shop, store)
        _later(page, shop, store)
    return page


def _first_words(page: Page) -> None:
    page.say(REPLACED)
    page.say("The way is that of [a new service](../how-to/new-service.md).")
    page.say(
        "What there is: topics that another team's worker fills from the shop, 6,000 orders and 700 customers, and "
        "goes on filling; an empty database `delivery` of our own. We never see the shop's database."
    )
    (page.folder / "legacy.yaml").write_text(page.names.real(LEGACY))
    legacy = page.start_unseen("connect run legacy.yaml", "legacy.log")
    legacy.wait_for("shop ", "STREAMING")


def _file(page: Page) -> None:
    page.say("## What is there")
    init = "connect init --kafka kafka.example:9092 --schema-registry http://registry.example:8081"
    page.run(f"{init} --name delivery -o found.yaml")
    page.run("cat found.yaml")
    servers = "--kafka kafka.example:9092 --schema-registry http://registry.example:8081"
    page.run(f"connect topic show shop.public.customers {servers} --limit 2")
    page.say("The service wants the customers' names, not their addresses:")
    page.write("service.yaml", SERVICE)
    page.run("connect validate service.yaml")
    page.run("connect doctor service.yaml")
    page.run("connect plan service.yaml")


def _complete(page: Page, shop: str, store: str) -> None:
    page.say("## Complete, and how one knows")
    page.say("`--until live` ends with 0 when everything that the topics held at its start is in the tables:")
    page.run("connect run service.yaml --until live")
    _same(page, shop, store)
    page.say("From then on it follows:")
    worker = page.start("connect run service.yaml", "service.log")
    worker.wait_for("store ", "LIVE")
    page.say("Somewhere, the shop goes on:")
    page.sql(shop, "UPDATE orders SET status = 'sent' WHERE id <= 900;\nDELETE FROM orders WHERE id > 5950;")
    _wait(page, shop, store, "SELECT md5(string_agg(id || status, ',' ORDER BY id)) FROM orders")
    status = page.run("connect status service.yaml")
    page.expect("LIVE" in status, "status says LIVE")
    _same(page, shop, store)


def _rebuild(page: Page, shop: str, store: str) -> None:
    page.say("## The model changes")
    page.say("The service has to write to its customers after all, so `email` joins the fields:")
    page.edit("service.yaml", COLUMNS, COLUMNS.replace("name]", "name, email]"))
    page.run("connect plan service.yaml")
    page.run("connect rebuild store service.yaml", code=3)
    page.say("In a script it is told so:")
    page.run("connect rebuild store service.yaml --yes")
    query = "SELECT md5(string_agg(id || name || email, ',' ORDER BY id)) FROM customers"
    page.until("the new column is filled", lambda: _has_email(store) and value(store, query) == value(shop, query))
    page.until_live("connect status service.yaml --json", "store")
    page.run("connect status service.yaml")
    _same(page, shop, store)
    page.say("In the service's database:")
    page.expect(page.ask(store, "SELECT count(*) FROM customers WHERE email IS NOT NULL") == 700, "all have one")


def _has_email(store: str) -> bool:
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'customers' AND column_name = 'email'"
    return value(store, columns) == 1 and value(store, "SELECT count(*) FROM customers") == 700


def _later(page: Page, shop: str, store: str) -> None:
    page.say("## An hour later")
    page.sql(shop, "INSERT INTO customers (name, email) VALUES ('the last one', 'last@mail.example');")
    _wait(page, shop, store, "SELECT count(*) FROM customers WHERE email IS NOT NULL")
    page.run("connect topic show shop.public.customers service.yaml --key 701")
    page.say("It is in the service's database as well:")
    page.expect(page.ask(store, "SELECT email FROM customers WHERE id = 701") == "last@mail.example", "it came")


def _wait(page: Page, shop: str, store: str, query: str) -> None:
    page.until(f"equal: {query}", lambda: value(shop, query) == value(store, query))


def _same(page: Page, shop: str, store: str) -> None:
    """As many rows at both ends."""
    for table in ("orders", "customers"):
        page.both(f"SELECT count(*) FROM {table}", ("the shop", shop), ("the service's database", store))
