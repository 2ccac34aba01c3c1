"""An operator whose role owns nothing, against a TLS Postgres and a SCRAM cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recorder import Page, value
from servers import REPLACED, PlatformTeam

if TYPE_CHECKING:
    from pathlib import Path

    from connect.local.stack import Stack

SECURE: Final = True
SERVERS: Final = ("kafka", "schema_registry", "postgres")
CA: Final = "/etc/ssl/company-ca.pem"
URL: Final = f"postgresql://cdc@db.example:5432/shop?sslmode=verify-full&sslrootcert={CA}"

SHOP: Final = """\
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, total numeric(12,2));
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text);
INSERT INTO orders (status, total) SELECT 'placed', n / 4.0 FROM generate_series(1, 5000) n;
INSERT INTO customers (name, email) SELECT 'name ' || n, 'c' || n || '@mail.example' FROM generate_series(1, 800) n;
ANALYZE;
"""

FILE: Final = f"""\
name: shop-cdc
kafka:
  bootstrap: "kafka.example:9093"
  security:
    tls: {{ca: {CA}}}
    sasl: {{mechanism: SCRAM-SHA-512, username: cdc, password: "${{env:KAFKA_PASSWORD}}"}}
schema_registry: {{url: "https://registry.example", tls: {{ca: {CA}}}}}
sources:
  shop:
    plugin: postgres
    url: {URL}
    password: ${{env:SHOP_PASSWORD}}
    publication: {{name: connect_shop, manage: false}}
    tables: [public.orders, public.customers]
sinks:
  warehouse:
    plugin: sql
    url: postgresql://app@db.example:5432/warehouse?sslmode=verify-full&sslrootcert={CA}
    password: ${{env:WAREHOUSE_PASSWORD}}
    topics: ["shop.*.*"]
