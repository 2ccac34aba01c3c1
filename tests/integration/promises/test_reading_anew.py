"""A table that was out of sight for a while is read anew, and what it lost meanwhile leaves topics and targets (N8)."""

from collections import Counter

import psycopg
import pytest

from connect.config.load import load_config
from connect.errors import Failed
from connect.runtime.maintenance import read_again, rebuild_sink, remove_source

ROWS = "SELECT id, name FROM {} ORDER BY id"


def two_tables(chain):
    for table in ("orders", "people"):
        chain.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, name text)")
        chain.sql(f"INSERT INTO {table} SELECT i, 'n' || i FROM generate_series(1, 50) i")
    chain.tables.clear()
    chain.tables.update({"public.orders": {}, "public.people": {}})
    return chain.warehouse()


def run_once(chain):
    chain.start()
    chain.streaming()
    chain.caught_up()
    chain.stop()


def out_of_sight(chain):
    chain.sql("UPDATE people SET name = 'meanwhile' WHERE id = 30")
    chain.sql("DELETE FROM people WHERE id = 31")
    chain.sql("INSERT INTO people VALUES (902, 'new')")


def test_N8_a_table_left_out_and_named_again_is_read_anew_and_ends_equal(chain):
    warehouse = two_tables(chain)
    run_once(chain)
    del chain.tables["public.people"]
    run_once(chain)
    out_of_sight(chain)
    chain.tables["public.people"] = {}
    run_once(chain)
    assert chain.rows(warehouse, ROWS.format("people")) == chain.sql(ROWS.format("people"))
    assert {key[0] for key in chain.folded("people")} == {key for key, _ in chain.sql(ROWS.format("people"))}


def test_N8_a_kill_before_what_is_gone_is_deleted_leaves_it_to_the_next_start(chain):
    warehouse = two_tables(chain)
    run_once(chain)
    del chain.tables["public.people"]
    run_once(chain)
    out_of_sight(chain)
    chain.tables["public.people"] = {}
    chain.start({"CONNECT_FAILPOINT": "snapshot.before_sweep:exit"})
    chain.wait("every row is read", lambda: chain.notes().get("snapshot:public.people", {}).get("rows") == 50)
    chain.kill()
    assert not chain.notes()["snapshot:public.people"]["done"]
    run_once(chain)
    assert chain.rows(warehouse, ROWS.format("people")) == chain.sql(ROWS.format("people"))
    read_twice = Counter(key for op, key in chain.ops("people") if op == "r")
    assert set(read_twice.values()) == {1, 2}  # once in each run


def test_N8_a_source_that_was_removed_and_starts_anew_ends_equal(chain):
    warehouse = two_tables(chain)
    run_once(chain)
    remove_source(load_config([chain.folder / "chain.yaml"]), "s")
    out_of_sight(chain)
    chain.sql("DELETE FROM orders")
    run_once(chain)
    for table in ("people", "orders"):
        assert chain.rows(warehouse, ROWS.format(table)) == chain.sql(ROWS.format(table))


def test_a_run_that_met_every_key_deletes_nothing(chain):
    two_tables(chain)
    run_once(chain)
    remove_source(load_config([chain.folder / "chain.yaml"]), "s")
    run_once(chain)
    assert {op for op, *_ in chain.ops("people")} == {"r"}


def test_a_table_is_read_again_at_an_operators_word_while_the_worker_runs(chain):
    warehouse = two_tables(chain)
    chain.start()
    chain.streaming()
    chain.caught_up()
    with psycopg.connect(warehouse, autocommit=True) as damaged:
        damaged.execute("DELETE FROM people WHERE id < 10")

    done = read_again(load_config([chain.folder / "chain.yaml"]), "s", ["public.people"])

    assert done == ["s reads public.people anew."]
    chain.wait("its next run is done", lambda: chain.notes()["snapshot:public.people"] | {"rows": 0} == DONE_AGAIN)
    chain.sql("UPDATE people SET name = 'later' WHERE id = 50")
    chain.caught_up()
    assert chain.rows(warehouse, ROWS.format("people")) == chain.sql(ROWS.format("people"))
    assert Counter(op for op, _ in chain.ops("people")) == {"r": 100, "u": 1}
    assert Counter(op for op, _ in chain.ops("orders")) == {"r": 50}


