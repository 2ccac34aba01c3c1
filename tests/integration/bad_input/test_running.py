"""What goes wrong while a worker runs, or between two runs: named, the rest goes on, mended, nothing is missing."""

from __future__ import annotations

from typing import Any

import pytest

FILE = """
sources:
  keeps: {{plugin: postgres, url: "{url}", tables: [public.keeps]}}
  revoked: {{plugin: postgres, url: "{limited}", tables: [public.revoked], {slow}, {own}}}
  dropped: {{plugin: postgres, url: "{url}", tables: [public.dropped], {slow}}}
  partly: {{plugin: postgres, url: "{url}", tables: [public.partly, public.other]}}
  slot: {{plugin: postgres, url: "{url}", tables: [public.slot]}}
  publication: {{plugin: postgres, url: "{url}", tables: [public.publication]}}
"""
SOURCES = ("keeps", "revoked", "dropped", "partly", "slot", "publication")
ROWS = 12_000


@pytest.fixture(scope="module")
def worker(world: Any) -> Any:
    """Six sources that stream; of two the first load takes its time."""
    for table in ("keeps", "partly", "other", "slot", "publication"):
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    for table in ("revoked", "dropped"):
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY)")
        world.sql(f"INSERT INTO {table} SELECT generate_series(1, {ROWS})")
    role = f"{world.group}_l"
    world.sql(
        f"CREATE ROLE {role} LOGIN REPLICATION",
        f"GRANT SELECT ON revoked TO {role}",
        "CREATE PUBLICATION by_hand FOR TABLE revoked",
    )
    text = FILE.format(
        url=world.url,
        limited=world.at(world.postgres, role),
        slow="snapshot: {max_rows_per_second: 1000}",
        own="publication: {name: by_hand, manage: false}",
    )
    return world.run(world.write(text))


def test_a_right_that_is_revoked_while_a_table_is_read(world, worker):
    worker.state("revoked", "SNAPSHOTTING")
    world.sql(f"REVOKE SELECT ON revoked FROM {world.group}_l")

    grant = f'GRANT SELECT ON "public"."revoked" TO "{world.group}_l";'
    world.told(worker.state("revoked", "FAILED"), "permission", "revoked: reading public.revoked", grant)


def test_a_table_that_is_dropped_while_it_is_read(world, worker):
    worker.state("dropped", "SNAPSHOTTING")
    world.sql("DROP TABLE dropped")

    told = worker.state("dropped", "FAILED")
    world.told(told, "table_missing", "public.dropped", "Take it out of the file's `tables:`")


def test_a_table_that_is_dropped_while_it_streams_leaves_the_others_alone(world, worker):
    worker.state("partly", "STREAMING")
    world.sql("INSERT INTO partly VALUES (2)", "DROP TABLE partly", "INSERT INTO other VALUES (2)")

    world.arrive("partly.public.partly", 1, 2)
    world.arrive("partly.public.other", 1, 2)


def test_the_others_go_on(world, worker):
    worker.state("revoked", "FAILED")
    world.sql("INSERT INTO keeps VALUES (2)")

    world.arrive("keeps.public.keeps", 1, 2)


@pytest.fixture(scope="module")
def broken(world: Any, worker: Any) -> Any:
    """The next run, after somebody tidied up the server."""
    for source in SOURCES:
        worker.state(source, "STREAMING", "FAILED")
    assert worker.stop() == 1
    world.sql("INSERT INTO slot VALUES (2)", "INSERT INTO publication VALUES (2)")
    world.sql(f"SELECT pg_drop_replication_slot('connect_{world.group}__slot')")
    world.sql(f"DROP PUBLICATION connect_{world.group}__publication", "INSERT INTO publication VALUES (3)")
    return world.run(worker.file)


def test_a_slot_that_was_dropped_meanwhile(world, broken):
    told = broken.state("slot", "FAILED")
    world.told(told, "slot_missing", f"the slot connect_{world.group}__slot is gone", "connect remove")


def test_F20_a_publication_that_was_dropped_meanwhile_skips_no_row(world, broken):
    told = broken.state("publication", "FAILED")

    world.told(told, "publication_missing", "publication", "connect remove")
    assert world.ids("publication.public.publication") == [1]


def test_a_table_that_is_gone_at_the_next_start(world, broken):
    told = broken.state("partly", "FAILED")
    world.told(told, "tables", "worker.yaml:9: no table matches 'public.partly'", "connect plan FILE")


@pytest.fixture(scope="module")
def mended(world: Any, broken: Any) -> Any:
    """The run after what the messages said was done."""
    for source in ("slot", "publication", "partly", "revoked", "dropped"):
        broken.state(source, "FAILED")
    assert broken.stop() == 1
    role = f"{world.group}_l"
    world.sql(f"GRANT SELECT ON revoked TO {role}", "CREATE TABLE dropped (id int PRIMARY KEY)")
    world.sql("INSERT INTO dropped VALUES (7)", "CREATE TABLE partly (id int PRIMARY KEY)")
    for source in ("slot", "publication", "dropped"):
        removed = world.command("remove", source, broken.file, "--yes")
        assert removed.returncode == 0, removed.stderr
    return world.run(broken.file)


def test_a_right_that_was_given_back_goes_on_where_it_stood(world, mended):
    mended.state("revoked", "STREAMING")

    world.arrive("revoked.public.revoked", *range(1, ROWS + 1))


@pytest.mark.parametrize(("source", "rows"), [("slot", {1, 2}), ("publication", {1, 2, 3}), ("dropped", {7})])
def test_a_source_that_was_removed_starts_anew_and_is_whole(world, mended, source, rows):
    mended.state(source, "STREAMING")

    world.until(lambda: rows <= set(world.ids(f"{source}.public.{source}")))


def test_a_table_that_was_made_again_is_another_table(world, mended):
    says = "partly: public.partly was dropped and made again"
    world.told(mended.state("partly", "FAILED"), "table_replaced", says, "connect remove")


def test_after_remove_a_table_that_was_made_again_is_read_again(world, mended):
    mended.state("partly", "FAILED")
    assert mended.stop() == 1
    removed = world.command("remove", "partly", mended.file, "--yes")
    assert removed.returncode == 0, removed.stderr
    world.sql("INSERT INTO partly VALUES (5)", "INSERT INTO other VALUES (3)")

    world.run(mended.file)

    world.until(lambda: 5 in world.ids("partly.public.partly"))
    world.until(lambda: 3 in world.ids("partly.public.other"))
