"""Chunks of tables beside the stream, on both kinds of server: order, visibility, marks (DESIGN §5, rules N1-N5)."""

from __future__ import annotations

import contextlib
import itertools
import threading
from urllib.parse import urlsplit

import pymysql
import pytest

from connect.api import TableOptions
from connect.errors import Failed, Retriable
from connect.schema.model import TableId
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import connect
from connectors.mysql.gtid import Gtid
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.server import read_server
from connectors.mysql.snapshots import MysqlSnapshots
from connectors.mysql.visibility import ExecutedSet, from_note

pytestmark = pytest.mark.stack

PLENTY = 1 << 30
NO_GTIDS = {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
_numbers = itertools.count()


class World:
    """A database of a test's own, and snapshots of its tables."""

    def __init__(self, server) -> None:
        self.server = server
        self.database = f"s_snapshots_{next(_numbers)}"
        self.table = TableId(self.database, "t")
        self.said: list[str] = []
        self._resources = contextlib.ExitStack()
        server.execute(f"DROP DATABASE IF EXISTS {self.database}")
        server.create_database(self.database)

    def sql(self, *statements):
        """Run them; the rows of the last."""
        rows = []
        for statement in statements:
            rows = self.server.execute(statement, database=self.database)
        return rows

    def session(self):
        """A session of its own, closed with the test."""
        return self._resources.enter_context(contextlib.closing(self.server.connect(self.database)))

    def open(self, *, url=None, stopping=lambda: False, options=None, **config):
        """Snapshots of the table ``t``."""
        made = MysqlConfig(url=url or self.server.address, **config)
        with contextlib.closing(connect(made, "s")) as connection:
            server = read_server(connection)
        tables = {self.table: options or TableOptions()}
        snapshots = MysqlSnapshots(made, "s", tables, server, self.said.append, stopping)
        self._resources.callback(snapshots.close)
        return snapshots

    def close(self):
        self._resources.close()
        self.server.execute(f"DROP DATABASE {self.database}")


@pytest.fixture(scope="module")
def old_mariadb(stack):
    server = stack.new_mariadb("s_old_mariadb", version="10.11")
    yield server
    server.stop()


@pytest.fixture(params=["mysql", "mariadb", pytest.param("old_mariadb", marks=pytest.mark.long)])
def world(stack, request):
    old = request.param == "old_mariadb"
    made = World(request.getfixturevalue("old_mariadb") if old else getattr(stack, request.param))
    yield made
    made.close()


@pytest.fixture
def mysql(stack):
    made = World(stack.mysql)
    yield made
    made.close()


@pytest.fixture
def mariadb(stack):
    made = World(stack.mariadb)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server_without_gtids(stack):
    server = stack.new_mysql("s_without_gtids", settings=NO_GTIDS)
    yield server
    server.stop()


@pytest.fixture
def without_gtids(server_without_gtids):
    made = World(server_without_gtids)
    yield made
    made.close()


def numbers(count):
    return f"WITH RECURSIVE n (g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < {count})"


def fill(world, columns, select, count=250):
    world.sql(f"CREATE TABLE t ({columns})", f"INSERT INTO t {numbers(count)} SELECT {select} FROM n")


def read_all(snapshots, table, max_rows=100, max_bytes=PLENTY):
    after, rows, chunks = None, [], 0
    while True:
        chunk = snapshots.read_chunk(table, after, max_rows, max_bytes)
        rows += chunk.rows
        chunks += 1
        if chunk.done:
            return rows, chunks
        after = chunk.last_key


def ids(chunk):
    return [row["id"] for row in chunk.rows]


def test_chunks_give_every_row_once(world):
    fill(world, "id INT PRIMARY KEY, v TEXT", "g, CONCAT('x', g)")
    rows, chunks = read_all(world.open(), world.table)
    assert [row["id"] for row in rows] == list(range(1, 251))
    assert chunks == 3
    assert rows[9]["v"] == "x10"


@pytest.mark.parametrize("setting", ["max_join_size = 1", "completion_type = 'RELEASE'", "sql_select_limit = 1"])
def test_what_an_operator_sets_for_sessions_does_not_reach_ours(world, setting):
    fill(world, "id INT PRIMARY KEY", "g")
    world.sql(f"SET GLOBAL {setting}")
    try:
        rows, _ = read_all(world.open(), world.table)
        assert len(rows) == 250
    finally:
        world.sql(f"SET GLOBAL {setting.split()[0]} = DEFAULT")


def test_an_empty_table_is_done_at_once(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    chunk = world.open().read_chunk(world.table, None, 10, PLENTY)
    assert (list(chunk.rows), chunk.last_key, chunk.done) == ([], None, True)


def test_a_chunk_ends_after_the_row_that_passes_its_bytes(world):
    fill(world, "id INT PRIMARY KEY, v TEXT", "g, REPEAT('x', 1000)", 900)
    snapshots = world.open()
    chunk = snapshots.read_chunk(world.table, None, 900, 100_000)
    assert 98 <= len(chunk.rows) <= 101
    assert not chunk.done
    rows, _ = read_all(snapshots, world.table, max_rows=900, max_bytes=100_000)
    assert [row["id"] for row in rows] == list(range(1, 901))


KEYS = [
    ("INT", "g - 125", "signed"),
    ("BIGINT UNSIGNED", "18446744073709551615 - g", "unsigned"),
    ("DECIMAL(20,4)", "(g - 125) * 1.0001", "decimal"),
    ("FLOAT", "(g - 125) * 0.1", "float"),
    ("DOUBLE", "(g - 125) * 0.1", "double"),
    ("DOUBLE(20,3)", "(g - 125) * 0.125", "double with digits"),
    ("BIT(40)", "g * 1000000007", "bit"),
    ("VARCHAR(20) CHARACTER SET latin1", "CONCAT(ELT(1 + g % 4, 'a', 'B', 'é', '_'), g)", "latin1"),
    ("VARCHAR(20) CHARACTER SET utf8mb4", "CONCAT(ELT(1 + g % 4, 'a', 'B', 'é', '😀'), g)", "utf8mb4"),
    ("VARCHAR(20) CHARACTER SET utf8mb3", "CONCAT(ELT(1 + g % 3, 'a', 'B', 'é'), g)", "utf8mb3"),
    ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CONCAT(ELT(1 + g % 3, 'a', 'B', ' '), g)", "bin"),
    ("VARCHAR(20) CHARACTER SET ucs2", "CONCAT(ELT(1 + g % 3, 'a', 'B', 'é'), g)", "ucs2"),
    ("VARCHAR(20) CHARACTER SET sjis", "CONCAT(ELT(1 + g % 3, 'a', 'B', _utf8mb4 x'e8a1a8'), g)", "sjis"),
    ("CHAR(8)", "CONCAT(g, ELT(1 + g % 2, '\\\\', ''''))", "char"),
    ("BINARY(8)", "UNHEX(LPAD(HEX(g * 1000003), 16, '0'))", "binary"),
    ("VARBINARY(20)", "LEFT(UNHEX(SHA2(g, 256)), 20)", "varbinary"),
    ("DATE", "DATE '1000-01-01' + INTERVAL g * 13 DAY", "date"),
    ("TIME(6)", "SEC_TO_TIME((g - 125) * 1000.000001)", "time"),
    ("DATETIME(6)", "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL g * 3600000001 MICROSECOND", "datetime"),
    ("TIMESTAMP(3)", "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL g * 3600001 * 1000 MICROSECOND", "timestamp"),
    ("YEAR", "IF(g > 200, 1700 + g, 1900 + g)", "year"),
    ("SET('z', 'y', 'x', 'w', 'v', 'u', 't', 's')", "g % 256", "set"),
]


@pytest.mark.parametrize(("kind", "values"), [key[:2] for key in KEYS], ids=[key[2] for key in KEYS])
def test_N4_keys_of_any_type_go_in_the_servers_own_order(world, kind, values):
    world.sql(f"CREATE TABLE t (n INT, k {kind} NOT NULL PRIMARY KEY)")
    world.sql(f"INSERT IGNORE INTO t {numbers(250)} SELECT g, {values} FROM n")
    snapshots = world.open(types={"bigint_unsigned": "precise"})
    rows, _ = read_all(snapshots, world.table, max_rows=29)
    assert [row["n"] for row in rows] == [n for (n,) in world.sql("SELECT n FROM t ORDER BY k")]
    wanted = [snapshots.key_text(row) for row in rows[:5]]
    found = snapshots.read_keys(world.table, wanted)
    assert {snapshots.key_text(row) for row in found.rows} == set(wanted)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("UUID", "INSERT(MD5(g), 13, 1, ELT(1 + g % 3, '1', '4', '7'))"),  # versions are ordered by different parts
        ("INET6", "INET6_NTOA(UNHEX(MD5(g)))"),
        ("INET4", "CONCAT('10.', g, '.9.1')"),
    ],
)
def test_N4_keys_of_types_that_only_mariadb_has(mariadb, kind, values):
    fill(mariadb, f"n INT, k {kind} NOT NULL PRIMARY KEY", f"g, {values}")
    snapshots = mariadb.open()
    rows, _ = read_all(snapshots, mariadb.table, max_rows=29)
    assert [row["n"] for row in rows] == [n for (n,) in mariadb.sql("SELECT n FROM t ORDER BY k")]
    found = snapshots.read_keys(mariadb.table, [snapshots.key_text(row) for row in rows[:5]])
    assert len(found.rows) == 5