def test_N8_at_an_operators_word_keys_that_went_unlogged_leave_their_topic(chain):
    warehouse = two_tables(chain)
    chain.tables["public.orders"] = {"snapshot": {"where": "id > 5"}}
    chain.start()
    chain.streaming()
    chain.caught_up()
    chain.sql("UPDATE orders SET name = 'hidden' WHERE id = 1")
    [(publication,)] = chain.sql("SELECT pubname FROM pg_publication WHERE pubdelete")
    chain.sql(f"ALTER PUBLICATION {publication} SET (publish = 'insert, update, truncate')")
    chain.sql("DELETE FROM people WHERE id = 31")
    chain.sql(f"ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate')")
    chain.caught_up()

    read_again(load_config([chain.folder / "chain.yaml"]), "s", ["public.people", "public.orders"])
    chain.wait("its next run is done", lambda: chain.notes()["snapshot:public.people"] == DONE_AGAIN | {"rows": 49})
    chain.wait("and the other's", lambda: chain.notes()["snapshot:public.orders"]["done"])
    chain.caught_up()

    assert chain.rows(warehouse, ROWS.format("people")) == chain.sql(ROWS.format("people"))
    assert len(chain.folded("people")) == 49
    assert chain.folded("orders")[1,] == {"id": 1, "name": "hidden"}


DONE_AGAIN = {"run": 2, "after": ["50"], "rows": 0, "done": True}


def test_a_table_that_is_not_captured_or_has_no_key_is_not_read_again(chain):
    chain.sql("CREATE TABLE log (line text)")
    chain.sql("INSERT INTO log VALUES ('a')")
    run_once(chain)
    config = load_config([chain.folder / "chain.yaml"])
    for table, code in (("public.log", "keyless"), ("public.nothing", "table_missing")):
        with pytest.raises(Failed) as refused:
            read_again(config, "s", [table])
        assert refused.value.code == code
    chain.sql("INSERT INTO log VALUES ('b')")
    run_once(chain)
    assert [line for _, line in chain.ops("log", "line", view=".events")] == ["a", "b"]


def test_a_sink_is_rebuilt_while_the_worker_runs(chain):
    warehouse = two_tables(chain)
    chain.start()
    chain.streaming()
    chain.caught_up()
    with psycopg.connect(warehouse, autocommit=True) as damaged:
        damaged.execute("UPDATE people SET name = 'damaged'")

    rebuild_sink(load_config([chain.folder / "chain.yaml"]), "warehouse")

    rows = chain.sql(ROWS.format("people"))
    chain.wait("it is filled again", lambda: chain.rows(warehouse, ROWS.format("people")) == rows)
    chain.sql("UPDATE people SET name = 'later' WHERE id = 50")
    chain.caught_up()
    assert chain.rows(warehouse, ROWS.format("people")) == chain.sql(ROWS.format("people"))


def test_N8_a_kill_before_a_tables_turn_deletes_nothing_that_its_where_hides(chain):
    chain.sql("CREATE TABLE big (id int PRIMARY KEY)")
    chain.sql("INSERT INTO big SELECT generate_series(1, 12000)")
    chain.sql("CREATE TABLE entries (id int PRIMARY KEY, y int, v text)")
    chain.sql("INSERT INTO entries VALUES (1, 2020, 'old'), (2, 2024, 'new')")
    chain.config["sources"]["s"]["snapshot"] = {"max_rows_per_second": 2000}
    chain.tables.clear()
    chain.tables.update({"public.big": {}, "public.entries": {"snapshot": {"where": "y >= 2024"}}})
    chain.start()
    chain.wait("the first table is being read", lambda: chain.notes().get("snapshot:public.big", {}).get("rows"))
    chain.sql("UPDATE entries SET v = 'later' WHERE id = 1")
    chain.wait("the change came", lambda: chain.ops("entries", "v") == [("u", 1, "later")])
    assert not chain.notes()["snapshot:public.big"]["done"]
    chain.kill()
    chain.config["sources"]["s"]["snapshot"] = {}
    run_once(chain)
    assert chain.folded("entries") == {
        (1,): {"id": 1, "y": 2020, "v": "later"},
        (2,): {"id": 2, "y": 2024, "v": "new"},
    }


def test_N8_a_table_with_hidden_rows_is_not_read_anew_over_its_topic(chain):
    two_tables(chain)
    chain.tables["public.people"] = {"snapshot": {"where": "id > 10"}}
    run_once(chain)
    del chain.tables["public.people"]
    run_once(chain)
    chain.tables["public.people"] = {"snapshot": {"where": "id > 10"}}
    chain.start()
    assert chain.failed()["code"] == "where_hides"


def test_what_a_new_columns_default_computes_for_old_rows_comes_when_the_table_is_read_anew(chain):
    warehouse = two_tables(chain)
    run_once(chain)
    chain.sql("ALTER TABLE people ADD COLUMN tag text DEFAULT md5(clock_timestamp()::text)")
    chain.sql("INSERT INTO people (id, name) VALUES (51, 'new')")
    run_once(chain)
    assert chain.rows(warehouse, "SELECT id FROM people WHERE tag IS NOT NULL") == [(51,)]  # the log has no more

    done = read_again(load_config([chain.folder / "chain.yaml"]), "s", ["public.people"])
    assert done == ["No worker of yours runs s: its next start reads public.people anew."]
    run_once(chain)

    every = "SELECT id, tag FROM people ORDER BY id"
    assert chain.rows(warehouse, every) == chain.sql(every)
