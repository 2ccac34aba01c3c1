"""``doctor`` and ``discover``: each problem by name, with the SQL that mends it."""

import contextlib

import pytest

from connect.api import Severity, TableOptions
from connect.cli.doctor import script
from connect.runtime.doctor import Checked
from connect.schema.model import TableId
from connectors.postgres import PLUGIN

pytestmark = pytest.mark.stack


def findings(world, *tables, options=None, **keys):
    return list(PLUGIN.preflight(world.config(**keys), world.context(*tables, options=options)))


def remedy(found, check, severity=Severity.PROBLEM):
    return next(finding.remedy for finding in found if finding.check == check and finding.severity is severity)


def problems(found):
    return {finding.check for finding in found if finding.severity is Severity.PROBLEM}


def test_a_fit_server_has_no_problems(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    found = findings(world, "public.t")
    assert problems(found) == set()
    assert "superuser" in next(f.message for f in found if f.check == "role")
    assert all(f.remedy for f in found if f.severity is not Severity.OK)


def test_a_running_slot_shows_its_reader_and_the_wal_it_holds(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    world.open("public.t")
    message = next(f.message for f in findings(world, "public.t") if f.check == "slot")
    assert "is read by server process" in message
    assert "of WAL" in message


def test_a_slot_of_a_source_that_the_file_has_no_more_is_named_with_what_it_holds(world, caplog):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    left = f"connect_test__gone{world.database}"
    world.sql(f"SELECT pg_create_logical_replication_slot('{left}', 'pgoutput')")
    world.sql(f"SELECT pg_create_logical_replication_slot('other_{world.database}', 'pgoutput')")
    context = world.context("public.t", peers=frozenset({world.database, "other"}))
    found = [
        f for f in PLUGIN.preflight(world.config(), context) if f.severity is Severity.WARNING and f.check == "slot"
    ]
    assert [left in finding.message for finding in found] == [True]
    assert f"pg_drop_replication_slot('{left}')" in found[0].remedy

    with contextlib.closing(PLUGIN.build(world.config(), context)) as source:
        source.open(None)
    assert [
        left in record.getMessage() for record in caplog.records if "no source of the file" in record.getMessage()
    ] == [True]
    world.sql(
        f"SELECT pg_drop_replication_slot('{left}')", f"SELECT pg_drop_replication_slot('other_{world.database}')"
    )


def test_each_missing_right_comes_with_its_grant(world):
    role = f"cdc_{world.database}"
    world.sql("CREATE SCHEMA s", "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE s.t (id int PRIMARY KEY)")
    world.sql(f"CREATE ROLE {role} LOGIN")
    url = world.server.url(world.database, user=role)
    found = findings(world, "public.t", "s.t", url=url)
    assert remedy(found, "role") == f'ALTER ROLE "{role}" REPLICATION;'
    assert remedy(found, "public.t") == f'GRANT SELECT ON "public"."t" TO "{role}";'
    assert "GRANT USAGE ON SCHEMA" in remedy(found, "s.t")
    assert "CREATE PUBLICATION" in remedy(found, "publication")
    assert "pg_read_all_stats" in remedy(found, "pg_read_all_stats", Severity.WARNING)
    for statement in (remedy(found, "role"), remedy(found, "public.t"), remedy(found, "s.t")):
        world.sql(*[part for part in statement.split(";") if part.strip()])
    assert problems(findings(world, "public.t", "s.t", url=url)) == {"publication"}
    world.sql(remedy(found, "publication"))
    keys = {"url": url, "publication": {"manage": False}}
    assert problems(findings(world, "public.t", "s.t", **keys)) == set()
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_the_script_for_the_administrator_mends_what_it_says(world):
    role = f"cdc_{world.database}"
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE keyless (a int)", f"CREATE ROLE {role} LOGIN")
    keys = {"url": world.server.url(world.database, user=role), "publication": {"manage": False}}
    wanted = ["public.t", "public.keyless"]
    mine = {"url": keys["url"]}
    found = [one for one in findings(world, *wanted, **mine) if one.check != "max_slot_wal_keep_size"]

    for line in script([Checked("shop", one, PLUGIN.session) for one in found]).splitlines():
        if line and not line.startswith("--"):
            world.sql(line)

    assert problems(findings(world, *wanted, **keys)) == set()
    left = [f.check for f in findings(world, *wanted, **keys) if f.severity is Severity.WARNING]
    assert left == ["max_slot_wal_keep_size", "public.keyless"]
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_tables_and_columns_that_do_not_exist_are_named(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    found = findings(world, "public.t", "public.nope", options={"public.t": TableOptions(columns=("id", "gone"))})
    assert problems(found) == {"public.t", "public.nope"}
    assert any("'gone'" in finding.message for finding in found)


def test_F21_a_table_without_identity_is_a_warning_with_the_alter(world):
    world.sql("CREATE TABLE log (line text)")
    found = findings(world, "public.log")
    assert remedy(found, "public.log", Severity.WARNING) == 'ALTER TABLE "public"."log" REPLICA IDENTITY FULL;'


def test_a_topic_key_outside_the_identity_is_a_problem_with_the_alter(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, code int)")
    found = findings(world, "public.t", options={"public.t": TableOptions(key=("code",))})
    assert "REPLICA IDENTITY FULL" in remedy(found, "public.t")


def test_F31_row_level_security_is_a_problem(world):
    role = f"cdc_{world.database}"
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    world.sql(f"CREATE ROLE {role} LOGIN REPLICATION", f"GRANT SELECT ON t TO {role}")
    found = findings(world, "public.t", url=world.server.url(world.database, user=role))
    assert remedy(found, "public.t") == f'ALTER ROLE "{role}" BYPASSRLS;'
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_server_without_logical_wal_is_a_problem(own_world):
    world = own_world(wal_level="replica")
    assert "wal_level = logical" in remedy(findings(world), "wal_level")


def test_an_unreachable_server_is_one_finding(world):
    found = findings(world, url="postgresql://u:s3cret@127.0.0.1:1/d")
    assert [finding.check for finding in found] == ["source_unreachable"]
    assert "s3cret" not in found[0].message


def test_discover_describes_tables_as_the_stream_will(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, g int GENERATED ALWAYS AS (id) STORED)",
        "CREATE TABLE log (line text)",
        "CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE part1 PARTITION OF part DEFAULT",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE UNLOGGED TABLE u (id int)",
        "ALTER TABLE log REPLICA IDENTITY FULL",
    )
    found = {info.table.name: info for info in PLUGIN.discover(world.config())}
    assert set(found) == {"t", "log", "part"}
    assert found["t"].table == TableId("public", "t")
    assert found["t"].schema.key == ("id",)
    assert ("g" in found["t"].schema.index) is (world.version >= 18)
    assert found["t"].identity == ("id",)
    assert found["log"].identity is None
    assert found["log"].can_change
    assert any("F30" in note for note in found["part"].notes)
    reader = world.open("public.t")
    world.sql("INSERT INTO t (id, v) VALUES (1, 'x')")
    assert reader.read(1)[0].shape.schema == found["t"].schema


def test_F22_only_columns_whose_values_can_be_long_are_named(world):
    world.sql("CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE t (id int PRIMARY KEY, m mood, v text)")
    told = [f.message for f in findings(world, "public.t") if f.check == "public.t"]
    assert [message for message in told if message.startswith("long values of v are left out")] == told != []
