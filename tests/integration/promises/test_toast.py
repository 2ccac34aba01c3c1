"""Values that the log did not carry (F22, DESIGN §6): what a compacted topic ends in is always whole."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from connect.record import UNAVAILABLE

pytestmark = pytest.mark.stack

SCHEMA = "CREATE TABLE docs (id int PRIMARY KEY, body text, v int NOT NULL)"
# 1 MB that compression cannot make small, so that it is TOASTed out of line.
BODY = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 32768))"


def make_docs(chain, count: int) -> None:
    chain.sql(SCHEMA)
    for number in range(1, count + 1):
        chain.sql(f"INSERT INTO docs SELECT {number}, {BODY}, 0")


def source_rows(chain) -> list[tuple[Any, ...]]:
    return chain.sql("SELECT id, md5(body), v FROM docs ORDER BY id")


def folded_rows(chain) -> list[tuple[Any, ...]]:
    rows = sorted(chain.folded("docs").values(), key=lambda row: row["id"])
    assert [row for row in rows if UNAVAILABLE in row.values()] == []
    return [(row["id"], _md5(row["body"]), row["v"]) for row in rows]


def _md5(text: str | None) -> str | None:
    return None if text is None else hashlib.md5(text.encode()).hexdigest()


def compact(chain, topic: str) -> None:
    """Have the broker's cleaner run over a topic; returns when an offset of its old segment is gone."""
    settings = {
        "min.compaction.lag.ms": "0",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "60000",
    }
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
        ],
    )
    for future in chain.admin.incremental_alter_configs([resource]).values():
        future.result(20)
    before = len(chain.messages(topic))

    def cleaned() -> bool:
        chain.sql("UPDATE docs SET v = v + 1 WHERE id = 1")  # only a new record rolls the segment
        time.sleep(0.5)
        keys = [message.key() for message in chain.messages(topic)]
        return len(keys) < before

    chain.wait("the topic is compacted", cleaned, 120, 0.5)


def test_F22_after_compaction_sinks_rebuilt_from_the_first_offset_are_equal_to_the_source(chain):
    make_docs(chain, 6)
    chain.start()
    chain.streaming()
    for version in range(1, 4):
        chain.sql(f"UPDATE docs SET v = {version}")
    chain.caught_up()
    compact(chain, chain.topic("docs"))
    chain.caught_up()
    chain.stop()
    warehouse, search = chain.warehouse(), chain.search()
    chain.start()
    chain.caught_up()

    assert folded_rows(chain) == source_rows(chain)
    assert chain.rows(warehouse, "SELECT id, md5(body), v FROM docs ORDER BY id") == source_rows(chain)
    documents = sorted(chain.documents(f"{search}docs"), key=lambda document: document["id"])
    assert [(d["id"], _md5(d["body"]), d["v"]) for d in documents] == source_rows(chain)


def test_F22_a_kill_before_the_key_is_read_again_leaves_its_note(chain):
    make_docs(chain, 2)
    warehouse = chain.warehouse()
    chain.start()
    chain.caught_up()
    chain.stop()
    chain.sql("UPDATE docs SET v = 5 WHERE id = 1")
    # After the commit with the lacking row and the note; each start commits its first batch, then dies.
    chain.start({"CONNECT_FAILPOINT": "snapshot.after_chunk:exit"})
    chain.wait("the note is stored", chain.lacking)
    chain.wait("it died there", lambda: chain.worker.status().get("s", {}).get("restarts"))
    assert len(chain.lacking()) == 1
    chain.kill()
    chain.start()
    chain.caught_up()

    assert chain.lacking() == []
    assert folded_rows(chain) == source_rows(chain)
    assert chain.rows(warehouse, "SELECT id, md5(body), v FROM docs ORDER BY id") == source_rows(chain)


def test_F22_a_key_that_changes_or_goes_while_it_is_pending_is_right_in_the_end(chain):
    make_docs(chain, 5)
    warehouse = chain.warehouse()
    chain.start()
    chain.caught_up()
    chain.stop()
    chain.sql("UPDATE docs SET v = 1 WHERE id = 1")
    chain.sql("DELETE FROM docs WHERE id = 1")
    chain.sql("UPDATE docs SET v = 1 WHERE id = 2")
    chain.sql("UPDATE docs SET id = 20 WHERE id = 2")
    chain.sql("UPDATE docs SET id = 30, v = 7 WHERE id = 3")
    chain.transaction("UPDATE docs SET v = 1 WHERE id = 4", "DELETE FROM docs WHERE id = 4")
    chain.sql("INSERT INTO docs VALUES (4, 'short', 9)")
    chain.sql("UPDATE docs SET v = 1 WHERE id = 5")
    chain.sql("UPDATE docs SET body = NULL WHERE id = 5")
    chain.start()
    chain.caught_up()

    assert chain.lacking() == []
    assert folded_rows(chain) == source_rows(chain)
    assert chain.rows(warehouse, "SELECT id, md5(body), v FROM docs ORDER BY id") == source_rows(chain)


def test_F22_truncate_ends_the_wait_for_a_value(chain):
    make_docs(chain, 2)
    chain.start()
    chain.caught_up()
    chain.stop()
    chain.sql("UPDATE docs SET v = 1")
    chain.sql("TRUNCATE docs")
    chain.start()
    chain.caught_up()

    assert chain.lacking() == []
    assert chain.folded("docs") == {}


def test_F22_many_updates_of_few_keys_under_load_end_whole(chain):
    make_docs(chain, 4)
    warehouse = chain.warehouse()
    chain.start()
    chain.streaming()
    deadline, errors = time.monotonic() + 5, []

    def update(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with psycopg.connect(chain.url, autocommit=True) as connection:
                while time.monotonic() < deadline:
                    key, choice = chance.randrange(1, 5), chance.random()
                    if choice < 0.9:
                        connection.execute("UPDATE docs SET v = v + 1 WHERE id = %s", (key,))
                    elif choice < 0.95:
                        connection.execute(f"UPDATE docs SET body = {BODY}, v = v + 1 WHERE id = {key}")
                    else:
                        with connection.transaction():
                            connection.execute("UPDATE docs SET id = -id WHERE id = %s", (key,))
                            connection.execute("UPDATE docs SET id = -id WHERE id = %s", (-key,))
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=update, args=(seed,), name=f"updates-{seed}") for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain.caught_up()

    assert errors == []
    assert chain.lacking() == []
    assert folded_rows(chain) == source_rows(chain)
    assert chain.rows(warehouse, "SELECT id, md5(body), v FROM docs ORDER BY id") == source_rows(chain)
