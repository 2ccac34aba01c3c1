"""Rows are decoded by the columns that their table had at their position, whatever the log says of columns (V1, V2)."""

from __future__ import annotations

import contextlib
import itertools
import json
import uuid
from pathlib import Path

import pytest

from connect.api import Resume, TableOptions
from connect.api.source import SourceContext
from connect.errors import Failed
from connect.record import Op
from connect.schema.model import TableId
from connectors.mysql.config import MysqlConfig
from connectors.mysql.position import MysqlPosition
from connectors.mysql.source import MysqlSource

pytestmark = pytest.mark.stack

LINES = (Path(__file__).parents[2] / "data" / "mysql_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [line.split("\t") for line in LINES if not line.startswith("#")]
METADATA = [("mysql", "FULL"), ("mysql", "MINIMAL"), ("mariadb", "FULL"), ("mariadb", "MINIMAL"), ("mariadb", "NO_LOG")]


class Log:
    """A database of a test's own on a server whose log says of columns what the test wants."""

    def __init__(self, server, kind, spool) -> None:
        self.server = server
        self.kind = kind
        self.database = f"v_history_{uuid.uuid4().hex[:10]}"
        self._spool = spool
        self._resources = contextlib.ExitStack()
        server.execute(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        self._session = self._resources.enter_context(contextlib.closing(server.connect(self.database)))
        self.sql("SET sql_mode = ''")

    def sql(self, *statements):
        """Run them in one session."""
        with self._session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self._session.commit()

    def table(self, name="t"):
        """The table's name in full."""
        return TableId(self.database, name)

    def follow(self, *tables, resume=None):
        """A source that starts here, or goes on."""
        self._spool.mkdir(exist_ok=True)
        captured = {self.table(table): TableOptions() for table in tables or ("t",)}
        config = MysqlConfig(url=self.server.address, heartbeat="200ms", types={"bigint_unsigned": "precise"})
        source = MysqlSource(config, SourceContext("v", "history", captured, self._spool))
        self._resources.callback(source.close)
        return Reader(source, resume)

    def begin(self, *tables):
        """What a source that started here goes on from, once it has told its position and notes."""
        reader = self.follow(*tables)
        self.sql("FLUSH BINARY LOGS")
        reader.until(lambda: reader.notes)
        return reader.stop()

    def close(self):
        self._resources.close()
        self.server.execute(f"DROP DATABASE IF EXISTS {self.database}")


class Reader:
    """A source that is read; notes and position as the runtime keeps them."""

    def __init__(self, source, resume) -> None:
        self.source = source
        self.notes = dict(resume.notes) if resume else {}
        self.position = source.open(resume)

    def read(self, count):
        """So many changes."""
        found = []
        for _ in range(100):
            found += self.step()
            if len(found) >= count:
                return found
        raise AssertionError(f"{len(found)} changes of {count}")

    def step(self):
        """One read."""
        batch = self.source.read(0.1)
        if batch is None:
            return []
        self.position = batch.resume_after
        self.notes |= batch.notes
        self.notes = {name: note for name, note in self.notes.items() if note is not None}
        return batch.events

    def until(self, there):
        """Read until it holds."""
        for _ in range(100):
            if there():
                return
            self.step()
        raise AssertionError("it never came")

    def until_noted(self, table):
        """Read until the table's definition has changed."""
        name = f"definition:{table.schema}/{table.name}"
        before = self.notes.get(name)
        self.until(lambda: self.notes.get(name) != before)

    def stop(self):
        """What a next source goes on from."""
        self.source.close()
        position, notes = json.loads(json.dumps([self.position.to_json(), self.notes]))
        return Resume(MysqlPosition.from_json(position), notes)


@pytest.fixture(scope="module")
def servers(stack):
    quick = {"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "0"}  # nobody cuts the power here
    made = {
        "mysql": stack.new_mysql("v_mysql_history", settings=quick),
        "mariadb": stack.new_mariadb("v_mariadb_history", settings=quick),
    }
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture(params=METADATA, ids=" ".join)
def log(servers, request, tmp_path):
    kind, metadata = request.param
    servers[kind].execute(f"SET GLOBAL binlog_row_metadata = {metadata}")
    made = Log(servers[kind], kind, tmp_path / "spool")
    made.full = metadata == "FULL"
    yield made
    made.close()


def values(events):
    return [(event.after or event.before).to_dict() for event in events]


def test_F75_every_vector_is_right_whatever_the_log_says_of_columns(log):
    """The columns come while the log is read: what they are is known of the statement alone."""
    types = {}
    for type_name, server, *_, sql, _, _ in VECTORS:
        if server in {"both", log.kind}:
            types.setdefault(type_name, []).append(sql)
    rows = list(itertools.zip_longest(*types.values(), fillvalue="NULL"))
    log.sql("SET innodb_strict_mode = OFF", "CREATE TABLE t (id int PRIMARY KEY)")
    reader = log.follow()
    log.sql("ALTER TABLE t " + ", ".join(f"ADD c{n} {type_name} NULL" for n, type_name in enumerate(types)))
    log.sql(*(f"INSERT INTO t VALUES ({i}, {', '.join(row)})" for i, row in enumerate(rows)))

    known_by_statement = [repr(event.after.values()[1:]) for event in reader.read(len(rows))]

    log.server.execute("SET GLOBAL binlog_row_metadata = FULL")
    reader = log.follow()
    log.sql("UPDATE t SET id = id + 1000 ORDER BY id DESC")
    told_by_the_log = [repr(event.after.values()[1:]) for event in reader.read(len(rows))]
    assert known_by_statement == told_by_the_log[::-1]


def test_F50_rows_older_than_an_alter_have_the_columns_of_their_time(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b int, c varchar(5))")
    resume = log.begin()
    log.sql(
        "INSERT INTO t VALUES (1, 10, 20, 'x')",
        "ALTER TABLE t DROP c, MODIFY b int FIRST, CHANGE a z int unsigned",
        "INSERT INTO t VALUES (20, 2, 4294967295)",
        "ALTER TABLE t RENAME COLUMN z TO a, ADD c varchar(3) CHARACTER SET latin1 AFTER id, ALGORITHM = INSTANT"
        if log.kind == "mysql"
        else "ALTER TABLE t CHANGE z a int unsigned, ADD c varchar(3) CHARACTER SET latin1 AFTER id",
        "INSERT INTO t VALUES (20, 3, 'é', 5)",
    )

    events = log.follow(resume=resume).read(3)

    assert values(events) == [
        {"id": 1, "a": 10, "b": 20, "c": "x"},
        {"b": 20, "id": 2, "z": 4294967295},
        {"b": 20, "id": 3, "c": "é", "a": 5},
    ]
    assert [event.after.key for event in events] == [(1,), (2,), (3,)]


def test_V2_a_restart_goes_on_with_the_columns_of_its_notes(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    reader = log.follow()
    log.sql("INSERT INTO t VALUES (1, 1)", "ALTER TABLE t CHANGE a b int", "INSERT INTO t VALUES (2, 2)")
    reader.read(2)
    resume = reader.stop()
    log.sql("INSERT INTO t VALUES (3, 3)", "ALTER TABLE t CHANGE b c int, ADD d int", "INSERT INTO t VALUES (4, 4, 4)")

    events = log.follow(resume=resume).read(2)

    assert values(events) == [{"id": 3, "b": 3}, {"id": 4, "c": 4, "d": 4}]


@pytest.mark.parametrize("tool", ["ghost", "pt-osc"])
def test_F53_a_table_that_is_swapped_in_goes_on_under_its_name(log, tool):
    log.sql("CREATE TABLE t (id int PRIMARY KEY, a int)", "INSERT INTO t VALUES (1, 1)")
    reader = log.follow()
    log.sql("INSERT INTO t VALUES (2, 2)")
    if tool == "ghost":
        log.sql(
            "CREATE /* gh-ost */ TABLE `_t_gho` LIKE `t`",
            "ALTER /* gh-ost */ TABLE `_t_gho` CHANGE a b bigint, ADD c int NOT NULL DEFAULT 7 AFTER id",
            "INSERT /* gh-ost */ IGNORE INTO `_t_gho` (id, b) SELECT id, a FROM t",
            "CREATE TABLE `_t_del` (id int auto_increment primary key) engine=InnoDB comment='ghost-cut-over-sentry'",
            "DROP TABLE `_t_del`",
            "RENAME /* gh-ost */ TABLE `t` TO `_t_del`, `_t_gho` TO `t`",
        )
    else:
        log.sql(
            "CREATE TABLE `_t_new` (`id` int NOT NULL, `a` int DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB",
            "ALTER TABLE `_t_new` CHANGE a b bigint, ADD c int NOT NULL DEFAULT 7 AFTER id",
            "INSERT LOW_PRIORITY IGNORE INTO `_t_new` (id, b) SELECT id, a FROM t",
            f"RENAME TABLE `{log.database}`.`t` TO `{log.database}`.`_t_old`, `_t_new` TO `{log.database}`.`t`",
        )
    log.sql("INSERT INTO t VALUES (3, 8, 3)")

    events = reader.read(2)

    assert values(events) == [{"id": 2, "a": 2}, {"id": 3, "c": 8, "b": 3}]


def test_F73_a_truncated_table_is_emptied(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = log.follow()
    log.sql("TRUNCATE TABLE t", "INSERT INTO t VALUES (2)")

    first, second = reader.read(2)

    assert (first.op, first.after, first.table) == (Op.TRUNCATE, None, log.table())
    assert second.after.to_dict() == {"id": 2}
    assert first.shape.schema == second.shape.schema


def test_F73_a_table_that_is_dropped_and_made_again_is_emptied_when_it_is_there_again(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = log.follow()
    log.sql("INSERT INTO t VALUES (2)")
    reader.read(1)
    log.sql("DROP TABLE t")
    reader.until_noted(log.table())
    resume = reader.stop()
    log.sql("CREATE TABLE t (k varchar(5) PRIMARY KEY)", "INSERT INTO t VALUES ('x')")

    first, second = log.follow(resume=resume).read(2)

    assert first.op is Op.TRUNCATE
    assert second.after.to_dict() == {"k": "x"}


def test_F53_a_swap_in_two_steps_goes_on_and_a_restart_between_them_too(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = log.follow()
    log.sql("CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD c int DEFAULT 7", "INSERT INTO _t_gho (id) SELECT 1")
    log.sql("INSERT INTO t VALUES (2)", "INSERT INTO _t_gho (id) VALUES (2)")
    before = reader.read(1)
    log.sql("ALTER TABLE t RENAME _t_del")
    reader.until_noted(log.table())
    resume = reader.stop()
    log.sql("ALTER TABLE _t_gho RENAME t", "INSERT INTO t VALUES (3, 8)", "DROP TABLE _t_del", "DELETE FROM t")

    after = log.follow(resume=resume).read(4)

    assert values(before) == [{"id": 2}]
    assert values(after[:1]) == [{"id": 3, "c": 8}]
    assert [event.op for event in after] == [Op.CREATE, *[Op.DELETE] * 3]


def test_a_table_that_gets_a_name_outside_the_file_stops_the_source(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)")
    reader = log.follow()
    log.sql("RENAME TABLE t TO gone", "INSERT INTO gone VALUES (1)")

    with pytest.raises(Failed) as failure:
        reader.read(1)

    assert failure.value.code == "table_renamed"


def test_a_table_made_of_a_query_has_its_rows(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    reader = log.follow()
    log.sql(
        "DROP TABLE t",
        "CREATE TABLE t (PRIMARY KEY (id)) SELECT 7 AS id, CAST('x' AS CHAR(3)) AS v UNION SELECT 8, 'é'",
    )

    emptied, *rows = reader.read(3)

    assert emptied.op is Op.TRUNCATE
    assert values(rows) == [{"id": 7, "v": "x"}, {"id": 8, "v": "é"}]


def test_F49_an_alter_that_the_log_lacks_is_noticed(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    reader = log.follow()
    log.sql(
        "SET sql_log_bin = 0", "ALTER TABLE t ADD b int FIRST", "SET sql_log_bin = 1", "INSERT INTO t VALUES (1, 2, 3)"
    )

    if log.full:
        assert values(reader.read(1)) == [{"b": 1, "id": 2, "a": 3}]
        return
    with pytest.raises(Failed) as failure:
        reader.read(1)
    assert failure.value.code == "schema_mismatch"


def test_F52_a_statement_that_is_not_understood_is_harmless_or_stops_at_its_rows(log):
    """Which of two unique indexes made the key of a table without a primary key cannot be told from DROP INDEX."""
    log.sql("CREATE TABLE t (a int NOT NULL, b int NOT NULL, UNIQUE u (a), UNIQUE v (b))")
    reader = log.follow()
    log.sql("ALTER TABLE t DROP INDEX u, ADD c int", "INSERT INTO t VALUES (1, 2, 3)")

    if log.full:
        (insert,) = reader.read(1)
        assert (insert.after.to_dict(), insert.after.key) == ({"a": 1, "b": 2, "c": 3}, (2,))
        return
    with pytest.raises(Failed) as failure:
        reader.read(1)
    assert failure.value.code == "ddl_not_understood"
    assert "ALTER TABLE t DROP INDEX u" in failure.value.message


def test_F52_a_statement_that_is_not_understood_is_asked_of_the_catalogue_where_nothing_follows_it(log):
    log.sql("CREATE TABLE t (a int NOT NULL, b int NOT NULL, UNIQUE u (a), UNIQUE v (b))")
    reader = log.follow()
    log.sql("INSERT INTO t VALUES (0, 1)")
    reader.read(1)
    log.sql("ALTER TABLE t DROP INDEX u, ADD c int")
    reader.until_noted(log.table())
    log.sql("INSERT INTO t VALUES (1, 2, 3)")

    (insert,) = reader.read(1)

    assert (insert.after.to_dict(), insert.after.key) == ({"a": 1, "b": 2, "c": 3}, (2,))


def test_a_table_that_the_file_names_later_begins_as_the_catalogue_has_it(log):
    log.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY, a int)")
    resume = log.begin("t")
    log.sql("INSERT INTO u VALUES (1, 2)")

    reader = log.follow("t", "u", resume=resume)

    assert values(reader.read(1)) == [{"id": 1, "a": 2}]
    log.sql("ALTER TABLE u ADD b int FIRST", "INSERT INTO u VALUES (3, 4, 5)")
    assert values(reader.read(1)) == [{"b": 3, "id": 4, "a": 5}]


def test_a_statement_may_spell_a_table_otherwise_where_the_server_does_not_care(stack, tmp_path):
    server = stack.new_mariadb("v_lower", settings={"lower_case_table_names": "1", "binlog_row_metadata": "NO_LOG"})
    log = Log(server, "mariadb", tmp_path / "spool")
    log.sql("CREATE TABLE T (id int PRIMARY KEY)")
    reader = log.follow("t")
    log.sql("ALTER TABLE T ADD a int FIRST", "INSERT INTO t VALUES (1, 2)")

    try:
        assert values(reader.read(1)) == [{"a": 1, "id": 2}]
    finally:
        log.close()
        server.stop()


@pytest.fixture
def mariadb(servers, tmp_path):
    servers["mariadb"].execute("SET GLOBAL binlog_row_metadata = FULL")
    made = Log(servers["mariadb"], "mariadb", tmp_path / "spool")
    yield made
    made.close()


def test_a_table_that_keeps_its_old_rows_is_refused_at_the_start(mariadb):
    """An UPDATE of it logs the old row as inserted: after the new one, under its key."""
    mariadb.sql("CREATE TABLE t (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING")

    with pytest.raises(Failed) as failure:
        mariadb.follow()

    assert failure.value.code == "system_versioned"


def test_a_table_that_begins_to_keep_its_old_rows_is_refused(mariadb):
    mariadb.sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    reader = mariadb.follow()
    mariadb.sql("ALTER TABLE t ADD SYSTEM VERSIONING", "INSERT INTO t VALUES (1, 1)")

    with pytest.raises(Failed) as failure:
        reader.read(1)

    assert failure.value.code == "system_versioned"


@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL", "NO_LOG"])
def test_the_temporal_forms_of_old_tables_are_read_by_their_definition(servers, metadata, tmp_path):
    """A table map has not even the digits of their fractions (types.md A11)."""
    server = servers["mariadb"]
    server.execute(f"SET GLOBAL binlog_row_metadata = {metadata}")
    server.execute("SET GLOBAL mysql56_temporal_format = OFF")
    log = Log(server, "mariadb", tmp_path / "spool")
    kinds = [f"{kind}({digits}) NULL" for kind in ("datetime", "time", "timestamp") for digits in range(7)]
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(kinds))
    log.sql(f"CREATE TABLE t (id int PRIMARY KEY, {columns})", f"CREATE TABLE u (id int PRIMARY KEY, {columns})")
    server.execute("SET GLOBAL mysql56_temporal_format = ON")
    log.sql(f"CREATE TABLE v (id int PRIMARY KEY, {columns})")
    reader = log.follow("t", "u", "v")
    values = []
    for datetime, time in [("2018-06-20 15:13:16.945104", "-12:34:56.789012"), ("1999-12-31 23:59:59", "838:59:58.5")]:
        values.append(", ".join([f"'{datetime}'"] * 7 + [f"'{time}'"] * 7 + [f"'{datetime}'"] * 7))
    values.append(", ".join(["'0000-00-00'"] * 7 + ["'00:00:00'"] * 7 + ["'0000-00-00'"] * 7))
    for table in ("t", "u", "v"):
        log.sql(*(f"INSERT INTO {table} VALUES ({i}, {row})" for i, row in enumerate(values)))

    events = reader.read(9)

    log.close()
    rows = {name: [event.after.to_dict() for event in events if event.table.name == name] for name in ("t", "u", "v")}
    assert rows["t"] == rows["u"] == rows["v"]
    assert rows["t"][2]["c6"] is None
