"""Chunks of tables beside the stream: order, visibility, marks (DESIGN §5, rules N1-N5)."""

import threading

import psycopg
import pytest

from connect.api import TableOptions
from connect.errors import Failed, Retriable
from connect.schema.model import TableId

pytestmark = pytest.mark.stack

T = TableId("public", "t")
PLENTY = 1 << 30


@pytest.fixture(params=[1, 3])
def readers(request, monkeypatch):
    """How many read a chunk, whatever its size."""
    monkeypatch.setattr("connectors.postgres.readers.BYTES_WORTH", 1)
    return {"readers": request.param}


@pytest.fixture
def open_snapshots(world):
    opened = []

    def make(*tables, **more):
        reader = world.open(*(tables or ["public.t"]), **more)
        opened.append(reader.source.snapshots())
        return reader, opened[-1]

    yield make
    for snapshots in opened:
        snapshots.close()


def read_all(snapshots, table=T, max_rows=100, max_bytes=PLENTY):
    after, rows, chunks = None, [], 0
    while True:
        chunk = snapshots.read_chunk(table, after, max_rows, max_bytes)
        rows += chunk.rows
        chunks += 1
        if chunk.done:
            return rows, chunks
        after = chunk.last_key


def test_chunks_give_every_row_once(world, open_snapshots, readers):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'x' || g FROM generate_series(1, 250) g"
    )
    _, snapshots = open_snapshots(snapshot=readers)
    rows, chunks = read_all(snapshots)
    assert [row["id"] for row in rows] == list(range(1, 251))
    assert chunks == 3


