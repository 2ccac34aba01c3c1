"""What a table's options promise, from the file to the targets."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.stack
CANARY = "canary-7f3a91"


def make_items(chain) -> None:
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, v text)")
    chain.sql("INSERT INTO items VALUES (1, 'a')")


def test_new_columns_hold_keeps_the_shape_until_the_file_says_otherwise(chain):
    make_items(chain)
    chain.tables["public.items"] = {"new_columns": "hold"}
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    chain.sql("ALTER TABLE items ADD COLUMN secret text")
    chain.sql("INSERT INTO items VALUES (2, 'b', 'held back')")
    chain.caught_up()
    chain.kill()
    chain.sql("INSERT INTO items VALUES (3, 'c', 'held back too')")
    chain.start()
    chain.caught_up()

    assert [set(row) for row in chain.folded("items").values()] == [{"id", "v"}] * 3
    assert chain.rows(warehouse, "SELECT * FROM items ORDER BY id") == [(1, "a"), (2, "b"), (3, "c")]


def test_new_columns_fail_stops_at_the_first_row_that_has_one(chain):
    make_items(chain)
    chain.tables["public.items"] = {"new_columns": "fail"}
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO items VALUES (2, 'b')")
    chain.caught_up()
    chain.sql("ALTER TABLE items ADD COLUMN extra text")
    chain.sql("INSERT INTO items VALUES (3, 'c', 'x')")
    status = chain.failed()

    assert status["code"] == "columns_added"
    assert "extra" in status["message"]
    assert chain.folded("items").keys() == {(1,), (2,)}


def test_new_columns_fail_publishes_what_came_before_the_new_column(chain):
    make_items(chain)
    chain.tables["public.items"] = {"new_columns": "fail"}
    chain.start()
    chain.streaming()
    chain.kill()
    for statement in (
        "INSERT INTO items VALUES (2, 'b')",
        "INSERT INTO items VALUES (3, 'c')",
        "ALTER TABLE items ADD COLUMN extra text",
        "INSERT INTO items VALUES (4, 'd', 'x')",
    ):
        chain.sql(statement)
    chain.start()
    status = chain.failed()

    assert status["code"] == "columns_added"
    assert chain.folded("items").keys() == {(1,), (2,), (3,)}


def test_new_columns_publish_reaches_the_targets(chain):
    make_items(chain)
    warehouse, search = chain.warehouse(), chain.search()
    chain.start()
    chain.streaming()
    chain.sql("ALTER TABLE items ADD COLUMN extra text")
    chain.sql("INSERT INTO items VALUES (2, 'b', 'x')")
    chain.caught_up()

    assert chain.rows(warehouse, "SELECT id, v, extra FROM items ORDER BY id") == [(1, "a", None), (2, "b", "x")]
    assert {"id": 2, "v": "b", "extra": "x"} in chain.documents(f"{search}items")


@pytest.mark.parametrize("wire", ["avro", "json"])
def test_flat_rows_fill_every_target(chain, wire):
    make_items(chain)
    if wire == "json":
        del chain.config["schema_registry"]
    chain.tables["public.items"] = {"value": "row"}
    warehouse, lite, search = chain.warehouse(), chain.sqlite(), chain.search()
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO items VALUES (2, 'b'), (3, 'c')")
    chain.sql("UPDATE items SET v = 'A', id = 10 WHERE id = 1")
    chain.sql("DELETE FROM items WHERE id = 2")
    chain.caught_up()

    expected = [(3, "c"), (10, "A")]
    assert chain.rows(warehouse, "SELECT id, v FROM items ORDER BY id") == expected
    assert sqlite_rows(lite, "SELECT id, v FROM items ORDER BY id") == expected
    assert sorted((d["id"], d["v"]) for d in chain.documents(f"{search}items")) == expected


def sqlite_rows(file, query):
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def test_both_views_tell_the_same_changes_in_the_same_order(chain):
    make_items(chain)
    chain.tables["public.items"] = {"views": ["state", "events"]}
    chain.start()
    chain.streaming()
    chain.sql("INSERT INTO items VALUES (2, 'b')")
    chain.sql("UPDATE items SET v = 'c' WHERE id = 2")
    chain.sql("UPDATE items SET id = 3 WHERE id = 2")
    chain.sql("DELETE FROM items WHERE id = 1")
    chain.caught_up()
    state, events = chain.ops("items"), chain.ops("items", view=".events")

    assert [op for op in state if op[0] != "-"] == [op for op in events if op[0] != "-"]
    assert [op for op in state if op[0] == "-"] == [("-", 2), ("-", 1)]
    assert events[-1] == ("d", 1)


@pytest.mark.parametrize("kind", ["hash", "nullify", {"fixed": "hidden"}])
@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_F163_a_masked_value_is_in_no_topic_and_no_log(chain, kind, identity):
    chain.sql("CREATE TABLE people (id int PRIMARY KEY, email text, v int)")
    chain.sql(f"ALTER TABLE people REPLICA IDENTITY {identity}")
    chain.sql(f"INSERT INTO people VALUES (1, '{CANARY}', 0)")
    chain.config["mask_key"] = "0123456789abcdef0123456789abcdef"
    chain.tables["public.people"] = {"mask": {"email": kind}, "views": ["state", "events"]}
    warehouse = chain.warehouse()
    chain.config["sinks"]["warehouse"]["topics"] = [chain.topic("people")]
    chain.start()
    chain.streaming()
    chain.sql(f"INSERT INTO people VALUES (2, '{CANARY}', 0)")
    chain.sql("UPDATE people SET v = 1")
    chain.sql("DELETE FROM people WHERE id = 2")
    chain.caught_up()
    chain.stop()

    assert CANARY.encode() not in everything(chain)
    assert CANARY not in chain.log.read_text()
    assert chain.rows(warehouse, "SELECT count(*) FROM people") == [(1,)]


def test_F163_a_masked_value_of_a_record_that_fails_is_in_no_dead_letter(chain):
    chain.sql("CREATE TABLE people (id int PRIMARY KEY, email text, v text)")
    chain.config["mask_key"] = "0123456789abcdef0123456789abcdef"
    chain.tables["public.people"] = {"mask": {"email": "hash"}}
    warehouse = chain.warehouse()
    chain.config["sinks"]["warehouse"]["on_error"] = "dead_letter"
    chain.rows(warehouse, "SELECT 1")
    with_check = "CREATE TABLE people (id integer PRIMARY KEY, email text, v text CHECK (v <> 'poison'))"
    execute(warehouse, with_check)
    chain.start()
    chain.streaming()
    chain.sql(f"INSERT INTO people VALUES (1, '{CANARY}', 'good'), (2, '{CANARY}', 'poison'), (3, '{CANARY}', 'good')")
    chain.wait("a dead letter was written", lambda: chain.status("warehouse").get("dead_letters") == 1)
    chain.wait("the others are there", lambda: len(chain.rows(warehouse, "SELECT id FROM people")) == 2)
    chain.stop()

    assert len(chain.messages(f"{chain.group}.warehouse.dead")) == 1
    assert CANARY.encode() not in everything(chain)
    assert CANARY not in chain.log.read_text()


def execute(url, statement):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def everything(chain) -> bytes:
    """Keys and values of every record of every topic of the worker."""
    names = [name for name in chain.topics.names() if name.startswith(chain.group)]
    assert f"{chain.group}.s.positions" in names
    found = bytearray()
    for name in names:
        for message in chain.messages(name):
            found += (message.key() or b"") + b"\n" + (message.value() or b"") + b"\n"
            found += json.dumps([[k, v.decode(errors="replace")] for k, v in message.headers() or []]).encode()
    return bytes(found)


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_a_row_that_stops_matching_a_filter_leaves_as_a_delete(chain, identity):
    chain.sql("CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL)")
    chain.sql(f"ALTER TABLE orders REPLICA IDENTITY {identity}")
    chain.sql("INSERT INTO orders VALUES (1, 'open'), (2, 'draft'), (3, 'open')")
    chain.config["sources"]["s"]["transforms"] = [
        {"filter": {"tables": ["public.orders"], "column": "status", "not_in": ["draft"]}}
    ]
    warehouse, search = chain.warehouse(), chain.search()
    chain.start()
    chain.streaming()
    chain.sql("UPDATE orders SET status = 'draft' WHERE id = 1")
    chain.sql("UPDATE orders SET status = 'open' WHERE id = 2")
    chain.sql("UPDATE orders SET id = 4, status = 'draft' WHERE id = 3")
    chain.sql("INSERT INTO orders VALUES (5, 'draft')")
    chain.caught_up()

    assert chain.folded("orders") == {(2,): {"id": 2, "status": "open"}}
    assert chain.rows(warehouse, "SELECT id FROM orders") == [(2,)]
    assert [document["id"] for document in chain.documents(f"{search}orders")] == [2]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"views": ["events"]}, {"views": ["state", "events"]}, "no state view until now"),
        ({}, {"value": "row"}, "value: envelope"),
        ({}, {"topic_prefix": "elsewhere"}, "would go on in elsewhere.public.items"),
    ],
    ids=["view", "form", "topic"],
)
def test_what_the_topics_rest_on_is_not_changed_under_them(chain, before, after, why):
    make_items(chain)
    chain.tables["public.items"] = before
    chain.start()
    chain.streaming()
    chain.caught_up()
    chain.stop()
    chain.sql("INSERT INTO items VALUES (2, 'b')")

    prefix = chain.config["sources"]["s"]["topic_prefix"]
    chain.config["sources"]["s"]["topic_prefix"] = after.get("topic_prefix", prefix)
    chain.tables["public.items"] = {name: value for name, value in after.items() if name != "topic_prefix"}
    chain.start()
    status = chain.failed()
    assert status["code"] == "identity_changed"
    assert why in status["message"]
    assert chain.topics.describe(["elsewhere.public.items"]) == {}
    chain.stop()

    chain.config["sources"]["s"]["topic_prefix"] = prefix
    chain.tables["public.items"] = before
    chain.start()
    chain.caught_up()
    view = ".events" if before else ""
    assert chain.ops("items", view=view) == [("r", 1), ("c", 2)]


def test_a_mask_that_comes_later_is_told_with_what_older_records_hold(chain):
    make_items(chain)
    chain.tables["public.items"] = {}
    chain.start()
    chain.streaming()
    chain.stop()
    chain.tables["public.items"] = {"mask": {"v": "nullify"}}
    chain.start()
    chain.streaming()
    assert (
        f"v is masked from now on; older records of {chain.topic('items')} hold clear values" in chain.log.read_text()
    )


def test_F163_a_masked_column_that_is_dropped_or_renamed_never_passes_in_clear(chain):
    chain.sql("CREATE TABLE people (id int PRIMARY KEY, email text)")
    chain.sql("CREATE TABLE items (id int PRIMARY KEY, email text)")
    chain.sql("CREATE TABLE others (id int PRIMARY KEY, email text)")
    chain.config["mask_key"] = "0123456789abcdef"
    chain.config["sources"]["s"]["defaults"] = {"mask": {"email": "hash"}}
    chain.start()
    chain.streaming()
    chain.kill()
    chain.sql(f"INSERT INTO people VALUES (1, '{CANARY}')")
    chain.sql("ALTER TABLE people DROP COLUMN email")
    chain.start()
    chain.wait("the row from before the drop came", lambda: len(chain.folded("people")) == 1)

    chain.sql("ALTER TABLE items RENAME COLUMN email TO mail")
    chain.sql(f"INSERT INTO items VALUES (1, '{CANARY}')")
    assert chain.failed()["code"] == "mask_column_gone"
    chain.stop()
    chain.start()
    assert chain.failed()["code"] == "mask_column_gone"  # a start does not make it right
    chain.stop()

    chain.tables["public.items"] = {"mask": {"mail": "hash"}}
    chain.start()
    chain.wait("the row after the rename came", lambda: len(chain.folded("items")) == 1)
    written = [m.value() or b"" for table in ("people", "items") for m in chain.messages(chain.topic(table))]
    assert len(written) == 2
    assert not any(CANARY.encode() in value for value in written)
    assert CANARY not in chain.log.read_text()