def test_N4_an_enum_key_goes_in_the_order_of_its_members(world):
    fill(world, "e ENUM('z', 'a', 'm') NOT NULL, n INT, PRIMARY KEY (e, n)", "1 + g % 3, g")
    snapshots = world.open()
    rows, _ = read_all(snapshots, world.table, max_rows=10)
    assert [(row["e"], row["n"]) for row in rows] == world.sql("SELECT e, n FROM t ORDER BY e, n")
    found = snapshots.read_keys(world.table, [snapshots.key_text(rows[0])])
    assert [row["n"] for row in found.rows] == [rows[0]["n"]]


def test_N4_composite_keys(world):
    fill(world, "a VARCHAR(9), b INT, v INT, PRIMARY KEY (b, a)", "g % 13, g % 7, g", 91)
    snapshots = world.open()
    rows, _ = read_all(snapshots, world.table, max_rows=10)
    assert [(row["b"], row["a"]) for row in rows] == world.sql("SELECT b, a FROM t ORDER BY b, a")


def test_N4_a_unique_key_serves_where_there_is_no_primary_key(world):
    fill(world, "u INT UNIQUE, id INT NOT NULL UNIQUE", "NULL, g")
    rows, _ = read_all(world.open(), world.table)
    assert [row["id"] for row in rows] == list(range(1, 251))


