"""MySQL and MariaDB of the local stack: fit for change capture, and what a test may do to them."""

import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from connect.errors import ConnectError
from connect.local import debian, mysql, progress
from connect.local.download import Cache
from connect.local.home import Home
from connect.local.keeper import is_running
from connect.local.mariadb import VERSIONS
from connect.local.mysql_client import NamedServer
from connect.local.stack import Stack

pytestmark = pytest.mark.stack

KINDS = ["mysql", "mariadb"]
CLI = [sys.executable, "-c", "from connect.cli.local import app; app()"]


def new(stack, kind, name, **options):
    return (stack.new_mysql if kind == "mysql" else stack.new_mariadb)(f"l_{kind}_{name}", **options)


def eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def binlog_bytes(server):
    return sum(path.stat().st_size for path in server.binlogs)


@pytest.fixture(scope="module", params=KINDS)
def pair(request, stack):
    """A source and a replica that follows it with semi-sync."""
    source = new(stack, request.param, "source")
    return source, new(stack, request.param, "replica").follow(source, semi_sync=True)


@pytest.fixture
def table(pair):
    """A table of the source that the replica has too; emptied."""
    source, _replica = pair
    source.execute("CREATE DATABASE IF NOT EXISTS l_shop")
    source.execute("CREATE TABLE IF NOT EXISTS l_shop.t (id INT PRIMARY KEY)")
    source.execute("DELETE FROM l_shop.t")
    return "l_shop.t"


@pytest.mark.parametrize("kind", KINDS)
def test_binlog_has_whole_rows_and_full_metadata(stack, kind):
    asked = "SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata"

    assert getattr(stack, kind).execute(asked) == [(1, "ROW", "FULL", "FULL")]


def test_mysql_has_gtids(stack):
    assert stack.mysql.execute("SELECT @@gtid_mode, @@enforce_gtid_consistency") == [("ON", "ON")]


def test_mariadb_has_strict_gtids(stack):
    assert stack.mariadb.execute("SELECT @@gtid_strict_mode") == [(1,)]


@pytest.mark.parametrize("kind", KINDS)
def test_created_database_is_reached_by_its_url(stack, kind):
    server = getattr(stack, kind)

    url = server.create_database("l a shop")

    with closing(server.connect("l a shop")) as session:
        assert session.db == b"l a shop"
    assert url.endswith("/l%20a%20shop")


@pytest.mark.parametrize("kind", KINDS)
def test_account_with_a_password_is_let_in_from_this_machine(stack, kind):
    server = getattr(stack, kind)
    server.execute("CREATE USER l_cdc@'%' IDENTIFIED BY 'right'")

    server.connect(user="l_cdc", password="right").close()
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        server.connect(user="l_cdc", password="wrong")


@pytest.mark.parametrize("kind", KINDS)
def test_servers_do_not_run_as_root(stack, kind):
    server = getattr(stack, kind)

    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_killed_server_starts_again_with_its_port_id_and_rows(pair, table):
    source, replica = pair
    # MariaDB applies DDL and notes its GTID in two steps; killed between them it would apply it twice.
    replica.catch_up(source)
    before = replica.execute("SELECT @@port, @@server_id, @@datadir")

    replica.kill()
    replica.start()

    assert replica.execute("SELECT @@port, @@server_id, @@datadir") == before


def test_replica_has_an_id_of_its_own_and_all_rows(pair, table):
    source, replica = pair
    source.execute(f"INSERT INTO {table} VALUES (1)")

    replica.catch_up(source)

    assert replica.execute(f"SELECT id FROM {table}") == [(1,)]
    assert replica.execute("SELECT @@server_id") != source.execute("SELECT @@server_id")


def test_commit_is_in_the_binlog_but_not_visible_until_the_replica_acknowledges_it(pair, table):
    source, replica = pair
    replica.catch_up(source)
    source.wait_for_replicas(at_most=60)
    before = binlog_bytes(source)
    replica.pause()
    insert = threading.Thread(target=source.execute, args=(f"INSERT INTO {table} VALUES (2)",))
    insert.start()
    eventually(lambda: binlog_bytes(source) > before)

    hidden = source.execute(f"SELECT id FROM {table}")
    replica.resume()
    insert.join()

    assert hidden == []
    assert source.execute(f"SELECT id FROM {table}") == [(2,)]


def test_source_that_was_killed_follows_the_replica_that_took_its_place(pair, table):
    source, replica = pair
    replica.catch_up(source)
    source.kill()
    replica.promote()
    replica.execute(f"INSERT INTO {table} VALUES (3)")

    source.start()
    source.follow(replica, semi_sync=True).catch_up(replica)
    rows = source.execute(f"SELECT id FROM {table}")
    source.promote()
    replica.follow(source, semi_sync=True)  # as it was, for the other tests

    assert rows == [(3,)]


