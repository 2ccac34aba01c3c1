"""What people do to a file after its first day: rename a source, split it, move it, edit it while the worker runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing

import pytest

from connect.config.load import load_config
from connect.demo.worker import Worker
from connect.errors import ConfigError, Failed
from connect.kafka.positions import VERSION, VERSION_NOTE, PositionStore
from connect.kafka.producer import TransactionalProducer
from connect.runtime import control
from connect.runtime.plan import make_plan
from connect.runtime.rename import rename_source
from connectors.postgres.config import default_name

ROWS = "SELECT id, name FROM orders ORDER BY id"


@pytest.fixture
def begun(chain):
    """Fifty orders that source ``s`` has read and streams on from."""
    chain.sql("CREATE TABLE orders (id int PRIMARY KEY, name text)")
    chain.sql("INSERT INTO orders SELECT i, 'n' || i FROM generate_series(1, 50) i")
    chain.start()
    chain.streaming()
    chain.caught_up()
    chain.stop()
    return chain


def write(chain):
    """The file as it is now, loaded."""
    path = chain.folder / "chain.yaml"
    path.write_text(json.dumps(chain.config))
    return load_config([path])


def rename_entry(chain, old="s", new="t"):
    """As an operator would: the entry's name, and what its old name named."""
    kept = default_name(chain.group, "s")
    chain.config["sources"][new] = {**chain.config["sources"].pop(old), "slot": kept, "publication": kept}
    return write(chain)


def position(chain, name):
    found = None
    for message in chain.messages(f"{chain.group}.{name}.positions"):
        if message.key() == b"position":
            found = message.value()
    return found


def streams(chain, connector):
    chain.wait(f"{connector} streams", lambda: chain.state(connector) == "STREAMING")


def says(chain, words, *, connector="s"):
    """That a connector is FAILED with a code, and with a message that begins so."""
    told = chain.failed(connector)
    assert f"{told['code']}: {told['message']}".startswith(words)
    return told


def orders_arrive(chain, how_many):
    chain.wait("the orders are in the topic", lambda: len(chain.folded("orders")) == how_many)


# --- rename --------------------------------------------------------------------------------------------------------


def test_a_renamed_source_keeps_slot_position_and_topics(begun):
    chain = begun
    chain.sql("INSERT INTO orders VALUES (51, 'meanwhile')")
    config = rename_entry(chain)
    assert len(rename_source(config, "s", "t")) == 1
    assert make_plan(config).all_changes() == []  # names that are spelt out now are no change
    chain.start()
    streams(chain, "t")
    chain.sql("UPDATE orders SET name = 'after' WHERE id = 51")
    chain.wait("the change is in the topic", lambda: ("u", 51, "after") in chain.ops("orders", "name"))
    ops = chain.ops("orders", "name")
    assert sum(op == "r" for op, *_ in ops) == 50
    assert ops.count(("c", 51, "meanwhile")) == 1
    slots = "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"
    assert chain.sql(slots) == [(default_name(chain.group, "s"),)]
    assert "belongs to no source" not in chain.log.read_text()


def test_a_rename_that_is_killed_anywhere_is_whole_or_not_and_is_finished_by_the_next(begun):
    chain = begun
    at, names = position(chain, "s"), ["s", "t"]
    for failpoint in ("rename.after_fence", "rename.before_commit", "rename.after_commit"):
        old, new = names
        rename_entry(chain, old, new)
        command = [sys.executable, "-m", "connect", "rename", "source", old, new, str(chain.folder / "chain.yaml")]
        killed = subprocess.run(command, env={**os.environ, "CONNECT_FAILPOINT": f"{failpoint}:exit"}, check=False)
        assert killed.returncode == 137
        assert subprocess.run(command, check=False).returncode == 0
        assert (position(chain, old), position(chain, new)) == (None, at), failpoint
        names.reverse()


def test_a_rename_that_would_mean_another_slot_or_other_topics_is_refused_and_changes_nothing(begun):
    chain = begun
    kept = chain.config["sources"].pop("s")
    chain.config["sources"]["t"] = {**kept, "topic_prefix": "t"}
    with pytest.raises(Failed) as caught:
        rename_source(write(chain), "s", "t")
    assert caught.value.code == "rename_names"
    slot = default_name(chain.group, "s")
    with pytest.raises(Failed) as misspelt:
        rename_source(write(chain), "nobody", "t")
    assert misspelt.value.code == "rename_nothing"  # and no lines that would make it worse
    assert caught.value.hint.splitlines()[1:] == [
        f"topic_prefix: {chain.prefix}",
        f"slot: {slot}",
        f"publication: {slot}",
    ]  # one error has every line
    chain.config["sources"] = {"s": {**kept, "topic_prefix": "other"}}
    with pytest.raises(Failed) as caught:
        rename_source(rename_entry(chain), "s", "t")
    assert caught.value.code == "rename_topics"
    assert f"topic_prefix: {chain.prefix}" in caught.value.hint
    chain.config["sources"]["t"]["topic_prefix"] = chain.prefix
    chain.config["sources"]["s"] = {**kept, "topic_prefix": "other"}
    with pytest.raises(ConfigError, match="still has the source 's'"):
        rename_source(write(chain), "s", "t")
    assert position(chain, "s") is not None
    assert not chain.topics.describe([f"{chain.group}.t.positions"]) or position(chain, "t") is None