def test_N4_a_primary_key_over_a_prefix(world):
    fill(world, "k TEXT NOT NULL, PRIMARY KEY (k(20))", "CONCAT('x', g)")
    rows, _ = read_all(world.open(), world.table)
    assert [row["k"] for row in rows] == [k for (k,) in world.sql("SELECT k FROM t ORDER BY k")]


def test_N4_a_chunk_is_looked_up_in_the_index(world):
    fill(world, "a INT, b INT, c VARCHAR(20), PRIMARY KEY (a, b)", "g % 10, g, REPEAT('x', 20)", 900)
    snapshots = world.open()
    world.sql("FLUSH STATUS")
    before = _rows_read(snapshots)
    chunk = snapshots.read_chunk(world.table, ("5", "455"), 5, PLENTY)
    assert len(chunk.rows) == 5
    assert _rows_read(snapshots) - before < 50


def _rows_read(snapshots):
    with snapshots._connection().cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_key')")
        return sum(int(value) for _, value in cursor.fetchall())


def test_where_narrows_what_a_chunk_reads(world):
    fill(world, "id INT PRIMARY KEY", "g")
    rows, _ = read_all(world.open(options=TableOptions(where="id > 40 OR id < 10")), world.table, max_rows=50)
    assert [row["id"] for row in rows] == [*range(1, 10), *range(41, 251)]


