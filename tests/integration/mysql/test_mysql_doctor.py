"""``doctor`` and ``discover`` on real servers: each problem by name, with the SQL that mends it."""

from __future__ import annotations

import contextlib
import itertools
from urllib.parse import urlsplit

import pytest

from connect.api import Severity, SourceContext, TableOptions
from connect.cli.doctor import script
from connect.errors import Failed
from connect.runtime.doctor import Checked
from connect.schema.model import TableId
from connectors.mysql import PLUGIN
from connectors.mysql.config import MysqlConfig

pytestmark = pytest.mark.stack

_numbers = itertools.count()
PASSWORD = "geheim"


class World:
    """A database and an account of a test's own."""

    def __init__(self, server, folder):
        self.server = server
        self.database = f"s_doctor_{next(_numbers)}"
        self.user = self.database
        self.folder = folder
        server.execute(f"DROP DATABASE IF EXISTS {self.database}")
        server.create_database(self.database)
        server.execute(f"CREATE USER '{self.user}'@'%' IDENTIFIED BY '{PASSWORD}'")

    @property
    def mariadb(self):
        return "MariaDB" in self.server.execute("SELECT VERSION()")[0][0]

    def sql(self, *statements):
        rows = []
        for statement in statements:
            rows = self.server.execute(statement, database=self.database)
        return rows

    def url(self):
        return self.server.url(user=self.user, password=PASSWORD)

    def findings(self, *names, options=None, **keys):
        tables = {TableId(self.database, name): options or TableOptions() for name in names or ("t",)}
        context = SourceContext("shop", self.database, tables, self.folder)
        return list(PLUGIN.preflight(MysqlConfig(**{"url": self.server.address, **keys}), context))

    def close(self):
        self.server.execute(f"DROP DATABASE {self.database}")
        self.server.execute(f"DROP USER '{self.user}'@'%'")


