"""Servers that are not one's own: managed platforms, and poolers in front of them."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from connect.api import Severity
from connect.errors import Failed
from connect.local import debian, progress
from connect.local.download import Cache
from connect.local.home import open_home
from connect.local.ports import free_ports
from connectors.postgres import PLUGIN

pytestmark = pytest.mark.stack

PGBOUNCER = debian.Packages(
    title="PgBouncer",
    version="1.18",
    suite="bookworm",
    names=("pgbouncer",),
    programs=("usr/sbin/pgbouncer",),
    size=12_000_000,
)
STEPS = [
    ("rds_superuser", "rds.logical_replication = 1", "GRANT rds_replication TO {role};"),
    ("cloudsqlsuperuser", "cloudsql.logical_decoding = on", "ALTER ROLE {role} REPLICATION;"),
    ("azure_pg_admin", "Server parameters", "ALTER ROLE {role} REPLICATION;"),
    ("supabase_admin", "postgres-config update", "ALTER ROLE {role} REPLICATION;"),
    ("neon_superuser", "press Enable", "console, CLI or API"),
]


def findings(world, **keys):
    return {finding.check: finding for finding in PLUGIN.preflight(world.config(**keys), world.context())}


@pytest.fixture
def platform(own_world):
    """A server as a platform has it: its role is there, and ours may log in and no more."""

    def made(role, **settings):
        world = own_world(**settings)
        world.sql(f"CREATE ROLE {role}", "CREATE ROLE cdc LOGIN")
        return world, world.server.url(world.database, user="cdc")

    return made


@pytest.mark.parametrize(("role", "logical", "replication"), STEPS)
def test_a_managed_server_is_told_its_platforms_steps(platform, role, logical, replication):
    world, url = platform(role, wal_level="replica")
    found = findings(world, url=url)

    assert logical in found["wal_level"].remedy
    assert not found["wal_level"].is_sql
    assert replication.format(role='"cdc"') in found["role"].remedy
    assert not any("ALTER SYSTEM" in finding.remedy for finding in found.values())
    with pytest.raises(Failed) as refused:
        world.open()
    assert logical in refused.value.hint


def test_on_rds_a_member_of_rds_replication_may_replicate(platform):
    world, url = platform("rds_superuser")
    world.sql("CREATE ROLE rds_replication", "GRANT rds_replication TO cdc")
    assert findings(world, url=url)["role"].severity is Severity.OK


def test_that_neon_drops_slots_is_told(platform):
    world, url = platform("neon_superuser")
    assert "40 hours" in findings(world, url=url)["platform"].message


@pytest.fixture
def pooled(world):
    """Start a PgBouncer with settings of its own; the URL of the world's database through it."""
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))  # where the pooler's user may go
    tree = debian.fetch(Cache(open_home(), progress.silent(), threading.Event()), PGBOUNCER)
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None  # it refuses to be root
    folder.chmod(0o755)
    started = []

    def start(**settings):
        [port] = free_ports(1)
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "session",
            **settings,
        }
        server = world.server
        database = f"{world.database} = host=127.0.0.1 port={server.port} dbname={world.database} user=postgres"
        text = "\n".join(f"{name} = {value}" for name, value in lines.items())
        (folder / "pgbouncer.ini").write_text(f"[databases]\n{database}\n[pgbouncer]\n{text}\n")
        (folder / "pgbouncer.ini").chmod(0o644)  # whatever umask a command under test has left behind
        command = [tree / debian.LAUNCHERS / "pgbouncer", folder / "pgbouncer.ini"]
        ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, **ids))
        wait_for_port(port)
        return f"postgresql://postgres@127.0.0.1:{port}/{world.database}"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
    shutil.rmtree(folder)


def wait_for_port(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def refusal(world, url):
    with pytest.raises(Failed) as refused:
        world.open(url=url)
    return refused.value


def test_a_pooler_is_recognised_and_the_way_round_it_told(world, pooled):
    url = pooled()
    refused = refusal(world, url)
    assert refused.code == "pooler"
    assert "1.23" in refused.hint
    assert findings(world, url=url)["pooler"].severity is Severity.PROBLEM


def test_a_pooler_that_drops_a_connections_settings_is_not_taken_for_the_server(world, pooled):
    url = pooled(ignore_startup_parameters="options,extra_float_digits")
    refused = refusal(world, url)
    assert refused.code == "pooler"
    assert "drops the settings" in refused.message
