"""Changes of every kind through the whole chain: each ends in the targets as it is at the source."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.stack


def test_F43_truncate_deletes_every_key_and_empties_both_targets(chain):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.sql("INSERT INTO items SELECT n, 'v' || n FROM generate_series(1, 20) n")
    chain.tables["public.items"] = {"views": ["state", "events"], "partitions": 2}
    warehouse, search = chain.warehouse(), chain.search()
    chain.config["sinks"]["warehouse"]["topics"] = [chain.topic("items")]
    chain.start()
    chain.streaming()
    chain.transaction(
        "INSERT INTO items VALUES (99, 'before')", "TRUNCATE items", "INSERT INTO items VALUES (7, 'new')"
    )
    chain.wait("the row after the TRUNCATE is there", lambda: ("c", 7, "new") in chain.ops("items", "v"))
    chain.wait("the table has it alone", lambda: chain.rows(warehouse, "SELECT * FROM items") == [(7, "new")])
    chain.wait("the index too", lambda: chain.documents(f"{search}items") == [{"id": 7, "v": "new"}])

    assert chain.folded("items") == {(7,): {"id": 7, "v": "new"}}
    assert [op for op in chain.ops("items", view=".events") if op[0] == "t"] == [("t",)]


def test_F43_the_event_view_empties_a_target_by_its_own_record(chain):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.tables["public.items"] = {"views": ["events"]}
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO items SELECT n, 'v' FROM generate_series(1, 9) n")
    chain.sql("TRUNCATE items")
    chain.sql("INSERT INTO items VALUES (5, 'after')")
    chain.caught_up()

    assert chain.rows(warehouse, "SELECT id, v FROM items") == [(5, "after")]


def test_F30_a_partitioned_table_is_one_table_whatever_moves_between_partitions(chain):
    chain.sql("CREATE TABLE sales (id int, region text, v int, PRIMARY KEY (id, region)) PARTITION BY LIST (region)")
    for region in ("eu", "us"):
        chain.sql(f"CREATE TABLE sales_{region} PARTITION OF sales FOR VALUES IN ('{region}')")
    chain.sql("INSERT INTO sales SELECT n, (ARRAY['eu', 'us'])[n % 2 + 1], 0 FROM generate_series(1, 10) n")
    chain.config["sources"]["s"]["tables"] = {"public.sales": {}}
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("UPDATE sales SET region = 'us', v = 1 WHERE id = 2")
    chain.sql("CREATE TABLE sales_asia PARTITION OF sales FOR VALUES IN ('asia')")
    chain.sql("INSERT INTO sales VALUES (11, 'asia', 3)")
    chain.sql("DELETE FROM sales WHERE id = 3")
    chain.caught_up()

    query = "SELECT id, region, v FROM sales ORDER BY id"
    assert chain.topic_names() == [chain.topic("sales")]
    assert chain.rows(warehouse, query) == chain.sql(query)


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX other"])
def test_a_replica_identity_of_any_kind_carries_updates_deletes_and_key_changes(chain, identity):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, code text NOT NULL, v text)")
    chain.sql("CREATE UNIQUE INDEX other ON items (code)")
    chain.sql(f"ALTER TABLE items REPLICA IDENTITY {identity}")
    chain.sql("INSERT INTO items SELECT n, 'c' || n, 'old' FROM generate_series(1, 6) n")
    key = ["code"] if identity.endswith("other") else ["id"]
    chain.tables["public.items"] = {"key": key}
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("UPDATE items SET v = 'new' WHERE id = 1")
    chain.sql("UPDATE items SET code = 'moved' WHERE id = 2")
    chain.sql("UPDATE items SET id = 33 WHERE id = 3")
    chain.sql("DELETE FROM items WHERE id = 4")
    chain.caught_up()

    query = "SELECT id, code, v FROM items ORDER BY id"
    assert chain.rows(warehouse, query) == chain.sql(query)


def test_F21_a_table_without_a_replica_identity_keeps_its_updates_and_only_gains_rows(chain):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.sql("ALTER TABLE items REPLICA IDENTITY NOTHING")
    chain.sql("CREATE TABLE log (what text)")
    chain.sql("INSERT INTO log VALUES ('first')")
    chain.config["sources"]["s"]["tables"] = {"public.log": {}}
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO log VALUES ('second')")
    chain.sql("UPDATE log SET what = 'changed' WHERE what = 'first'")
    chain.sql("UPDATE items SET v = 'x'")
    chain.caught_up()

    assert chain.rows(warehouse, "SELECT what FROM log ORDER BY 1") == [("first",), ("second",)]


def test_F41_generated_columns_are_the_same_by_snapshot_and_stream(chain):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED)")
    chain.sql("INSERT INTO items VALUES (1, 10)")
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO items VALUES (2, 20)")
    chain.sql("UPDATE items SET v = 11 WHERE id = 1")
    chain.caught_up()
    columns = {frozenset(record.after) for record in chain.records(chain.topic("items")) if record.after}

    assert len(columns) == 1
    names = ", ".join(sorted(columns.pop()))
    assert chain.rows(warehouse, f"SELECT {names} FROM items ORDER BY id") == chain.sql(
        f"SELECT {names} FROM items ORDER BY id"
    )


def test_F27_alter_table_in_the_middle_of_a_transaction_reaches_the_target(chain):
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text, gone text)")
    chain.sql("INSERT INTO items VALUES (1, 'a', 'g')")
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.transaction(
        "INSERT INTO items VALUES (2, 'b', 'g')",
        "ALTER TABLE items ADD COLUMN extra int DEFAULT 7",
        "INSERT INTO items VALUES (3, 'c', 'g', 8)",
        "ALTER TABLE items DROP COLUMN gone",
        "UPDATE items SET v = 'd' WHERE id = 1",
        "ALTER TABLE items RENAME COLUMN v TO title",
        "INSERT INTO items VALUES (4, 'e', 9)",
    )
    chain.caught_up()

    state = {key[0]: row for key, row in chain.folded("items").items()}
    assert state[2]["v"] == "b"
    assert state[3]["extra"] == 8
    assert state[4]["title"] == "e"
    assert chain.rows(warehouse, "SELECT id, title, extra FROM items WHERE id = 4") == [(4, "e", 9)]
    assert chain.rows(warehouse, "SELECT id, v, extra FROM items WHERE id IN (1, 3) ORDER BY 1") == [
        (1, "d", 7),
        (3, "c", 8),
    ]