def test_where_does_not_hide_a_row_that_the_stream_has_without_a_value(world):
    fill(world, "id INT PRIMARY KEY", "g")
    chunk = world.open(options=TableOptions(where="id > 40")).read_keys(world.table, [("7",)])
    assert ids(chunk) == [7]


@pytest.mark.parametrize(("where", "code"), [("id >", "source_error"), ("nope = 1", "column_missing")])
def test_a_where_that_the_server_does_not_understand_is_told(world, where, code):
    fill(world, "id INT PRIMARY KEY", "g", 1)
    snapshots = world.open(options=TableOptions(where=where))
    with pytest.raises(Failed) as failed:
        snapshots.read_chunk(world.table, None, 1, PLENTY)
    assert failed.value.code == code
    assert failed.value.hint


@pytest.mark.parametrize("name", ["a`b", "back\\slash", "sp ace", "Ünï", "x'; DROP TABLE t;--"])
def test_F168_names_of_any_spelling(world, name):
    quoted = name.replace("`", "``")
    world.sql(f"CREATE TABLE `{quoted}` (`{quoted}` INT PRIMARY KEY)", f"INSERT INTO `{quoted}` VALUES (1), (2)")
    world.table = TableId(world.database, name)
    rows, _ = read_all(world.open(), world.table, max_rows=1)
    assert [row[name] for row in rows] == [1, 2]


def test_rows_that_are_gone_are_not_found_by_key(world):
    fill(world, "id INT PRIMARY KEY", "g", 3)
    chunk = world.open().read_keys(world.table, [("2",), ("9",)])
    assert ids(chunk) == [2]


def test_too_many_bytes_for_several_keys_are_asked_for_again(world):
    fill(world, "id INT PRIMARY KEY, v TEXT", "g, REPEAT('x', 1000)", 9)
    snapshots = world.open()
    with pytest.raises(Retriable) as asked:
        snapshots.read_keys(world.table, [(str(n),) for n in range(9)], 2_000)
    assert asked.value.code == "query_budget"
    assert ids(snapshots.read_keys(world.table, [("3",)], 10)) == [3]


def test_a_query_over_its_budget_is_ended_by_the_server(world):
    fill(world, "id INT PRIMARY KEY", "g", 50)
    options = TableOptions(where="SLEEP(0.1) = 0")
    snapshots = world.open(options=options, snapshot={"max_query": "200ms"})
    with pytest.raises(Retriable) as ended:
        snapshots.read_chunk(world.table, None, 50, PLENTY)
    assert ended.value.code == "query_budget"
    assert ids(snapshots.read_chunk(world.table, None, 1, PLENTY)) == [1]


def test_N5_a_chunk_has_the_shape_of_its_own_moment(world):
    fill(world, "id INT PRIMARY KEY", "g", 3)
    snapshots = world.open()
    first = snapshots.read_chunk(world.table, None, 1, PLENTY)
    assert snapshots.read_chunk(world.table, None, 1, PLENTY).shape is first.shape
    world.sql("ALTER TABLE t ADD COLUMN v INT DEFAULT 7 FIRST")
    then = snapshots.read_chunk(world.table, first.last_key, 5, PLENTY)
    assert [row.to_dict() for row in then.rows] == [{"v": 7, "id": 2}, {"v": 7, "id": 3}]