def test_an_empty_table_is_done_at_once(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    chunk = snapshots.read_chunk(T, None, 10, PLENTY)
    assert (list(chunk.rows), chunk.last_key, chunk.done) == ([], None, True)


def test_a_chunk_ends_after_the_row_that_passes_its_bytes(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    world.sql("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g")
    _, snapshots = open_snapshots()
    chunk = snapshots.read_chunk(T, None, 5000, 100_000)
    assert len(chunk.rows) == 100
    assert not chunk.done
    rows, _ = read_all(snapshots, max_rows=5000, max_bytes=300_000)
    assert [row["id"] for row in rows] == list(range(1, 5001))


KEYS = [
    ("text", "SELECT chr(33 + g % 90) || g FROM generate_series(1, 300) g"),
    (
        "text COLLATE {}",
        "SELECT (ARRAY['a','B','ä','Z','É','e','_','1'])[1 + g % 8] || g FROM generate_series(1, 300) g",
    ),
    ("varchar(20)", "SELECT E'back\\\\slash''\\t' || g FROM generate_series(1, 300) g"),
    ("char(8)", "SELECT 'c' || g FROM generate_series(1, 300) g"),
    ("numeric", "SELECT (g - 150) * 1.10 FROM generate_series(1, 300) g"),
    ("uuid", "SELECT md5(g::text)::uuid FROM generate_series(1, 300) g"),
    ("timestamptz", "SELECT '2024-01-01+00'::timestamptz + g * interval '1.000001 h' FROM generate_series(1, 300) g"),
    ("float8", "SELECT 0.1 * g FROM generate_series(1, 299) g UNION SELECT 'NaN'"),
    ("bytea", "SELECT decode(md5(g::text), 'hex') FROM generate_series(1, 300) g"),
    ("inet", "SELECT '10.0.0.0'::inet + g FROM generate_series(1, 300) g"),
    ("date", "SELECT DATE '0044-03-15 BC' + g * 1000 FROM generate_series(1, 300) g"),
    ("boolean", "SELECT g = 1 FROM generate_series(0, 1) g"),
    ("int[]", "SELECT ARRAY[g % 7, g] FROM generate_series(1, 300) g"),
]


@pytest.mark.parametrize(("kind", "values"), KEYS, ids=[kind for kind, _ in KEYS])
def test_N4_keys_of_any_type_go_in_the_databases_own_order(world, open_snapshots, readers, kind, values):
    ((collation,),) = world.sql(  # some builds have no ICU, some machines no locales
        "SELECT quote_ident(collname) FROM pg_collation WHERE collencoding IN (-1, 6)"
        " ORDER BY collname = 'en-x-icu' DESC, collname = 'en_US.utf8' DESC, collname = 'C' LIMIT 1"
    )
    world.sql(f"CREATE TABLE t (k {kind.format(collation)} PRIMARY KEY)", f"INSERT INTO t {values}")
    _, snapshots = open_snapshots(snapshot=readers)
    rows, _ = read_all(snapshots, max_rows=29)
    printed = [text for (text,) in world.sql("SET timezone TO 'UTC'", "SELECT format('%s', k) FROM t ORDER BY t.k")]
    assert [snapshots.key_text(row) for row in rows] == [(text,) for text in printed]
    wanted = [snapshots.key_text(row) for row in rows[:5]]
    assert {snapshots.key_text(row) for row in snapshots.read_keys(T, wanted).rows} == set(wanted)


def test_N4_composite_keys(world, open_snapshots, readers):
    world.sql(
        "CREATE TABLE t (a text, b int, v int, PRIMARY KEY (b, a))",
        "INSERT INTO t SELECT (g % 13)::text, g % 7, g FROM generate_series(1, 91) g",
    )
    _, snapshots = open_snapshots(snapshot=readers)
    rows, _ = read_all(snapshots, max_rows=10)
    assert [(row["b"], row["a"]) for row in rows] == world.sql("SELECT b, a FROM t ORDER BY b, a")
    assert snapshots.key_text(rows[0]) == (str(rows[0]["b"]), rows[0]["a"])


def test_N4_an_enum_key_goes_in_the_order_of_its_labels(world, open_snapshots):
    world.sql(
        "CREATE TYPE mood AS ENUM ('z', 'a', 'm')",
        "CREATE TABLE t (m mood PRIMARY KEY)",
        "INSERT INTO t VALUES ('a'), ('m'), ('z')",
    )
    _, snapshots = open_snapshots()
    rows, _ = read_all(snapshots, max_rows=1)
    assert [row["m"] for row in rows] == ["z", "a", "m"]


def test_F74_a_row_reads_the_same_from_a_chunk_and_from_the_stream(world, open_snapshots):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b bytea, c timestamptz, d numeric, e text[], f jsonb,"
        " g interval, h float8)",
    )
    reader, snapshots = open_snapshots()
    world.sql(
        "INSERT INTO t VALUES"
        r" (1, E'tab\tnew\nline\\N\r', '\x00ff5c', '2024-02-03 04:05:06.789+05', 1.10, ARRAY['a,b', NULL, E'q\"\\'],"
        """ '{"k": "v\\\\n"}', '1 mon 2 days', 0.1::float8 + 0.2),"""
        " (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, '', '', NULL, 0, '{}', 'null', '0', 'NaN')"
    )
    streamed = [e.after.to_dict() for e in reader.read(3)]
    chunk = [row.to_dict() for row in snapshots.read_chunk(T, None, 10, PLENTY).rows]
    assert repr(chunk) == repr(streamed)


def test_sees_tells_transactions_of_the_stream_apart(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader, snapshots = open_snapshots()
    with world.session() as late:
        late.execute("INSERT INTO t VALUES (1)")
        world.sql("INSERT INTO t VALUES (2)")
        chunk = snapshots.read_chunk(TableId("public", "t"), ("0",), 10, PLENTY)
        late.commit()
    seen, unseen = reader.read(2)
    assert [row["id"] for row in chunk.rows] == [2]
    assert (chunk.sees(seen.transaction), chunk.sees(unseen.transaction)) == (True, False)
    again = snapshots.sees(chunk.snapshot_note)
    assert (again(seen.transaction), again(unseen.transaction)) == (True, False)


def test_a_mark_is_reached_after_everything_that_the_chunk_sees(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader, snapshots = open_snapshots()
    world.sql("INSERT INTO t VALUES (1)")
    chunk = snapshots.read_chunk(T, None, 10, PLENTY)
    mark = snapshots.mark()
    assert not mark.reached(reader.position)
    events = reader.to_mark(mark)
    assert [e.after["id"] for e in events] == [row["id"] for row in chunk.rows] == [1]


def test_a_commit_between_log_and_visibility_is_delivered_unseen_and_in_doubt(own_world):
    """A synchronous standby that does not answer holds commits back from view, not from the log (DESIGN §5)."""
    world = own_world()
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    snapshots = reader.source.snapshots()
    world.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    holder = world.session(autocommit=True)
    committing = threading.Thread(target=_insert_and_wait, args=(holder,))
    committing.start()
    try:
        (event,) = reader.read(1)
        chunk = snapshots.read_chunk(T, ("0",), 10, PLENTY)
        assert list(chunk.rows) == []
        assert not chunk.sees(event.transaction)
        assert event.transaction in snapshots.in_doubt()
        whom = snapshots.whose({event.transaction})
        assert whom.startswith(f"the transaction of server process {holder.info.backend_pid} of postgres, open for ")
        assert whom.endswith("s (committed, waits for a synchronous standby)")
        reader.to_mark(snapshots.mark())  # our own mark does not wait for the standby
    finally:
        with psycopg.connect(world.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        committing.join()
        holder.close()
    chunk = snapshots.read_chunk(T, None, 10, PLENTY)
    assert chunk.sees(event.transaction)
    assert len(chunk.rows) == 1
    assert snapshots.in_doubt() == set()
    assert not snapshots.whose({event.transaction})
    snapshots.close()


def _insert_and_wait(session):
    session.execute("INSERT INTO t VALUES (1)")


def test_a_transaction_that_waits_for_its_client_is_not_in_doubt(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    with world.session() as session:
        session.execute("INSERT INTO t VALUES (1)")
        assert snapshots.in_doubt() == set()


def test_a_sub_transaction_of_one_that_waits_is_not_in_doubt(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    with world.session() as session:
        for statement in ("INSERT INTO t VALUES (1)", "SAVEPOINT s", "INSERT INTO t VALUES (2)"):
            session.execute(statement)
        assert snapshots.in_doubt() == set()


def test_of_several_transactions_that_are_waited_for_the_oldest_is_named(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    with world.session() as older, world.session() as newer:
        xids = set()
        for session in (older, newer):
            session.execute("SAVEPOINT s")
            session.execute("INSERT INTO t VALUES (pg_backend_pid())")
            (xid,) = session.execute("SELECT txid_current()").fetchone()
            xids.add(xid)
        whom = snapshots.whose(xids)
        assert whom.startswith(f"the transaction of server process {older.info.backend_pid} of postgres, open for ")
        assert whom.endswith("s (idle in transaction), and 1 more")


def prepare(world, name):
    with world.session(autocommit=True) as session:
        statements = ("BEGIN", f"INSERT INTO t VALUES ({name})", "SAVEPOINT s", f"INSERT INTO t VALUES (-{name})")
        for statement in (*statements, f"PREPARE TRANSACTION '{name} {world.database}'"):
            session.execute(statement)


def test_a_prepared_transaction_is_not_in_doubt(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    prepare(world, 1)
    assert snapshots.in_doubt() == set()
    prepared = [xid for (xid,) in world.sql("SELECT transaction::text::int8 FROM pg_prepared_xacts")]
    assert snapshots.whose(prepared).startswith(f"the prepared transaction '1 {world.database}':")
    world.sql(f"ROLLBACK PREPARED '1 {world.database}'")


def test_a_prepared_transaction_that_is_being_committed_is_in_doubt(own_world):
    """As above: its commit is in the log, and a synchronous standby holds it back from view."""
    world = own_world(max_prepared_transactions="2")
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = world.open("public.t")
    snapshots = reader.source.snapshots()
    prepare(world, 1)
    world.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    holder = world.session(autocommit=True)
    committing = threading.Thread(target=holder.execute, args=(f"COMMIT PREPARED '1 {world.database}'",))
    committing.start()
    try:
        event = reader.read(2)[0]
        assert not snapshots.read_chunk(T, ("0",), 10, PLENTY).sees(event.transaction)
        assert event.transaction in snapshots.in_doubt()
    finally:
        with psycopg.connect(world.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        committing.join()
        holder.close()
    assert snapshots.in_doubt() == set()
    snapshots.close()


def test_the_first_chunk_waits_for_writers_that_may_be_older_than_the_publication(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE other (id int PRIMARY KEY)")
    resume = world.open("public.other").close()
    with world.session() as writer:
        writer.execute("INSERT INTO t VALUES (1)")  # before t is published: not in the stream
        reader, snapshots = open_snapshots("public.t", "public.other", resume=resume)
        timer = threading.Timer(1.0, writer.commit)
        timer.start()
        chunk = snapshots.read_chunk(T, None, 10, PLENTY)
        timer.join()
    assert [row["id"] for row in chunk.rows] == [1]
    assert any("waits for transactions that write to it" in sentence for sentence in reader.said)


def test_a_query_over_its_budget_asks_for_fewer_rows(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    options = {"public.t": TableOptions(where="pg_sleep(5) IS NOT NULL")}
    _, snapshots = open_snapshots(options=options, snapshot={"max_query": "100ms"})
    for _ in range(2):  # the connection is fit for another try
        with pytest.raises(Retriable) as over:
            snapshots.read_chunk(T, None, 10, PLENTY)
        assert over.value.code == "query_budget"


def test_only_rows_of_the_condition_are_read(world, open_snapshots, readers):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 20)")
    _, snapshots = open_snapshots(options={"public.t": TableOptions(where="id % 2 = 0")}, snapshot=readers)
    assert [row["id"] for row in read_all(snapshots, max_rows=3)[0]] == list(range(2, 21, 2))


def test_row_filter_and_column_list_of_a_publication_hold_for_chunks_too(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, secret text)", "INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    world.sql("CREATE PUBLICATION p FOR TABLE t (id) WHERE (id > 1) WITH (publish_via_partition_root)")
    reader, snapshots = open_snapshots(publication={"name": "p", "manage": False})
    world.sql("INSERT INTO t VALUES (3, 'z')")
    assert [row.to_dict() for row in read_all(snapshots)[0]] == [{"id": 2}, {"id": 3}]
    assert reader.read(1)[0].after.to_dict() == {"id": 3}


def test_F31_row_level_security_is_an_error_rather_than_fewer_rows(world, open_snapshots):
    role = f"cdc_{world.database}"
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        f"CREATE ROLE {role} LOGIN REPLICATION",
        f"GRANT SELECT ON t TO {role}",
        "CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root)",
    )
    url = world.server.url(world.database, user=role)
    reader, snapshots = open_snapshots(url=url, publication={"name": "p", "manage": False})
    with pytest.raises(Failed, match="row-level security") as failed:
        snapshots.read_chunk(T, None, 10, PLENTY)
    assert failed.value.code == "permission"
    assert "BYPASSRLS" in failed.value.hint
    reader.source.close()
    snapshots.close()
    world.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_table_without_a_key_is_read_whole_while_it_is_iterated(world, open_snapshots):
    world.sql("CREATE TABLE t (v int)", "INSERT INTO t SELECT generate_series(1, 1000)")
    reader, snapshots = open_snapshots()
    chunk = snapshots.read_keyless(T)
    mark = snapshots.mark()
    world.sql("INSERT INTO t VALUES (1001)")
    assert sorted(row["v"] for row in chunk.rows) == list(range(1, 1001))
    (event,) = reader.to_mark(mark) or reader.read(1)
    assert not chunk.sees(event.transaction)
    assert chunk.done


def test_a_keyless_read_that_is_left_is_closed(world, open_snapshots):
    world.sql("CREATE TABLE t (v int)", "INSERT INTO t SELECT generate_series(1, 100000)")
    _, snapshots = open_snapshots()
    rows = iter(snapshots.read_keyless(T).rows)
    next(rows)
    snapshots.close()
    world.sql("ALTER TABLE t ADD COLUMN w int")  # nobody holds a lock


def test_a_table_without_a_unique_key_cannot_be_read_in_chunks(world, open_snapshots):
    world.sql("CREATE TABLE t (a int, b int)", "ALTER TABLE t REPLICA IDENTITY FULL")
    _, snapshots = open_snapshots(options={"public.t": TableOptions(key=("a",))})
    with pytest.raises(Failed) as failed:
        snapshots.read_chunk(T, None, 10, PLENTY)
    assert failed.value.code == "no_unique_key"


def test_a_table_that_is_dropped_meanwhile_fails_by_name(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)")
    _, snapshots = open_snapshots()
    world.sql("DROP TABLE t")
    with pytest.raises(Failed) as failed:
        snapshots.read_chunk(T, None, 10, PLENTY)
    assert failed.value.code == "table_missing"


def test_N5_a_chunk_after_an_alter_has_the_new_shape(world, open_snapshots):
    world.sql(
        "CREATE TYPE mood AS ENUM ('a')", "CREATE TABLE t (id int PRIMARY KEY, m mood)", "INSERT INTO t VALUES (1, 'a')"
    )
    _, snapshots = open_snapshots()
    first = snapshots.read_chunk(T, None, 1, PLENTY).shape
    assert snapshots.read_chunk(T, None, 1, PLENTY).shape is first
    world.sql("ALTER TYPE mood ADD VALUE 'b'")
    second = snapshots.read_chunk(T, None, 1, PLENTY).shape
    assert second.schema.column("m").type.parameter("allowed") == "a,b"
    world.sql("ALTER TABLE t ADD COLUMN n int")
    assert "n" in snapshots.read_chunk(T, None, 1, PLENTY).shape.schema.index


def test_F30_partitions_are_read_through_their_root_and_children_are_not(world, open_snapshots):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
        "INSERT INTO t VALUES (5), (15)",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO child VALUES (7)",
        "ANALYZE",
    )
    _, snapshots = open_snapshots("public.t", "public.parent")
    assert [row["id"] for row in read_all(snapshots)[0]] == [5, 15]
    assert read_all(snapshots, TableId("public", "parent"))[0] == []
    assert snapshots.estimate(T)[0] == 2


def test_F168_hostile_names_reach_the_server_as_names(world, open_snapshots):
    evil = 'x"; DROP TABLE y;--'
    quoted = '"' + evil.replace('"', '""') + '"'
    world.sql("CREATE TABLE y (id int)", f"CREATE TABLE {quoted} ({quoted} text PRIMARY KEY)")
    world.sql(f"INSERT INTO {quoted} VALUES ($$'); DROP TABLE y;--$$), ($$z$$)")
    _, snapshots = open_snapshots(f"public.{evil}")
    rows, _ = read_all(snapshots, TableId("public", evil), max_rows=1)
    assert [row[evil] for row in rows] == ["'); DROP TABLE y;--", "z"]
    assert world.sql("SELECT count(*) FROM y") == [(0,)]


def test_the_connection_that_breaks_is_made_anew(world, open_snapshots):
    world.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    _, snapshots = open_snapshots()
    snapshots.read_chunk(T, None, 1, PLENTY)
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'connect %'"
        " AND backend_type = 'client backend' AND datname = current_database()"
    )
    with pytest.raises(Retriable) as broken:
        snapshots.read_chunk(T, None, 1, PLENTY)
    assert broken.value.code == "source_unreachable"
    assert len(snapshots.read_chunk(T, None, 1, PLENTY).rows) == 1
