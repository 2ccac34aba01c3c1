"""Sources that cannot start: each says what, where and how to mend it; the others go on; mended, all rows arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.local.postgres import Postgres

FILE = """
sources:
  good: {{plugin: postgres, url: "{url}", tables: [public.good]}}
  password: {{plugin: postgres, url: "{strict_cdc}", password: "${{file:{folder}/password}}", tables: [public.t]}}
  wal: {{plugin: postgres, url: "{strict}", tables: [public.t]}}
  reads:
    {{plugin: postgres, url: "{no_select}", tables: [public.reads], publication: {{name: {group}_r, manage: false}}}}
  streams: {{plugin: postgres, url: "{no_replication}", tables: [public.streams]}}
  owns: {{plugin: postgres, url: "{no_select}", tables: [public.owns]}}
  table: {{plugin: postgres, url: "{url}", tables: [public.later]}}
  column: {{plugin: postgres, url: "{url}", tables: {{public.columns: {{columns: [id, later]}}}}}}
  identity: {{plugin: postgres, url: "{url}", tables: {{public.identity: {{key: [id, code]}}}}}}
  pattern: {{plugin: postgres, url: "{url}", tables: ["nothing.*"]}}
  slot: {{plugin: postgres, url: "{url}", slot: {group}_taken, tables: [public.slot]}}