def test_replica_stays_read_only_through_a_restart(pair, table):
    _source, replica = pair

    replica.stop()
    replica.start()

    assert replica.execute("SELECT @@read_only") == [(1,)]


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_taken_at_first_and_changed_at_a_restart(stack, kind):
    server = new(stack, kind, "settings", settings={"binlog_row_metadata": "MINIMAL"})
    first = server.execute("SELECT @@binlog_row_metadata, @@log_bin")

    server.stop()
    server.configure({"skip_log_bin": None}).start()

    assert first == [("MINIMAL", 1)]
    assert server.execute("SELECT @@log_bin") == [(0,)]


@pytest.mark.parametrize("kind", KINDS)
def test_binlog_tool_prints_the_servers_binlog(stack, kind):
    server = getattr(stack, kind)
    server.execute("CREATE DATABASE l_printed")

    command = [server.binlog_tool, "--no-defaults", *server.binlogs]
    printed = subprocess.run(command, capture_output=True, check=True).stdout

    assert b"CREATE DATABASE l_printed" in printed  # as bytes: statements print in the character sets they came in


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_mariadb_starts(stack, version):
    server = stack.new_mariadb(f"l_v{version.replace('.', '_')}", version=version)

    assert server.execute("SELECT VERSION()")[0][0].startswith(f"{version}.")


@pytest.mark.parametrize("version", ["5.5", "11.40"])
def test_version_of_mariadb_that_is_not_to_be_had_is_told_the_others(stack, version):
    with pytest.raises(ConnectError, match=f"MariaDB {version}") as raised:
        stack.new_mariadb("l_absent", version=version)

    assert raised.value.code == "local_version_missing"
    assert "10.11" in raised.value.hint


def test_processor_without_a_build_of_mariadb_is_named(stack, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")

    with pytest.raises(ConnectError, match="x86_64 only") as raised:
        stack.new_mariadb("l_arm")

    assert raised.value.code == "local_unsupported_machine"


def test_mirror_that_is_not_reached_leaves_nothing_and_is_named(tmp_path, monkeypatch):
    home = Home(tmp_path, user=None)
    home.cache.mkdir()
    monkeypatch.setattr(debian, "_mirror", lambda _packages: "http://127.0.0.1:9/debian/")

    with pytest.raises(ConnectError, match="Could not connect to 127") as raised:
        debian.fetch(Cache(home, progress.silent(), threading.Event()), mysql.PACKAGES)

    assert raised.value.code == "local_download_failed"
    assert [path.name for path in home.cache.iterdir()] == [".mysql-9.7-debian.lock"]


@pytest.fixture(scope="module")
def secure():
    with Stack.start(KINDS, secure=True, say=progress.silent()) as stack:
        yield stack


@pytest.mark.parametrize("kind", KINDS)
def test_secure_server_wants_tls_and_the_password(secure, kind):
    server = getattr(secure, kind)
    login = {"host": "127.0.0.1", "port": server.port, "user": "root"}

    assert server.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
    with pytest.raises(pymysql.err.OperationalError, match="insecure transport"):
        pymysql.connect(**login, password=secure.security["password"], ssl_disabled=True)
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        pymysql.connect(**login, password="wrong", ssl_ca=secure.security["ca"])


@pytest.mark.parametrize("kind", KINDS)
def test_secure_server_is_followed_over_tls(secure, kind):
    source = getattr(secure, kind)
    source.execute("CREATE DATABASE l_followed")

    replica = new(secure, kind, "replica").follow(source).catch_up(source)

    assert ("l_followed",) in replica.execute("SHOW DATABASES")


def test_named_server_is_used_and_none_started(stack):
    with Stack(named={"mysql": stack.mysql.address}, say=progress.silent()) as other:
        assert other.mysql.execute("SELECT @@port") == [(stack.mysql.port,)]
        assert other.servers == {}


def connect_local(*words):
    return subprocess.run([*CLI, *words], capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.fixture
def detached():
    addresses = json.loads(connect_local("up", "--only", "mysql,mariadb", "--detach", "--json"))
    yield addresses
    for state in states_of(addresses):
        connect_local("down", state["id"])


def states_of(addresses):
    stacks = json.loads(connect_local("status", "--json"))["stacks"]
    wanted = set(addresses.values())
    return [s for s in stacks if {server["address"] for server in s["servers"].values()} == wanted]


def test_up_prints_urls_that_clients_use_as_they_are_and_down_ends_all(detached):
    [state] = states_of(detached)
    pids = [server["pid"] for server in state["servers"].values()]

    versions = [NamedServer(detached[kind]).execute("SELECT VERSION()")[0][0] for kind in KINDS]
    connect_local("down", state["id"])

    assert ["MariaDB" in version for version in versions] == [False, True]
    assert not any(is_running(pid) for pid in pids)