@pytest.fixture(params=["mysql", "mariadb"])
def world(stack, request, tmp_path):
    made = World(getattr(stack, request.param), tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def unfit(stack, request):
    """A server with settings that an operator would have to mend."""
    settings = {
        "binlog_row_image": "MINIMAL",
        "binlog_row_metadata": "MINIMAL",
        "binlog_expire_logs_seconds": "3600",
        "sync_binlog": "0",
        "binlog_ignore_db": "s_ignored",
        "binlog_format": "MIXED",
    }
    if request.param == "mysql":
        settings |= {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
    server = getattr(stack, f"new_{request.param}")(f"s_unfit_{request.param}", settings=settings)
    yield server
    server.stop()


def one(found, check, severity):
    return next(finding for finding in found if finding.check == check and finding.severity is severity)


def problems(found):
    return {finding.check for finding in found if finding.severity is Severity.PROBLEM}


def warnings(found):
    return {finding.check for finding in found if finding.severity is Severity.WARNING}


def run(world, remedy):
    """The statements of a remedy, without its remarks."""
    for statement in remedy.split("--")[0].split(";"):
        if statement.strip():
            world.sql(statement)


def test_a_fit_server_has_no_problems(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
    found = world.findings()
    assert problems(found) == set()
    assert one(found, "gtid_mode", Severity.OK)
    assert one(found, f"{world.database}.t", Severity.OK)
    assert "superuser" in one(found, "account", Severity.WARNING).message
    assert all(finding.remedy for finding in found if finding.severity is not Severity.OK)


def test_F177_each_missing_right_comes_with_its_grant_and_with_them_all_is_well(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE u (id INT PRIMARY KEY)")
    found = world.findings("t", "u", url=world.url())
    assert problems(found) == {"rights", f"{world.database}.t", f"{world.database}.u"}
    monitor = "BINLOG MONITOR" if world.mariadb else "REPLICATION CLIENT"
    grant = one(found, "rights", Severity.PROBLEM).remedy
    assert grant == f"GRANT REPLICATION SLAVE, {monitor} ON *.* TO '{world.user}'@'%';"
    needed = [Checked("shop", finding, PLUGIN.session) for finding in found if finding.severity is Severity.PROBLEM]
    world.sql(*(line for line in script(needed).splitlines() if line and not line.startswith("--")))
    found = world.findings("t", "u", url=world.url())
    assert problems(found) == set()
    assert "account" not in warnings(found)


def test_rights_that_come_by_a_role_count(world):
    role = f"r_{world.database}"
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)", f"CREATE ROLE {role}")
    monitor = "BINLOG MONITOR" if world.mariadb else "REPLICATION CLIENT"
    world.sql(f"GRANT REPLICATION SLAVE, {monitor} ON *.* TO {role}", f"GRANT SELECT ON {world.database}.* TO {role}")
    to = f"'{world.user}'@'%'"
    world.sql(f"GRANT {role} TO {to}")
    world.sql(f"SET DEFAULT ROLE {role} FOR {to}" if world.mariadb else f"SET DEFAULT ROLE {role} TO {to}")
    assert problems(world.findings(url=world.url())) == set()
    world.sql(f"DROP ROLE {role}")


def test_a_wrong_password_is_the_only_finding(world):
    place = urlsplit(world.server.address).netloc.rpartition("@")[2]
    found = world.findings(url=f"mysql://{world.user}:falsch@{place}/")
    assert [finding.check for finding in found] == ["password"]
    assert "falsch" not in str(found)


def test_a_server_that_is_not_there_is_the_only_finding(world):
    found = world.findings(url="mysql://root@127.0.0.1:9/")
    assert [finding.check for finding in found] == ["source_unreachable"]


def test_tables_and_columns_that_do_not_exist_are_named(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT 1 AS one")
    found = world.findings("t", "gone", "v", options=TableOptions(columns=("id", "nope"), key=("nix",)))
    told = {finding.message for finding in found if finding.severity is Severity.PROBLEM}
    assert {"it has no column 'nope'", "it has no column 'nix'", f"{world.database}.v is no base table"} < told
    assert f"there is no table {world.database}.gone" in told


def test_a_table_without_a_key_is_told_with_what_it_means(world):
    world.sql("CREATE TABLE t (v INT)", "CREATE TABLE p (k TEXT NOT NULL, PRIMARY KEY (k(9)))")
    found = world.findings("t", "p")
    assert "event view" in one(found, f"{world.database}.t", Severity.WARNING).message
    assert "prefixes" in one(found, f"{world.database}.p", Severity.WARNING).message


def test_F71_another_engine_is_told(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY) ENGINE = MyISAM")
    found = world.findings()
    run(world, one(found, f"{world.database}.t", Severity.WARNING).remedy)
    assert one(world.findings(), f"{world.database}.t", Severity.OK)


def test_F48_cascades_name_the_child_whose_changes_are_not_in_the_log(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    world.sql("CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE)")
    told = [finding.message for finding in world.findings() if "ON DELETE CASCADE" in finding.message]
    version = tuple(map(int, world.sql("SELECT VERSION()")[0][0].split("-")[0].split(".")))
    if not world.mariadb and version >= (9, 6):
        assert told == []  # these have them in the log
    else:
        assert f"{world.database}.child" in told[0]


def test_F48_cascades_are_told_to_an_account_that_may_read_only(world):
    world.sql(
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t (id) ON UPDATE SET NULL)",
        "CREATE TABLE other (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t (id) ON DELETE RESTRICT)",
        f"GRANT SELECT ON {world.database}.* TO '{world.user}'@'%'",
    )

    def told(**keys):
        return [finding.message for finding in world.findings(**keys) if "(F48)" in finding.message]

    assert told(url=world.url()) == told()
    assert len(told()) == world.mariadb


def test_F177_an_account_that_sees_no_table_of_the_file_is_told_what_to_grant(world):
    context = SourceContext("shop", world.database, {}, world.folder)
    found = list(PLUGIN.preflight(MysqlConfig(url=world.url()), context))

    remedy = one(found, "select", Severity.PROBLEM).remedy
    assert remedy.startswith(f"GRANT SELECT ON `database`.* TO '{world.user}'@'%';")


def test_S8_prepared_transactions_are_told_with_a_statement_that_lists_them(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    with contextlib.closing(world.server.connect(world.database)) as session, session.cursor() as cursor:
        for statement in ("XA START 'p'", "INSERT INTO t VALUES (1)", "XA END 'p'", "XA PREPARE 'p'"):
            cursor.execute(statement)
    try:
        run(world, one(world.findings(), "xa", Severity.WARNING).remedy)
    finally:
        world.sql("XA ROLLBACK 'p'")


def test_F65_the_servers_own_id_is_not_ours(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    ((theirs,),) = world.sql("SELECT @@server_id")
    found = world.findings(server_id=theirs)
    assert one(found, "server_id", Severity.PROBLEM).remedy.startswith(f"server_id: {theirs + 1}")


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_F65_the_id_of_another_replica_is_not_ours(stack, tmp_path, kind):
    server = getattr(stack, f"new_{kind}")(f"s_ids_{kind}")
    replica = getattr(stack, f"new_{kind}")(f"s_ids_{kind}_replica").follow(server)
    world = World(server, tmp_path)
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    ((taken,),) = replica.execute("SELECT @@server_id")
    assert "another replica" in one(world.findings(server_id=taken), "server_id", Severity.PROBLEM).message
    assert one(world.findings(server_id=taken + 1), "server_id", Severity.OK)
    replica.stop()
    server.stop()


def test_settings_that_bite_later_come_with_what_mends_them(unfit, tmp_path):
    world = World(unfit, tmp_path)
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    found = world.findings()
    settings = {"binlog_row_image", "binlog_row_metadata", "binlog_expire_logs_seconds", "sync_binlog"}
    mendable = {"binlog_format", *settings}
    assert problems(found) == {"binlog_format"}
    assert {*settings, "binlog_do_db"} <= warnings(found)
    assert ("gtid_mode" in warnings(found)) == (not world.mariadb)
    for finding in found:
        if finding.check in mendable:
            run(world, finding.remedy)
    after = world.findings()
    assert mendable & (problems(after) | warnings(after)) == set()


def test_without_gtids_each_chunk_needs_the_right_to_lock(stack, tmp_path):
    server = stack.new_mysql("s_lock_right", settings={"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"})
    world = World(server, tmp_path)
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)", f"GRANT SELECT ON {world.database}.* TO '{world.user}'@'%'")
    world.sql(f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{world.user}'@'%'")
    found = world.findings(url=world.url())
    assert problems(found) == {f"{world.database}.t"}
    remedy = one(found, f"{world.database}.t", Severity.PROBLEM).remedy
    assert remedy == f"GRANT LOCK TABLES ON `{world.database}`.* TO '{world.user}'@'%';"
    run(world, remedy)
    assert problems(world.findings(url=world.url())) == set()
    server.stop()


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_server_without_a_log_is_told_how_to_get_one(stack, tmp_path, kind):
    settings = {"skip_log_bin": None, "log_bin": "0"} if kind == "mysql" else {"skip_log_bin": None}
    server = getattr(stack, f"new_{kind}")(f"s_no_log_{kind}", settings=settings)
    with contextlib.closing(World(server, tmp_path)) as world:
        world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
        assert "log_bin" in problems(world.findings())
    server.stop()


def test_prepared_xa_transactions_are_told(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    with contextlib.closing(world.server.connect(world.database)) as session:
        for statement in ("XA START 's'", "INSERT INTO t VALUES (1)", "XA END 's'", "XA PREPARE 's'"):
            session.query(statement)
    try:
        assert "xa" in warnings(world.findings())
    finally:
        world.sql("XA ROLLBACK 's'")


def test_tables_are_discovered_with_key_size_and_notes(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'x')", "ANALYZE TABLE t")
    world.sql("CREATE TABLE keyless (v INT) ENGINE = MyISAM", "CREATE VIEW v AS SELECT 1 AS one")
    found = {
        info.table.name: info
        for info in PLUGIN.discover(MysqlConfig(url=world.server.address))
        if info.table.schema == world.database
    }
    assert set(found) == {"t", "keyless"}
    assert found["t"].schema.key == ("id",)
    assert (found["t"].identity, found["t"].rows) == (None, 1)
    assert found["t"].bytes > 0
    assert len(found["keyless"].notes) == 2


def test_the_servers_own_databases_are_no_tables_to_capture(world):
    schemas = {info.table.schema for info in PLUGIN.discover(MysqlConfig(url=world.server.address))}
    assert not schemas & {"mysql", "information_schema", "performance_schema", "sys"}


def test_an_account_without_rights_discovers_nothing(world):
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    assert [i for i in PLUGIN.discover(MysqlConfig(url=world.url())) if i.table.schema == world.database] == []


def test_a_database_of_the_url_that_does_not_exist_is_told(world):
    with pytest.raises(Failed) as failed:
        PLUGIN.discover(MysqlConfig(url=f"{world.server.address}s_nowhere"))
    assert failed.value.code == "database_missing"


def test_statements_that_include_query_asks_for_and_that_are_not_logged_come_with_the_setting(world):
    setting, there = ("binlog_annotate_row_events", True) if world.mariadb else ("binlog_rows_query_log_events", False)

    [found] = [finding for finding in world.findings(include_query=True) if finding.check == setting]

    assert (found.severity.value == "ok", setting in found.remedy) == (there, not there)
    assert setting not in {finding.check for finding in world.findings()}


def test_a_table_that_keeps_its_old_rows_is_a_problem(stack, tmp_path):
    world = World(stack.mariadb, tmp_path)
    world.sql("CREATE TABLE t (id int PRIMARY KEY) WITH SYSTEM VERSIONING")

    [found] = [finding for finding in world.findings() if finding.check == f"{world.database}.t"]

    assert (found.severity.value, "DROP SYSTEM VERSIONING" in found.remedy) == ("problem", True)
    world.close()
