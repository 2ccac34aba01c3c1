"""What somebody does under a running worker: edits its file, drops its slot, deletes its topic; Ctrl-C at questions."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

FILE = """
sources:
  edited: {{plugin: postgres, url: "{url}", tables: [public.edited]}}
  slot: {{plugin: postgres, url: "{url}", tables: [public.slot]}}
  topic: {{plugin: postgres, url: "{url}", tables: [public.topic]}}
sinks:
  reads: {{plugin: sql, url: "sqlite:///{folder}/t.db", topics: [{group}.topic.public.*]}}
"""


@pytest.fixture(scope="module")
def worker(world: Any) -> Any:
    for table in ("edited", "slot", "topic"):
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    worker = world.run(world.write(FILE.format(url=world.url, folder=world.folder, group=world.group)))
    for source in ("edited", "slot", "topic"):
        worker.state(source, "STREAMING")
    worker.state("reads", "LIVE")
    return worker


def interrupted(process: subprocess.Popen[bytes]) -> int:
    """Its exit code after Ctrl-C; one that Python hears just before it begins to read is heard with the next."""
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(2)
    process.kill()
    process.wait()
    raise AssertionError("it did not end")


@pytest.fixture(scope="module")
def text(worker: Any) -> str:
    """The file as the worker began with it."""
    return str(worker.file.read_text())


def test_a_file_that_is_edited_to_nonsense_changes_nothing_until_a_connector_starts_anew(world, worker, text):
    worker.file.write_text(text.replace("public.edited", "public.edited, [").replace("plugin: sql", "plugin: sqll"))
    world.sql("INSERT INTO edited VALUES (2)")
    world.arrive("edited.public.edited", 1, 2)

    assert world.command("restart", "edited").returncode == 0
    told = worker.wait("edited", lambda event: event["state"] == "FAILED")
    assert "worker.yaml:" in told["message"]
    assert worker.now("slot")["state"] == "STREAMING"

    worker.file.write_text(text)
    world.sql("INSERT INTO edited VALUES (3)")
    assert world.command("restart", "edited").returncode == 0
    world.arrive("edited.public.edited", 1, 2, 3)


def test_a_slot_that_is_dropped_under_a_running_worker_stops_its_source_by_name(world, worker, text):
    name = f"connect_{world.group}__slot"

    def dropped() -> bool:
        world.sql(f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{name}'")
        slots = f"pg_replication_slots WHERE slot_name = '{name}' AND active_pid IS NULL"
        world.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM {slots}")
        return not world.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}'")

    world.until(dropped)
    world.sql("INSERT INTO slot VALUES (2)")
    world.told(worker.state("slot", "FAILED"), "slot_missing", name, "connect remove")
    assert world.ids("slot.public.slot") == [1]


def test_a_topic_that_is_deleted_under_a_running_worker_stops_the_sink_that_reads_it(world, worker):
    topic = world.topic("topic.public.topic")
    admin = AdminClient({"bootstrap.servers": world.kafka})
    admin.delete_topics([topic])[topic].result(20)

    world.told(worker.state("reads", "FAILED"), "topic_id_changed", topic, "connect rebuild SINK FILE")
    assert worker.now("edited")["state"] == "STREAMING"
    assert worker.stop() == 1  # a connector is FAILED, and that is told to whoever looks after the worker


@pytest.mark.parametrize(
    "command", [("remove", "edited"), ("rebuild", "reads"), ("snapshot", "edited", "--table", "public.edited")]
)
def test_ctrl_c_at_a_question_ends_with_130_and_nothing_was_done(world, worker, text, command):
    worker.file.write_text(text)
    name, connector, *more = command
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "connect", name, connector, str(worker.file), *more],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**os.environ, "CONNECT_HOME": str(world.home)},
        start_new_session=True,
    )
    os.close(side)
    asked = b""
    while b"[y/N]" not in asked:
        asked += os.read(main, 4096)
    assert interrupted(process) == 130
    said = os.read(main, 4096).decode()
    os.close(main)
    assert "nothing was done" in said.lower()
    assert world.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = 'connect_{world.group}__edited'")