def test_a_table_that_is_gone_is_told_by_name(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    snapshots = world.open()
    world.sql("DROP TABLE t")
    with pytest.raises(Failed, match=r"t'|t is gone") as failed:
        snapshots.read_chunk(world.table, None, 1, PLENTY)
    assert failed.value.code == "table_missing"


def test_a_table_without_a_key_is_not_read_in_chunks(world):
    world.sql("CREATE TABLE t (id INT)")
    with pytest.raises(Failed) as failed:
        world.open().read_chunk(world.table, None, 1, PLENTY)
    assert failed.value.code == "no_unique_key"
    assert f"ALTER TABLE `{world.database}`.`t` ADD PRIMARY KEY" in failed.value.hint


def test_the_size_of_a_table_is_estimated(world):
    fill(world, "id INT PRIMARY KEY", "g")
    world.sql("ANALYZE TABLE t")
    rows, size = world.open().estimate(world.table)
    assert 200 <= rows <= 300
    assert size > 0


def test_the_chunk_says_where_the_log_stood(world):
    fill(world, "id INT PRIMARY KEY", "g", 1)
    chunk = world.open().read_chunk(world.table, None, 1, PLENTY)
    table, server_id, gtid, file, pos, row, thread, query = chunk.source
    assert (table, server_id, gtid, row, thread, query) == ("t", 0, None, 0, None, None)
    assert LogPosition(file, pos).order > (0, 0)


# What a snapshot sees, and marks.


def test_a_mark_is_reached_at_the_logs_end_and_not_before(world):
    snapshots = world.open()
    before = snapshots.mark()
    fill(world, "id INT PRIMARY KEY", "g", 1)
    after = snapshots.mark()
    at = {mark: MysqlPosition(mark.server, mark.end) for mark in (before, after)}
    assert after.reached(at[after])
    assert not after.reached(at[before])
    assert before.reached(at[after])


def test_a_mark_is_at_the_head_of_a_new_file(world):
    snapshots = world.open()
    before = snapshots.mark()
    world.sql("FLUSH BINARY LOGS")
    mark = snapshots.mark()
    assert mark.end.order > before.end.order
    assert not mark.reached(MysqlPosition(mark.server, before.end))


def test_mysql_sees_what_was_executed_before_the_chunk(mysql):
    mysql.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    snapshots = mysql.open()
    chunk = snapshots.read_chunk(mysql.table, None, 9, PLENTY)
    ((executed,),) = mysql.sql("SELECT @@GLOBAL.gtid_executed")
    seen = from_note(chunk.snapshot_note, "")
    assert isinstance(seen, ExecutedSet)
    source = mysql.sql("SELECT @@server_uuid")[0][0]
    last = max(int(part.split("-")[-1]) for part in executed.replace("\n", "").split(source)[1].split(":")[1:2])
    assert chunk.sees(Gtid(source, 1))
    assert not chunk.sees(Gtid(source, last + 10_000))
    assert snapshots.sees(chunk.snapshot_note)(Gtid(source, 1))


def test_mariadb_sees_exactly_the_log_before_its_snapshot(mariadb):
    mariadb.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    snapshots = mariadb.open()
    chunk = snapshots.read_chunk(mariadb.table, None, 9, PLENTY)
    end = snapshots.mark().end
    mariadb.sql("INSERT INTO t VALUES (2)")
    assert chunk.sees(LogPosition(end.file, 4))
    assert not chunk.sees(snapshots.mark().end)


def test_without_gtids_a_chunk_waits_for_the_writers_of_its_table(without_gtids):
    world = without_gtids
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    snapshots, writer = world.open(), world.session()
    writer.query("BEGIN")
    writer.query("INSERT INTO t VALUES (2)")
    threading.Timer(1.5, writer.commit).start()
    chunk = snapshots.read_chunk(world.table, None, 9, PLENTY)
    assert ids(chunk) == [1, 2]
    assert any("waits for transactions" in sentence for sentence in world.said)
    assert world.said[-1] == ""
    assert chunk.snapshot_note["file"].startswith("binlog.")


def test_without_gtids_the_table_is_locked_for_a_moment_only(without_gtids):
    world = without_gtids
    fill(world, "id INT PRIMARY KEY, v INT", "g, 1", 10)
    chunk = world.open().read_keyless(world.table)
    world.sql("UPDATE t SET v = 2")
    assert {row["v"] for row in chunk.rows} == {1}


def test_a_wait_for_writers_ends_when_the_task_does(without_gtids):
    world = without_gtids
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    writer = world.session()
    writer.query("BEGIN")
    writer.query("INSERT INTO t VALUES (2)")
    with pytest.raises(Retriable) as stopped:
        world.open(stopping=lambda: True).read_chunk(world.table, None, 9, PLENTY)
    assert stopped.value.code == "stopping"
    writer.rollback()


def test_nobody_is_in_doubt_on_an_idle_server(world):
    assert set(world.open().in_doubt()) == set()


# Tables without a key.


def test_a_table_without_a_key_is_read_whole_as_it_was(world):
    fill(world, "v INT", "g", 900)
    chunk = world.open().read_keyless(world.table)
    world.sql("DELETE FROM t")
    assert sorted(row["v"] for row in chunk.rows) == list(range(1, 901))


def test_what_a_whole_read_saw_is_known_again_from_its_note(world):
    fill(world, "v INT", "g", 1)
    snapshots = world.open()
    chunk = snapshots.read_keyless(world.table)
    assert list(chunk.rows)
    assert from_note(chunk.snapshot_note, snapshots._server.uuid).to_note() == chunk.snapshot_note


def test_a_whole_read_that_is_left_ends_on_the_server(world):
    fill(world, "v INT, w TEXT", "g, REPEAT('x', 20000)", 900)
    snapshots = world.open()
    chunk = snapshots.read_keyless(world.table)
    next(iter(chunk.rows))
    snapshots.close()
    world.sql("ALTER TABLE t ADD COLUMN z INT")  # it would wait for a transaction that still reads the table


# The server.


def test_a_snapshot_that_reaches_another_server_is_tried_again(stack, mysql):
    mysql.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    snapshots = mysql.open()
    snapshots._config = MysqlConfig(url=stack.mariadb.address)
    with pytest.raises(Retriable) as moved:
        snapshots.mark()
    assert moved.value.code == "server_changed"


def test_a_link_that_breaks_is_made_again(world):
    fill(world, "id INT PRIMARY KEY", "g", 3)
    snapshots = world.open()
    first = snapshots.read_chunk(world.table, None, 1, PLENTY)
    world.server.execute(f"KILL {snapshots._connection().thread_id()}")
    with pytest.raises(Retriable) as broken:
        snapshots.read_chunk(world.table, first.last_key, 9, PLENTY)
    assert broken.value.code == "source_unreachable"
    assert ids(snapshots.read_chunk(world.table, first.last_key, 9, PLENTY)) == [2, 3]


def test_F177_the_least_rights_are_enough_and_a_missing_one_comes_with_its_grant(world):
    fill(world, "id INT PRIMARY KEY", "g", 3)
    user = f"s_least_{world.database}"
    monitor = (
        "BINLOG MONITOR"
        if world.server.execute("SELECT VERSION() LIKE '%MariaDB%'") == [(1,)]
        else "REPLICATION CLIENT"
    )
    world.sql(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'geheim'", f"GRANT {monitor} ON *.* TO '{user}'@'%'")
    try:
        place = urlsplit(world.server.address).netloc.rpartition("@")[2]
        snapshots = world.open(url=f"mysql://{user}:geheim@{place}/")
        with pytest.raises(Failed) as denied:
            snapshots.read_chunk(world.table, None, 9, PLENTY)
        assert denied.value.code == "permission"
        world.sql(denied.value.hint)
        assert ids(snapshots.read_chunk(world.table, None, 9, PLENTY)) == [1, 2, 3]
        with (
            pytest.raises(pymysql.Error),
            contextlib.closing(world.server.connect(user=user, password="geheim")) as session,
        ):
            session.query(f"INSERT INTO {world.table} VALUES (9)")
    finally:
        world.sql(f"DROP USER '{user}'@'%'")
