"""First starts: slot, publications, rights; what is refused, and with which remedy."""

import threading
import time

import pytest

from connect.api import Resume, TableOptions
from connect.config.fields import Secret
from connect.errors import Failed, Retriable
from connectors.postgres import PLUGIN
from connectors.postgres.catalog import tables_by_name
from connectors.postgres.config import PostgresConfig

pytestmark = pytest.mark.stack


def code_of(world, *tables, **keys):
    with pytest.raises(Failed) as failed:
        world.open(*tables, **keys)
    assert failed.value.hint
    return failed.value.code


def published(world):
    rows = world.sql("SELECT pubname, tablename FROM pg_publication_tables ORDER BY 1, 2")
    return [(name.removeprefix(world.slot), table) for name, table in rows]


def test_slot_creation_says_for_whom_it_waits(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    with world.session() as blocker:
        pid = blocker.info.backend_pid
        blocker.execute("INSERT INTO t VALUES (1)")
        timer = threading.Timer(2.5, blocker.commit)
        timer.start()
        said = world.open("public.t").said
        timer.join()
    waits = [sentence for sentence in said if f"waits for the transaction of server process {pid}" in sentence]
    assert "open for" in waits[0]
    assert said[-1] == ""


def test_slot_creation_names_a_forgotten_prepared_transaction(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    with world.session(autocommit=True) as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO t VALUES (1)")
        session.execute(f"PREPARE TRANSACTION 'forgotten {world.database}'")
    timer = threading.Timer(2.5, world.sql, [f"ROLLBACK PREPARED 'forgotten {world.database}'"])
    timer.start()
    reader = world.open("public.t")
    timer.join()
    assert any(f"'forgotten {world.database}'" in sentence for sentence in reader.said)


def test_a_stop_while_the_slot_is_made_leaves_no_slot(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    stop_at = time.monotonic() + 1
    with world.session() as blocker:
        blocker.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(Retriable) as stopped:
            world.open("public.t", stopping=lambda: time.monotonic() > stop_at)
        assert stopped.value.code == "stopping"
    slots = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{world.slot}'"
    world.wait_for(lambda: world.sql(slots) == [])  # the server drops it as soon as it hears of the cancel


def test_a_slot_of_a_start_that_broke_off_is_adopted(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    first = world.open("public.t")
    first.close()  # nothing was stored
    world.sql("INSERT INTO t VALUES (1)")
    reader = world.open("public.t")
    assert reader.start == first.start
    assert [e.after["id"] for e in reader.read(1)] == [1]


def test_a_slot_of_another_kind_is_not_adopted(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    world.sql(f"SELECT pg_create_logical_replication_slot('{world.slot}', 'test_decoding')")
    assert code_of(world, "public.t") == "slot_foreign"


def test_F21_tables_without_identity_are_in_a_publication_of_their_own(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE log (line text)")
    world.open("public.a", "public.log")
    assert published(world) == [("", "a"), ("_ins", "log")]
    query = (
        f"SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = '{world.slot}_ins'"
    )
    assert world.sql(query) == [(True, False, False, True)]


def test_a_table_added_to_the_file_joins_the_publication_and_the_stream(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    resume = world.open("public.a").close()
    reader = world.open("public.a", "public.b", "public.log", resume=resume)
    world.sql("INSERT INTO b VALUES (1)", "INSERT INTO log VALUES (2)")
    assert [e.table.name for e in reader.read(2)] == ["b", "log"]
    assert published(world) == [("", "a"), ("", "b"), ("_ins", "log")]


def all_publications(world):
    return sorted(name for (name,) in world.sql("SELECT pubname::text FROM pg_publication"))


def test_F20_the_first_keyless_table_can_be_added_later(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    reader = world.open("public.a")
    world.sql("INSERT INTO a VALUES (1)")
    reader.read(1)
    resume = reader.close()
    world.sql("INSERT INTO a VALUES (2)", "UPDATE a SET id = 3 WHERE id = 2")
    reader = world.open("public.a", "public.log", resume=resume)
    world.sql("INSERT INTO log VALUES (1)")
    assert [(e.table.name, e.op.value) for e in reader.read(3)] == [("a", "c"), ("a", "u"), ("log", "c")]
    resume = reader.close()
    world.sql("INSERT INTO log VALUES (2)", "INSERT INTO a VALUES (4)")
    assert [e.table.name for e in world.open("public.a", resume=resume).read(1)] == ["a"]  # and taken out again


def test_F20_the_first_table_with_a_key_can_be_added_later(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    reader = world.open("public.log")
    world.sql("INSERT INTO log VALUES (1)")
    reader.read(1)
    resume = reader.close()
    world.sql("INSERT INTO log VALUES (2)")
    reader = world.open("public.a", "public.log", resume=resume)
    world.sql("INSERT INTO a VALUES (1)", "UPDATE a SET id = 3")
    assert [(e.table.name, e.op.value) for e in reader.read(3)] == [("log", "c"), ("a", "c"), ("a", "u")]


def test_F20_a_publication_younger_than_the_position_is_neither_made_nor_needed(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    resume = Resume(world.open("public.a").close().position, {})
    world.sql(f"DROP PUBLICATION {world.slot}_ins", "INSERT INTO a VALUES (1)")
    assert code_of(world, "public.a", "public.log", resume=resume) == "publication_missing"
    assert all_publications(world) == [world.slot]
    assert len(world.open("public.a", resume=resume).read(1)) == 1


@pytest.mark.parametrize("dropped", ["", "_ins"])
def test_F20_a_publication_that_an_earlier_start_named_is_not_made_again(world, dropped):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    reader = world.open("public.a", "public.log")
    world.sql("INSERT INTO log VALUES (1)")
    reader.read(1)
    resume = reader.close()
    world.sql(f"DROP PUBLICATION {world.slot}{dropped}", "INSERT INTO log VALUES (2)")
    assert code_of(world, "public.a", resume=resume) == "publication_missing"
    assert f"{world.slot}{dropped}" not in all_publications(world)


def test_a_table_that_got_an_identity_moves_to_the_main_publication(world):
    world.sql("CREATE TABLE log (line text)")
    resume = world.open("public.log").close()
    world.sql("ALTER TABLE log REPLICA IDENTITY FULL")
    reader = world.open("public.log", resume=resume)
    assert published(world) == [("", "log")]
    world.sql("INSERT INTO log VALUES ('a')", "UPDATE log SET line = 'b'")
    assert [e.op.value for e in reader.read(2)] == ["c", "u"]


def restarted(world, *between, tables=("public.a", "public.b"), **keys):
    """What a source finds rejoined when it starts again, after these statements."""
    reader = world.open(*tables, **keys)
    world.sql("INSERT INTO a VALUES (1)")
    reader.read(1)
    resume = reader.close()
    world.sql(*(statement.format(world.slot) for statement in between))
    reader = world.open(*tables, resume=resume, **keys)
    world.sql("INSERT INTO a VALUES (2)")
    reader.read(1)
    position, notes = reader.close()
    later = world.open(*tables, resume=Resume(position, {**resume.notes, **notes}), **keys)
    assert later.source.rejoined == frozenset()
    return {str(table) for table in reader.source.rejoined}


def make_a_and_b(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")


def test_F20_a_table_that_left_the_publication_by_hand_is_named_and_joins_again(world):
    make_a_and_b(world)
    assert restarted(world, 'ALTER PUBLICATION "{}" DROP TABLE b') == {"public.b"}
    assert published(world) == [("", "a"), ("", "b")]


def test_F20_so_is_one_that_was_dropped_from_it_and_added_again(world):
    make_a_and_b(world)
    drop_and_add = ('ALTER PUBLICATION "{}" DROP TABLE b', 'ALTER PUBLICATION "{}" ADD TABLE b')
    assert restarted(world, *drop_and_add) == {"public.b"}


def test_F20_so_is_one_of_an_own_publication_of_the_operator(world):
    make_a_and_b(world)
    world.sql("CREATE PUBLICATION p FOR TABLE a, b")
    between = ("ALTER PUBLICATION p DROP TABLE a", "ALTER PUBLICATION p ADD TABLE a")
    assert restarted(world, *between, publication={"name": "p", "manage": False}) == {"public.a"}


def test_a_table_that_never_left_is_not_named(world):
    make_a_and_b(world)
    world.sql("CREATE TABLE c (id int PRIMARY KEY)")
    assert restarted(world, 'ALTER PUBLICATION "{}" ADD TABLE c') == set()


def test_a_publication_of_all_tables_names_no_table(world):
    make_a_and_b(world)
    world.sql("CREATE PUBLICATION p FOR ALL TABLES")
    assert restarted(world, "CREATE TABLE c (id int)", publication={"name": "p", "manage": False}) == set()


def test_a_table_that_moves_between_our_publications_is_not_named(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (line text)")
    assert restarted(world, "ALTER TABLE b REPLICA IDENTITY FULL") == set()


def test_a_table_that_was_left_out_and_named_again_is_not_named(world):
    make_a_and_b(world)
    first = world.open("public.a", "public.b")
    world.sql("INSERT INTO a VALUES (1)")
    first.read(1)
    second = world.open("public.a", resume=first.close())
    world.sql("INSERT INTO a VALUES (2)")
    second.read(1)
    assert world.open("public.a", "public.b", resume=second.close()).source.rejoined == frozenset()


def test_an_own_publication_of_the_operator_is_used_as_it_is(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v int, w int)", 'CREATE PUBLICATION "Mine" FOR ALL TABLES')
    reader = world.open("public.t", publication={"name": "Mine", "manage": False})
    world.sql("INSERT INTO t VALUES (1, 2, 3)")
    assert reader.read(1)[0].after.to_dict() == {"id": 1, "v": 2, "w": 3}


def test_F20_a_missing_publication_that_must_not_be_made_is_refused(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    assert code_of(world, "public.t", publication={"name": "p", "manage": False}) == "publication_missing"


def test_F20_a_publication_of_the_operator_that_was_dropped_is_not_to_be_made_again(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE PUBLICATION p FOR TABLE t")
    resume = world.open("public.t", publication={"name": "p", "manage": False}).close()
    world.sql("DROP PUBLICATION p")
    with pytest.raises(Failed, match="would be younger") as failed:
        world.open("public.t", resume=resume, publication={"name": "p", "manage": False})
    assert "connect remove SOURCE" in failed.value.hint


def test_a_table_outside_the_operators_publication_is_refused(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    world.sql("CREATE PUBLICATION p FOR TABLE a")
    assert code_of(world, "public.b", publication={"name": "p", "manage": False}) == "not_published"


def test_a_publication_without_deletes_is_refused(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')")
    assert code_of(world, "public.t", publication={"name": "p", "manage": False}) == "not_published"


def test_a_table_whose_updates_the_operators_publication_leaves_out_is_refused(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int)", "CREATE PUBLICATION p FOR TABLE a")
    world.sql("CREATE PUBLICATION p_ins FOR TABLE b WITH (publish = 'insert, truncate')")
    keys = {"publication": {"name": "p", "manage": False}}
    world.open("public.a", "public.b", **keys).close()

    world.sql("ALTER TABLE b REPLICA IDENTITY FULL")
    assert code_of(world, "public.a", "public.b", **keys) == "not_published"


def test_a_publication_that_sends_somebody_elses_table_is_left_as_it_is(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    world.sql("CREATE PUBLICATION shared FOR TABLE b")
    keys = {"publication": "shared"}
    assert code_of(world, "public.a", **keys) == "publication_shared"
    assert world.sql("SELECT tablename FROM pg_publication_tables WHERE pubname = 'shared'") == [("b",)]


def test_a_table_of_ours_that_was_renamed_leaves_the_publication(world):
    world.sql("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    reader = world.open("public.a", "public.b")
    world.sql("INSERT INTO a VALUES (1)")
    reader.read(1)  # with it comes the note of what is captured
    resume = reader.close()
    world.sql("ALTER TABLE b RENAME TO c")
    world.open("public.a", resume=resume)
    sent = f"SELECT tablename FROM pg_publication_tables WHERE pubname = '{world.slot}'"
    assert world.sql(sent) == [("a",)]


def test_a_missing_table_is_refused(world):
    assert code_of(world, "public.nope") == "table_missing"


def test_a_table_renamed_while_we_read_is_noticed_at_its_next_row(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1)
    world.sql("ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (2)")
    with pytest.raises(Failed) as failed:
        reader.drain()
    assert failed.value.code == "table_renamed"
    reader = world.open("public.u", resume=reader.close())
    assert [(e.table.name, e.after["id"]) for e in reader.read(1)] == [("u", 2)]


def test_a_table_made_again_while_we_were_away_is_refused(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1)
    resume = reader.close()
    world.open("public.t", resume=resume).close()
    world.sql("DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (2)")
    assert code_of(world, "public.t", resume=resume) == "table_replaced"


def test_a_role_with_short_limits_does_not_lose_its_sessions(world):
    role = f"cdc_{world.database}"
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY)",
        f"CREATE ROLE {role} LOGIN SUPERUSER",
        f"ALTER ROLE {role} SET idle_session_timeout = '300ms'",
        f"ALTER ROLE {role} SET statement_timeout = '300ms'",
        f"ALTER ROLE {role} SET search_path = 'elsewhere'",
        f"ALTER ROLE {role} SET datestyle = 'SQL, DMY'",
    )
    reader = world.open("public.t", url=world.server.url(world.database, user=role))
    for _ in range(4):
        reader.step(0.2)
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1)
    reader.source.close()
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_topic_key_outside_the_identity_is_refused_before_anything_is_made(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, code int)")
    options = {"public.t": TableOptions(key=("code",))}
    assert code_of(world, "public.t", options=options) == "key_outside_identity"
    assert published(world) == []
    world.sql("ALTER TABLE t REPLICA IDENTITY FULL")
    reader = world.open("public.t", options=options)
    world.sql("INSERT INTO t VALUES (1, 2)")
    assert reader.read(1)[0].shape.schema.key == ("code",)


@pytest.fixture
def minimal(world):
    """A role with LOGIN, REPLICATION and SELECT, and nothing more."""
    role = f"cdc_{world.database}"
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", f"CREATE ROLE {role} LOGIN REPLICATION PASSWORD 'pw'")
    world.sql(f"GRANT SELECT ON t TO {role}")
    yield world.server.url(world.database, user=role, password="wrong")
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_F177_the_documented_minimum_of_rights_works(world, minimal):
    world.sql("CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root)")
    reader = world.open("public.t", url=minimal, publication={"name": "p", "manage": False})
    snapshots = reader.source.snapshots()
    world.sql("INSERT INTO t VALUES (1)")
    reader.to_mark(snapshots.mark())
    assert [e.after["id"] for e in reader.events] == [1]
    (table,) = tables_by_name(world.connection, [reader.events[0].table])
    assert len(snapshots.read_chunk(table, None, 10, 1 << 20).rows) == 1
    assert snapshots.in_doubt() == set()
    snapshots.close()
    reader.source.close()


def test_F177_a_publication_that_the_role_may_not_make_is_refused_with_the_sql(world, minimal):
    with pytest.raises(Failed, match="CREATE PUBLICATION") as failed:
        world.open("public.t", url=minimal)
    assert failed.value.code == "permission"


def test_F177_a_role_without_replication_is_refused(world, minimal):
    role = f"cdc_{world.database}"
    world.sql(f"ALTER ROLE {role} NOREPLICATION")
    assert code_of(world, "public.t", url=minimal) == "permission"


def test_a_server_without_logical_wal_is_refused(own_world):
    world = own_world(wal_level="replica")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    assert code_of(world, "public.t") == "wal_level"


def test_a_server_without_free_slots_is_refused(own_world):
    world = own_world(max_replication_slots="1")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "SELECT pg_create_logical_replication_slot('x', 'pgoutput')")
    assert code_of(world, "public.t") == "no_free_slot"


def test_a_wrong_password_is_refused_and_a_right_one_is_read_anew(stack, tmp_path):
    server = stack.new_postgres("password", access=["host all app 127.0.0.1/32 scram-sha-256"])
    server.execute("CREATE ROLE app LOGIN REPLICATION PASSWORD 'right'")
    secret = tmp_path / "password"
    secret.write_text("wrong")
    config = PostgresConfig(url=server.url("postgres", user="app"), password=Secret(secret.read_text))
    with pytest.raises(Failed) as failed:
        PLUGIN.discover(config)
    assert failed.value.code == "password"
    assert "wrong" not in str(failed.value)
    secret.write_text("right\n")
    PLUGIN.discover(config)
    server.stop()


def test_an_unreachable_server_is_retried():
    with pytest.raises(Retriable) as retriable:
        PLUGIN.discover(PostgresConfig(url="postgresql://u:s3cret@127.0.0.1:1/d"))
    assert retriable.value.code == "source_unreachable"
    assert "s3cret" not in str(retriable.value)


def test_a_missing_database_is_refused(world):
    with pytest.raises(Failed) as failed:
        PLUGIN.discover(world.config(url=world.server.url("no_such_database")))
    assert failed.value.code == "database_missing"


def test_remove_drops_slot_and_publications_and_nothing_else(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE log (x int)")
    world.open("public.t", "public.log").close()
    world.wait_for(
        lambda: not world.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{world.slot}' AND active")
    )
    assert len(list(PLUGIN.remove(world.config(), world.context()))) == 3
    assert published(world) == []
    assert list(PLUGIN.remove(world.config(), world.context())) == []


def test_remove_leaves_a_slot_that_is_read(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    with pytest.raises(Retriable) as busy:
        PLUGIN.remove(world.config(), world.context())
    assert busy.value.code == "slot_busy"
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1)


def test_a_first_position_is_stored_and_resumed_before_any_row(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    first = world.open("public.t")
    first.close()
    world.sql("INSERT INTO t VALUES (1)")
    reader = world.open("public.t", resume=Resume(first.start, {}))
    assert len(reader.read(1)) == 1
