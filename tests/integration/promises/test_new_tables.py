"""Tables that appear while the worker runs, and tables that a pattern names and the log does not carry."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from connectors.postgres.config import default_name

pytestmark = pytest.mark.stack


@pytest.fixture
def orders(chain):
    chain.sql("CREATE TABLE orders (id int PRIMARY KEY, v text)")
    chain.sql("INSERT INTO orders SELECT n, 'v' || n FROM generate_series(1, 20) n")
    return chain


def note(chain, table):
    return chain.status()["tables"].get(f"public.{table}", {}).get("note", "")


def test_a_table_that_appears_is_captured_without_a_restart_of_the_worker(orders):
    orders.start()
    orders.streaming()
    orders.sql("CREATE TABLE people (id int PRIMARY KEY, v text)")
    orders.sql("INSERT INTO people SELECT n, 'p' || n FROM generate_series(1, 30) n")
    orders.sql("UPDATE orders SET v = 'later' WHERE id = 1")
    orders.wait("the new table is read", lambda: len(orders.folded("people")) == 30)
    orders.sql("DELETE FROM people WHERE id = 1")

    orders.caught_up()
    assert len(orders.folded("people")) == 29
    assert [op for op, *_ in orders.ops("orders")] == ["r"] * 20 + ["u"]


def test_a_table_that_the_operators_publication_leaves_out_is_told_and_taken_up_when_it_is_added(orders):
    orders.sql("CREATE TABLE people (id int PRIMARY KEY, v text)")
    orders.sql("INSERT INTO people VALUES (1, 'p')")
    orders.sql("CREATE PUBLICATION theirs FOR TABLE orders")
    orders.config["sources"]["s"]["publication"] = {"name": "theirs", "manage": False}
    orders.start()
    orders.streaming()
    assert "NOT CAPTURED" in note(orders, "people")
    assert 'ALTER PUBLICATION "theirs" ADD TABLE "public"."people"' in note(orders, "people")
    assert "NOT CAPTURED" in orders.log.read_text()

    orders.sql("ALTER PUBLICATION theirs ADD TABLE people")
    orders.wait("it is read", lambda: len(orders.folded("people")) == 1)
    orders.wait("its note is gone", lambda: not note(orders, "people"))


def test_one_that_is_named_exactly_stops_the_source(orders):
    orders.sql("CREATE TABLE people (id int PRIMARY KEY, v text)")
    orders.sql("CREATE PUBLICATION theirs FOR TABLE orders")
    orders.config["sources"]["s"]["publication"] = {"name": "theirs", "manage": False}
    orders.tables["public.people"] = {}
    orders.start()
    assert orders.failed()["code"] == "not_published"


def test_a_new_table_of_another_role_is_not_captured_and_the_others_go_on(orders):
    """The worker's role owns the publication and the old table, and may read the new one."""
    role = orders.group.replace("-", "_")
    database = urlsplit(orders.url).path[1:]
    orders.sql(f"CREATE ROLE {role} LOGIN REPLICATION")
    orders.sql(f'GRANT CREATE ON DATABASE "{database}" TO {role}')
    orders.sql(f"ALTER TABLE orders OWNER TO {role}")
    parts = urlsplit(orders.url)
    own = f"{role}@{parts.netloc.rpartition('@')[2]}"
    orders.config["sources"]["s"]["url"] = urlunsplit(parts._replace(netloc=own))
    orders.start()
    orders.streaming()
    orders.stop()

    orders.sql("CREATE TABLE people (id int PRIMARY KEY, v text)")
    orders.sql(f"GRANT SELECT ON people TO {role}")
    orders.sql("UPDATE orders SET v = 'later' WHERE id = 1")
    orders.start()
    orders.streaming()
    orders.caught_up()
    assert "ADD TABLE" in note(orders, "people")
    assert default_name(orders.group, "s") in note(orders, "people")
    assert ("u", 1, "later") in orders.ops("orders", "v")
    orders.stop()
    orders.sql("ALTER TABLE orders OWNER TO CURRENT_USER")
    orders.sql(f"DROP OWNED BY {role}")
    orders.sql(f"DROP ROLE {role}")
