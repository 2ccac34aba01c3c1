"""What the log says comes out, once, in commit order, each row under its own schema."""

import time
from decimal import Decimal

import pytest

from connect.errors import Retriable
from connect.record import UNAVAILABLE, Op
from connect.schema.model import NO_DEFAULT

pytestmark = pytest.mark.stack


def changes(events):
    return [(e.op.value, e.before and e.before.to_dict(), e.after and e.after.to_dict()) for e in events]


def test_inserts_updates_and_deletes_come_in_order(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(6,2) DEFAULT 1.5)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1, 'a')", "UPDATE t SET v = 'b'", "DELETE FROM t")
    assert changes(reader.read(3)) == [
        ("c", None, {"id": 1, "v": "a", "n": Decimal("1.50")}),
        ("u", None, {"id": 1, "v": "b", "n": Decimal("1.50")}),
        ("d", {"id": 1, "v": UNAVAILABLE, "n": UNAVAILABLE}, None),
    ]


def test_shape_has_key_optionality_defaults_and_comments(world):
    world.sql(
        "CREATE TABLE t (a int, b int NOT NULL DEFAULT 7, c text, PRIMARY KEY (c, a))",
        "COMMENT ON COLUMN t.b IS 'seven'",
    )
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1, 2, 'x')")
    schema = reader.read(1)[0].shape.schema
    assert schema.key == ("c", "a")
    assert [(f.name, f.optional, f.doc) for f in schema.columns] == [
        ("a", False, None),
        ("b", False, "seven"),
        ("c", False, None),
    ]
    assert schema.column("b").default == 7