"""


def tell(stack: Stack, folder: Path) -> Page:
    """The story."""
    shop, warehouse = _databases(stack)
    platform = PlatformTeam(stack.kafka)
    platform.user("cdc", "kafka-secret")
    names = {
        "db.example:5432": f"127.0.0.1:{stack.postgres.port}",
        "kafka.example:9093": stack.kafka.address,
        "https://registry.example": stack.schema_registry.address,
        CA: stack.security["ca"],
    }
    page = Page("First hour of an operator whose role owns nothing", folder, names)
    with page.told():
        _first_words(page)
        _database(page, shop)
        _cluster(page, platform)
        _run(page, shop, warehouse)
    return page


def _databases(stack: Stack) -> tuple[str, str]:
    postgres = stack.postgres
    shop, warehouse = postgres.create_database("shop"), postgres.create_database("warehouse")
    for statement in SHOP.strip().split("\n"):
        postgres.execute(statement, database="shop")
    postgres.execute("CREATE ROLE cdc LOGIN PASSWORD 'secret'")
    postgres.execute("CREATE ROLE app LOGIN PASSWORD 'app-secret'")
    postgres.execute("ALTER DATABASE warehouse OWNER TO app")
    return shop, warehouse


def _first_words(page: Page) -> None:
    page.say(REPLACED)
    page.say(
        "The way is that of [a role that owns nothing](../how-to/restricted-role.md) and of "
        "[a secured cluster](../how-to/secured-kafka.md)."
    )
    page.say(
        "What there is: a Postgres with TLS, whose administrator gave us the role `cdc`, which may log in and nothing "
        "else; a Kafka cluster with TLS, SCRAM and ACLs, whose platform team gave us the user `cdc` without a right; "
        "a warehouse database of our own. 5,000 orders and 800 customers are in the shop."
    )


def _database(page: Page, shop: str) -> None:
    page.say("## The database")
    page.say("The first look, with the password and nothing else; `verify-full` wants the company's authority too:")
    page.export(SHOP_PASSWORD="secret")
    peek = "connect peek 'postgresql://cdc:${env:SHOP_PASSWORD}@db.example:5432/shop?sslmode=verify-full"
    page.run(f"{peek}' --table public.orders", code=1)
    page.run(f"{peek}&sslrootcert={CA}' --table public.orders", code=1)
    page.say("We are in, and may not replicate. What is there can be listed without any right on the tables:")
    page.run(
        f"connect init '{URL.replace('cdc@', 'cdc:${env:SHOP_PASSWORD}@')}' --kafka kafka.example:9093 -o first.yaml"
    )
    page.run("cat first.yaml")
    page.say("That, with the log-in of Kafka, a publication that somebody else makes, and a sink:")
    page.write("shop.yaml", FILE)
    page.export(KAFKA_PASSWORD="kafka-secret", WAREHOUSE_PASSWORD="app-secret")
    page.run("connect validate shop.yaml")
    said = page.run("connect doctor shop.yaml", code=1, lines=60)
    for problem in ("lacks REPLICATION", "no SELECT on the table", "publication_missing", "kafka_permission"):
        page.expect(problem in said, f"doctor says {problem}")
    page.say("The same for the administrator, as a script:")
    script = page.run("connect doctor --sql shop.yaml", code=1)
    page.say(
        "The administrator reads it and keeps `max_slot_wal_keep_size` for the next maintenance: a warning may be "
        "left out. The rest is run as it stands."
    )
    kept = "\n".join(line for line in script.splitlines() if not line.startswith(("ALTER SYSTEM", "--")))
    page.sql(shop, kept)
    said = page.run("connect doctor shop.yaml", code=1, lines=60)
    left = [line for line in said.splitlines() if line.startswith("problem")]
    page.expect(bool(left) and all(line.startswith("problem kafka") for line in left), "the database is ready")


def _cluster(page: Page, platform: PlatformTeam) -> None:
    page.say("## The cluster")
    page.say("What is left are rights on the cluster. Whoever starts the worker all the same is told by the worker:")
    said = page.run("connect run shop.yaml", code=1)
    page.expect("kafka_permission" in said, "the right is named")
    page.run("connect explain kafka_permission")
    page.say("What the platform team has to grant:")
    page.run("connect plan --acls shop.yaml", code=1, lines=60)
    page.say(
        "It ends with 1, since not everything could be asked yet. The platform team grants it; here that is done "
        "through Kafka's admin API from the same list, `connect plan --acls --json shop.yaml`."
    )
    granted = platform.grant_plan("cdc", page.quietly("connect plan --acls --json shop.yaml"))
    page.say(f"{granted} rights are granted. Now both sides are ready:")
    page.run("connect doctor shop.yaml", lines=60)
    page.run("connect plan shop.yaml")


def _run(page: Page, shop: str, warehouse: str) -> None:
    page.say("## It runs")
    worker = page.start("connect run shop.yaml", "worker.log")
    worker.wait_for("shop ", "STREAMING")
    worker.wait_for("warehouse ", "LIVE")
    page.until("every order is there", lambda: value(warehouse, "SELECT count(*) FROM orders") == 5000)
    worker.show()
    page.run("connect status shop.yaml")
    page.run("connect topic show shop.public.orders shop.yaml --limit 3")
    page.say("The application goes on:")
    page.sql(shop, "UPDATE orders SET status = 'paid' WHERE id <= 1000;\nDELETE FROM orders WHERE id > 4990;")
    _equal(page, shop, warehouse)
    page.say("## kill -9")
    page.say("In the middle of the day, while the application writes:")
    page.sql(shop, "INSERT INTO orders (status, total) SELECT 'placed', n FROM generate_series(1, 500) n;")
    worker.kill()
    page.sql(shop, "UPDATE orders SET status = 'sent' WHERE id <= 700;")
    page.run("connect status shop.yaml", code=1)
    page.say("Nothing is running, and the slot keeps the log. The same command again:")
    worker = page.start("connect run shop.yaml", "worker.log")
    worker.wait_for("shop ", "STREAMING")
    worker.wait_for("warehouse ", "LIVE")
    _equal(page, shop, warehouse)
    worker.show()
    page.say("No snapshot, no repeat: it went on where the log had been read to. On both sides:")
    ends = ("the shop", shop), ("the warehouse", warehouse)
    page.expect(page.both("SELECT count(*) FROM orders", *ends) == 5490, "all orders")
    page.expect(page.both("SELECT count(*) FROM orders WHERE status = 'sent'", *ends) == 700, "all that were sent")
    worker.stop()


def _equal(page: Page, shop: str, warehouse: str) -> None:
    """Wait until both databases hold the same rows."""
    for table, columns in (("orders", "id, status, total"), ("customers", "id, name, email")):
        query = f"SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM (SELECT {columns} FROM {table}) t"
        page.until(f"{table} are equal", lambda query=query: value(shop, query) == value(warehouse, query))