"""
TABLES = ("good", "reads", "streams", "owns", "columns", "identity", "slot", "large")


@pytest.fixture(scope="module")
def strict(stack: Any, world: Any) -> Iterator[Postgres]:
    """A server without logical decoding, where the role cdc needs its password."""
    access = ["host all cdc 127.0.0.1/32 scram-sha-256", "host replication cdc 127.0.0.1/32 scram-sha-256"]
    server = stack.new_postgres(world.group, settings={"wal_level": "replica"}, access=access)
    server.create_database(world.group)
    world.sql(
        f"CREATE ROLE cdc SUPERUSER REPLICATION LOGIN PASSWORD '{world.secret}'",
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        server=server.address,
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def worker(world: Any, strict: Postgres) -> Any:
    """A worker over one good source and every bad one."""
    group = world.group
    for table in TABLES:
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, code text NOT NULL DEFAULT 'c')")
        world.sql(f"INSERT INTO {table} VALUES (1), (2)")
    world.sql(
        f"CREATE ROLE {group}_s LOGIN REPLICATION",
        f"CREATE ROLE {group}_r LOGIN",
        f"GRANT SELECT ON streams TO {group}_r",
        f"GRANT CREATE ON DATABASE {group} TO {group}_r",
        f"ALTER TABLE streams OWNER TO {group}_r",
        f"CREATE PUBLICATION {group}_r FOR TABLE reads",
    )
    (world.folder / "password").write_text("not the password")
    world.reader = hold_slot(world, f"{group}_taken")
    names = {
        "url": world.url,
        "group": group,
        "folder": world.folder,
        "strict": world.at(strict.address),
        "strict_cdc": world.at(strict.address, "cdc"),
        "no_select": world.at(world.postgres, f"{group}_s"),
        "no_replication": world.at(world.postgres, f"{group}_r"),
    }
    started = world.run(world.write(FILE.format(**names)))
    # A row written between this slot and its source's publication would be F20, which is another test's.
    started.wait("slot", lambda event: "is still read" in event["message"])
    return started


def hold_slot(world: Any, name: str) -> psycopg.Connection[Any]:
    """Somebody else who reads the slot."""
    world.sql(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')", "CREATE PUBLICATION other")
    reader = psycopg.connect(f"{world.url}?replication=database", autocommit=True)
    command = f"START_REPLICATION SLOT {name} LOGICAL 0/0 (proto_version '1', publication_names 'other')"
    reader.pgconn.exec_(command.encode())
    return reader


def test_a_good_source_goes_on_beside_bad_ones(world, worker):
    worker.state("good", "STREAMING")
    worker.state("wal", "FAILED")
    world.sql("INSERT INTO good VALUES (3)")

    world.arrive("good.public.good", 1, 2, 3)
    assert worker.process.poll() is None


def test_a_wrong_password(world, worker):
    told = worker.state("password", "RETRYING")  # it is a file's, which may be the one that is late
    world.told(told, "password", 'for user "cdc"', "read from its file again each time")


def test_wal_level_is_not_logical(world, worker):
    told = worker.state("wal", "FAILED")
    world.told(told, "wal_level", "wal_level is replica", "ALTER SYSTEM SET wal_level = logical;")


def test_no_right_to_read_a_table(world, worker):
    grant = f'GRANT SELECT ON "public"."reads" TO "{world.group}_s";'
    world.told(worker.state("reads", "FAILED"), "permission", "reading public.reads", grant)


def test_no_right_to_replicate(world, worker):
    alter = f'ALTER ROLE "{world.group}_r" REPLICATION;'
    world.told(worker.state("streams", "FAILED"), "permission", "permission denied to start WAL sender", alter)


def test_no_right_to_make_a_publication(world, worker):
    told = worker.state("owns", "FAILED")
    world.told(told, "permission", "may not make the publication", 'FOR TABLE "public"."owns"')


def test_a_table_that_is_not_there(world, worker):
    told = worker.state("table", "FAILED")
    world.told(told, "tables", "worker.yaml:13: no table matches 'public.later'", "connect plan FILE")


def test_a_pattern_that_matches_nothing(world, worker):
    told = worker.state("pattern", "FAILED")
    world.told(told, "tables", "worker.yaml:16: no table matches 'nothing.*'", "known are public.columns")


def test_a_column_that_is_not_there(world, worker):
    told = worker.state("column", "FAILED")
    world.told(told, "tables", "worker.yaml:14: columns: public.columns has no column 'later'", "known are code, id")


def test_a_topic_key_outside_the_replica_identity(world, worker):
    told = worker.state("identity", "FAILED")
    world.told(told, "tables", "worker.yaml:15: public.identity", "ALTER TABLE public.identity REPLICA IDENTITY FULL;")


def test_a_slot_that_somebody_else_reads_is_waited_for_and_said(world, worker, connect):
    told = worker.wait("slot", lambda event: "is still read" in event["message"])
    _, shown, _ = connect("status", worker.file)

    says = f"slot {world.group}_taken is still read by server process {world.reader.info.backend_pid}"
    assert told["message"] == says
    assert f"slot: {says}" in shown


def test_a_slot_that_is_free_again_is_read_by_itself(world, worker):
    world.reader.close()
    worker.state("slot", "STREAMING")

    world.arrive("slot.public.slot", 1, 2)


def test_once_mended_the_next_run_publishes_every_row(world, worker, strict):
    assert worker.stop() == 1
    mend(world, strict)

    worker.file.write_text(worker.file.read_text().replace("nothing.*", "*.large"))

    again = world.run(worker.file)

    for name in ("good", "password", "wal", "reads", "streams", "owns", "table", "column", "identity", "slot"):
        again.state(name, "STREAMING")
    world.arrive("password.public.t", 1)
    world.arrive("wal.public.t", 1)
    world.arrive("table.public.later", 1)
    world.arrive("pattern.public.large", 1, 2)
    for name, table in (("reads", "reads"), ("streams", "streams"), ("owns", "owns"), ("column", "columns")):
        world.arrive(f"{name}.public.{table}", 1, 2)
    world.arrive("identity.public.identity", 1, 2)
    world.arrive("good.public.good", 1, 2, 3)


def mend(world: Any, strict: Postgres) -> None:
    """What the messages said."""
    group = world.group
    (world.folder / "password").write_text(world.secret)
    world.sql("ALTER SYSTEM SET wal_level = logical", server=strict.address)
    strict.stop()
    strict.start()
    world.sql(
        f'GRANT SELECT ON "public"."reads" TO "{group}_s"',
        f'ALTER ROLE "{group}_r" REPLICATION',
        f"GRANT CREATE ON DATABASE {group} TO {group}_s",
        f"ALTER TABLE owns OWNER TO {group}_s",
        "CREATE TABLE later (id int PRIMARY KEY)",
        "INSERT INTO later VALUES (1)",
        "ALTER TABLE columns ADD COLUMN later text",
        "ALTER TABLE public.identity REPLICA IDENTITY FULL",
    )


def test_nothing_that_was_said_holds_the_secret(world):
    assert world.secret not in "".join(worker.said for worker in world.workers)
    assert "Traceback" not in "".join(worker.said for worker in world.workers)