def test_F5_rows_of_a_copy_are_told_apart_by_their_ordinal(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    with world.connection.cursor().copy("COPY t FROM STDIN") as copy:
        copy.write("1\n2\n3\n")
    events = reader.read(3)
    assert [e.ordinal for e in events] == [0, 1, 2]
    assert len({e.transaction for e in events}) == 1


def test_F5_interleaved_transactions_come_in_commit_order(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    with world.session() as first, world.session() as second:
        first.execute("INSERT INTO t VALUES (1)")
        second.execute("INSERT INTO t VALUES (2)")
        second.commit()
        first.commit()
    events = reader.read(2)
    assert [e.after["id"] for e in events] == [2, 1]
    assert events[0].source[3] > events[1].source[3]  # row LSNs go backwards, positions do not


def test_F10_a_message_or_a_key_change_at_the_end_of_a_transaction_loses_nothing(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = world.open("public.t")
    world.sql("SELECT pg_logical_emit_message(true, 'app', 'hello')", "UPDATE t SET id = 2")
    reader.read(1)
    reader = world.open("public.t", resume=reader.close())
    world.sql("SELECT pg_logical_emit_message(false, 'app', 'hello')", "INSERT INTO t VALUES (3)")
    assert [e.after["id"] for e in reader.read(1)] == [3]


def test_F22_unchanged_toast_is_not_null(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, n int, v text, a text[], j jsonb)",
        "ALTER TABLE t ALTER v SET STORAGE EXTERNAL, ALTER a SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL",
        "INSERT INTO t VALUES (1, 1, repeat('x', 1000000), array_fill('y'::text, ARRAY[2000]),"
        " to_jsonb(repeat('z', 9000)))",
    )
    reader = world.open("public.t")
    world.sql("UPDATE t SET n = 2", "UPDATE t SET id = 5")
    for event in reader.read(2):
        assert event.after.unavailable == ("v", "a", "j")


def test_F22_replica_identity_full_has_every_value(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, n int, v text)",
        "ALTER TABLE t ALTER v SET STORAGE EXTERNAL, REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, 1, repeat('x', 1000000))",
    )
    reader = world.open("public.t")
    world.sql("UPDATE t SET n = 2")
    (event,) = reader.read(1)
    assert event.after["v"] == event.before["v"] == "x" * 1_000_000
    assert (event.before["n"], event.after["n"], event.shape.schema.key) == (1, 2, ("id",))


def test_F23_a_changed_key_carries_the_old_one(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a')")
    reader = world.open("public.t")
    world.sql("UPDATE t SET id = id + 1000")
    (event,) = reader.read(1)
    assert changes([event]) == [("u", {"id": 1, "v": UNAVAILABLE}, {"id": 1001, "v": "a"})]


def test_replica_identity_index_is_the_key(world):
    world.sql(
        "CREATE TABLE t (id int, code text NOT NULL, v text)",
        "CREATE UNIQUE INDEX t_code ON t (code)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_code",
        "INSERT INTO t VALUES (1, 'a', 'x')",
    )
    reader = world.open("public.t")
    world.sql("UPDATE t SET code = 'b'")
    (event,) = reader.read(1)
    assert event.shape.schema.key == ("code",)
    assert event.before.values() == [UNAVAILABLE, "a", UNAVAILABLE]


def test_F21_a_keyless_table_keeps_its_updates_and_sends_its_inserts(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE log (line text)")
    reader = world.open("public.t", "public.log")
    world.sql("INSERT INTO log VALUES ('a')", "UPDATE log SET line = 'b'", "DELETE FROM log")
    world.sql("INSERT INTO t VALUES (1)")
    events = reader.read(2)
    assert [(e.op, e.table.name, e.shape.schema.key) for e in events] == [
        (Op.CREATE, "log", ()),
        (Op.CREATE, "t", ("id",)),
    ]


def test_a_table_with_a_key_but_no_identity_is_not_in_the_way_of_the_application(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t REPLICA IDENTITY NOTHING")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)", "UPDATE t SET id = 2")
    assert [e.op for e in reader.read(1)] == [Op.CREATE]


def big(world, rows, where):
    return f"INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series({where}, {where} + {rows} - 1) g"


def test_F24_rows_of_a_rolled_back_subtransaction_never_appear(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    reader = world.open("public.t")
    with world.session() as session:
        session.execute(big(world, 1000, 1))
        session.execute("SAVEPOINT a")
        session.execute(big(world, 500, 2000))
        session.execute("SAVEPOINT b")
        session.execute(big(world, 500, 3000))
        session.execute("ROLLBACK TO a")
        session.execute(big(world, 5, 5000))
    events = reader.read(1005)
    assert [e.after["id"] for e in events] == [*range(1, 1001), *range(5000, 5005)]
    assert [e.ordinal for e in events] == list(range(1005))


def test_F25_a_rolled_back_streamed_transaction_leaves_nothing(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    reader = world.open("public.t")
    with world.session() as session:
        session.execute(big(world, 3000, 1))
        session.rollback()
    world.sql("INSERT INTO t VALUES (9999, 'kept')")
    assert [e.after["id"] for e in reader.read(1)] == [9999]


@pytest.mark.parametrize("streaming", ["on", "off"])
def test_a_big_transaction_comes_in_parts_that_a_restart_continues(world, streaming):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    reader = world.open("public.t", streaming=streaming)
    world.sql(big(world, 25_000, 1))
    got = []
    while not got:
        got += reader.step()
    assert not reader.batches[-1].boundary
    # The server may send the transaction the other way after the restart: ordinals are the same.
    reader = world.open("public.t", resume=reader.close(), streaming="off" if streaming == "on" else "on")
    got += reader.read(25_000 - len(got))
    assert [e.after["id"] for e in got] == list(range(1, 25_001))
    assert reader.batches[-1].boundary
    assert reader.source.skipped == 10_000


@pytest.mark.parametrize("end", ["COMMIT PREPARED", "ROLLBACK PREPARED"])
def test_F26_a_prepared_transaction_appears_at_its_commit_only(world, end):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    with world.session(autocommit=True) as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO t VALUES (1)")
        session.execute(f"PREPARE TRANSACTION '{world.database}'")
    world.sql("INSERT INTO t VALUES (2)")
    assert [e.after["id"] for e in reader.read(1)] == [2]
    reader = world.open("public.t", resume=reader.close())
    world.sql(f"{end} '{world.database}'", "INSERT INTO t VALUES (3)")
    expected = [1, 3] if end.startswith("COMMIT") else [3]
    assert [e.after["id"] for e in reader.read(len(expected))] == expected


def test_F27_each_row_is_decoded_under_the_shape_of_its_moment(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    reader = world.open("public.t")
    with world.session() as session:
        session.execute("INSERT INTO t VALUES (1, 10)")
        session.execute("ALTER TABLE t ADD COLUMN b text DEFAULT 'd'")
        session.execute("INSERT INTO t VALUES (2, 20, 'x')")
        session.execute("ALTER TABLE t RENAME COLUMN a TO c")
        session.execute("INSERT INTO t VALUES (3, 30, 'y')")
        session.execute("ALTER TABLE t ALTER c TYPE text")
        session.execute("INSERT INTO t VALUES (4, 'forty', 'z')")
        session.execute("ALTER TABLE t DROP COLUMN b")
        session.execute("INSERT INTO t VALUES (5, 'fifty')")
    assert [e.after.to_dict() for e in reader.read(5)] == [
        {"id": 1, "a": 10},
        {"id": 2, "a": 20, "b": "x"},
        {"id": 3, "c": 30, "b": "y"},
        {"id": 4, "c": "forty", "b": "z"},
        {"id": 5, "c": "fifty"},
    ]


def batches(reader, count):
    """The ids of the next ``count`` events, by batch."""
    before = len(reader.batches)
    reader.read(count)
    read = reader.batches[before:]
    assert all(batch.boundary for batch in read)
    return [[event.after["id"] for event in batch.events] for batch in read if batch.events]


def test_V4_a_new_shape_begins_a_batch_of_its_own(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    resume = world.open("public.t").close()
    world.sql("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "ALTER TABLE t ADD COLUMN b text")
    world.sql("INSERT INTO t VALUES (3, 'x')", "INSERT INTO t VALUES (4, 'y')")
    assert batches(world.open("public.t", resume=resume), 4) == [[1, 2], [3, 4]]


def test_V4_so_does_one_inside_a_streamed_transaction(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    resume = world.open("public.t").close()
    world.sql("INSERT INTO t VALUES (1)", "ALTER TABLE t ADD COLUMN b text")
    world.sql("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(2, 500) n")
    assert batches(world.open("public.t", resume=resume), 500) == [[1], list(range(2, 501))]


def test_F28_a_new_enum_value_passes_and_refreshes_the_schema(world):
    world.sql("CREATE TYPE mood AS ENUM ('happy')", "CREATE TABLE t (id int PRIMARY KEY, m mood)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1, 'happy')")
    reader.read(1)
    world.sql("ALTER TYPE mood ADD VALUE 'sad'", "INSERT INTO t VALUES (2, 'sad')")
    (event,) = reader.read(1)
    assert event.after["m"] == "sad"
    assert event.shape.schema.column("m").type.parameter("allowed") == "happy,sad"


def test_F29_rows_from_before_a_key_change_keep_their_key(world):
    world.sql("CREATE TABLE t (id int CONSTRAINT pk PRIMARY KEY, code int NOT NULL)", "INSERT INTO t VALUES (1, 9)")
    reader = world.open("public.t")
    resume = reader.close()
    world.sql(
        "UPDATE t SET id = 2", "ALTER TABLE t DROP CONSTRAINT pk, ADD PRIMARY KEY (code)", "UPDATE t SET code = 8"
    )
    reader = world.open("public.t", resume=resume)
    first, second = reader.read(2)
    assert (first.shape.schema.key, first.before["id"]) == (("id",), 1)
    assert (second.shape.schema.key, second.before["code"]) == (("code",), 9)


def test_F30_partitions_come_under_their_root(world):
    world.sql(
        "CREATE TABLE t (id int, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
        "CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu')",
        "CREATE TABLE t_us PARTITION OF t FOR VALUES IN ('us')",
    )
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1, 'eu')", "UPDATE t SET region = 'us'", "TRUNCATE t")
    events = reader.read(4)
    assert [(e.op.value, e.table.name) for e in events] == [("c", "t"), ("d", "t"), ("c", "t"), ("t", "t")]


def test_F41_generated_columns_are_in_snapshot_and_stream_or_in_neither(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)")
    (event,) = reader.read(1)
    snapshots = reader.source.snapshots()
    (row,) = snapshots.read_chunk(event.table, None, 10, 1 << 20).rows
    snapshots.close()
    assert row.to_dict() == event.after.to_dict()
    assert ("g" in row) is (world.version >= 18)


@pytest.mark.parametrize("name", ['Ünï ""q"" x', "x" * 63, "UPPER", "a.b", "tab\there"])
def test_F42_names_go_through_unchanged(world, name):
    quoted = f'"{name}"'
    world.sql(f'CREATE TABLE {quoted} ("A" int PRIMARY KEY, "a" int)')
    plain = name.replace('""', '"')
    reader = world.open(f"public.{plain}")
    world.sql(f"INSERT INTO {quoted} VALUES (1, 2)")
    (event,) = reader.read(1)
    assert (event.table.name, event.after.to_dict()) == (plain, {"A": 1, "a": 2})


def test_F43_truncate_of_many_tables_is_an_event_of_each(world):
    world.sql(
        "CREATE TABLE a (id int PRIMARY KEY)",
        "CREATE TABLE b (id int PRIMARY KEY REFERENCES a)",
        "CREATE TABLE other (id int PRIMARY KEY)",
    )
    reader = world.open("public.a", "public.b")
    with world.session() as session:
        session.execute("INSERT INTO a VALUES (1)")
        session.execute("TRUNCATE a, other CASCADE")
        session.execute("INSERT INTO a VALUES (2)")
    events = reader.read(4)
    assert [(e.op.value, e.table.name) for e in events] == [("c", "a"), ("t", "a"), ("t", "b"), ("c", "a")]


def test_a_transaction_replicated_from_elsewhere_names_its_origin(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    origin = f"origin_{world.database}"
    world.sql(f"SELECT pg_replication_origin_create('{origin}')")
    with world.session() as session:
        session.execute(f"SELECT pg_replication_origin_session_setup('{origin}')")
        session.execute("SELECT pg_replication_origin_xact_setup('0/AAAA', now())")
        session.execute("INSERT INTO t VALUES (1)")
    (event,) = reader.read(1)
    assert event.source[5:] == (origin, 0xAAAA)
    world.sql(f"SELECT pg_replication_origin_drop('{origin}')")


def test_F45_marks_are_no_events(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    snapshots = reader.source.snapshots()
    for _ in range(3):
        assert reader.to_mark(snapshots.mark()) == []
    snapshots.close()


def test_a_walsender_that_dies_is_retried(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    world.sql(f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{world.slot}'")
    with pytest.raises(Retriable) as retriable:
        reader.read(1)
    assert retriable.value.code == "source_unreachable"


def test_a_primary_key_that_changes_under_full_identity_is_the_key_from_there_on(world):
    world.sql("CREATE TABLE t (id int, code int NOT NULL, PRIMARY KEY (id))", "ALTER TABLE t REPLICA IDENTITY FULL")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1, 10)")
    assert [event.shape.schema.key for event in reader.read(1)] == [("id",)]
    world.sql("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)", "INSERT INTO t VALUES (1, 11)")
    assert [event.shape.schema.key for event in reader.read(1)] == [("code",)]


def test_seconds_behind_are_the_age_of_the_last_commit_until_kafka_has_it(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1, acknowledge=False)
    time.sleep(1.0)

    assert reader.source.lag().seconds >= 1.0

    reader.source.acknowledge(reader.position)
    world.wait_for(lambda: reader.step() == [] and reader.source.lag().seconds == 0.0)


def test_a_quiet_source_is_not_behind_and_its_first_commit_not_by_the_time_of_quiet(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    world.sql("INSERT INTO t VALUES (1)")
    reader.read(1)
    time.sleep(1.0)
    world.wait_for(lambda: reader.step() == [] and reader.source.lag().seconds == 0.0)
    at_head = time.time()
    reader.source.lag()

    world.sql("INSERT INTO t VALUES (2)")
    reader.read(1, acknowledge=False)

    assert 0 < reader.source.lag().seconds < time.time() - at_head


@pytest.mark.parametrize(
    ("alters", "fill"),
    [
        (["ADD COLUMN c text DEFAULT 'x'"], "x"),
        (["ADD COLUMN c text", "ALTER c SET DEFAULT 'y'"], NO_DEFAULT),
        (["ADD COLUMN c text DEFAULT 'x'", "ALTER c SET DEFAULT 'y'"], "x"),
    ],
)
def test_what_older_rows_have_in_a_new_column_is_not_its_default_of_today(world, alters, fill):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = world.open("public.t")
    world.sql(*(f"ALTER TABLE t {alter}" for alter in alters), "INSERT INTO t VALUES (2)")
    [event] = reader.read(1)
    assert event.shape.schema.column("c").fill == fill