def test_a_source_whose_entry_was_renamed_without_the_command_stops_and_names_it(begun):
    chain = begun
    chain.config["sources"]["t"] = chain.config["sources"].pop("s")
    chain.start()
    told = says(chain, "looks_renamed: t looks renamed from s", connector="t")
    assert "connect rename source s t FILE keeps its position" in told["message"]


def test_a_worker_that_still_has_the_old_name_stops(begun):
    chain = begun
    entry = dict(chain.config["sources"]["s"])
    rename_source(rename_entry(chain), "s", "t")
    chain.config["sources"] = {"s": entry}
    chain.start()
    says(chain, "source_renamed: s was renamed to t")


# --- upgrade -------------------------------------------------------------------------------------------------------


def test_a_worker_notes_the_version_of_what_it_stores_and_one_that_is_older_than_that_refuses(begun):
    chain = begun
    assert chain.notes()[VERSION_NOTE] == {"version": VERSION}
    store = PositionStore(chain.kafka, chain.topics, chain.group, "s")
    at, _ = store.read()
    with closing(TransactionalProducer(chain.kafka, f"{chain.group}-s-0")) as newer:
        newer.fence()
        newer.begin()
        store.send(newer, at, {VERSION_NOTE: {"version": VERSION + 1}})
        newer.commit()
    stored = len(chain.messages(store.topic))  # not its end: a commit's marker may come after the commit returned
    chain.sql("INSERT INTO orders VALUES (51, 'later')")
    chain.start()
    says(chain, f"state_is_newer: topic {store.topic} has version {VERSION + 1}")
    assert len(chain.messages(store.topic)) == stored
    assert len(chain.folded("orders")) == 50


# --- split, move, edit ---------------------------------------------------------------------------------------------


def test_a_file_that_is_split_in_two_goes_on_in_two_workers_of_one_name(chain):
    warehouse = chain.warehouse()
    chain.sql("CREATE TABLE orders (id int PRIMARY KEY, name text)")
    chain.sql("INSERT INTO orders SELECT i, 'n' || i FROM generate_series(1, 50) i")
    chain.start()
    chain.caught_up()
    chain.stop()
    files = [chain.folder / "source.yaml", chain.folder / "sink.yaml"]
    for file, without in zip(files, ("sinks", "sources"), strict=True):
        file.write_text(json.dumps({key: value for key, value in chain.config.items() if key != without}))
    workers = [Worker(file, chain.group, {}, file.with_suffix(".log")) for file in files]
    try:
        for worker in workers:
            worker.start()
        chain.sql("INSERT INTO orders VALUES (51, 'split')")
        chain.wait("the row is in the target", lambda: chain.rows(warehouse, ROWS) == chain.sql(ROWS))
        assert not any("STANDBY" in file.with_suffix(".log").read_text() for file in files)
    finally:
        for worker in workers:
            worker.stop()
    assert [op for op, *_ in chain.ops("orders")] == ["r"] * 50 + ["c"]


def test_another_machine_goes_on_with_the_file_alone(begun, monkeypatch, tmp_path):
    chain = begun
    elsewhere = tmp_path / "elsewhere"
    for variable in ("CONNECT_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(elsewhere))
    chain.start()
    chain.sql("INSERT INTO orders VALUES (51, 'moved')")
    orders_arrive(chain, 51)
    assert [op for op, *_ in chain.ops("orders")] == ["r"] * 50 + ["c"]


def test_a_connector_that_leaves_the_file_while_the_worker_runs_goes_on_until_it_starts_anew(begun):
    chain = begun
    chain.start()
    streams(chain, "s")
    entry = chain.config["sources"].pop("s")
    chain.config["sources"]["t"] = entry
    write(chain)
    chain.sql("INSERT INTO orders VALUES (51, 'still')")
    orders_arrive(chain, 51)
    control.ask(chain.worker.pid, {"command": "restart", "connector": "s"})
    says(chain, "connector_gone: s was started anew")


def test_a_table_that_is_named_while_the_worker_runs_is_captured_when_the_source_starts_anew(chain):
    for table in ("orders", "people"):
        chain.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, name text)")
        chain.sql(f"INSERT INTO {table} VALUES (1, 'first')")
    chain.tables.clear()
    chain.tables["public.orders"] = {}
    chain.start()
    chain.streaming()
    chain.tables["public.people"] = {}
    write(chain)
    assert not chain.records(chain.topic("people"))
    subprocess.run([sys.executable, "-m", "connect", "restart", "s", str(chain.folder / "chain.yaml")], check=True)
    chain.wait("the table is in its topic", lambda: chain.ops("people", "name") == [("r", 1, "first")])
