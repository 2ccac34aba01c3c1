"""Workers on a secure stack: with the rights of `plan --acls` and no more, and while passwords are changed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
import uuid

import psycopg
import pytest

from connect.config.load import load_config

pytestmark = pytest.mark.stack

FILE = """\
name: {group}
worker: {{listen: "127.0.0.1:0"}}
kafka:
  bootstrap: "{kafka}"
  security: {{tls: {{ca: "{ca}"}}, sasl: {{username: {user}, password: "${{file:{folder}/kafka}}"}}}}
sources:
  shop:
    plugin: postgres
    url: "postgresql://{role}@127.0.0.1:{port}/{group}?sslmode=verify-full&sslrootcert={ca}"
    password: "${{file:{folder}/postgres}}"
    topic_prefix: {group}-shop
    tables: ["public.*"]
sinks:
  copy: {{plugin: sql, url: "sqlite:///{folder}/copy.db", topics: ["{group}-shop.*.*"], on_error: dead_letter}}
"""


class Site:
    """A database with one row, a role, a Kafka user and a file for them."""

    def __init__(self, secure, cluster, folder):
        self.group = f"s{uuid.uuid4().hex[:8]}"
        self.user, self.role = f"{self.group}-kafka", f"{self.group}_role"
        self.cluster, self.server, self.folder = cluster, secure.postgres, folder
        self.server.create_database(self.group)
        self.sql("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
        self.sql(f"CREATE ROLE {self.role} SUPERUSER LOGIN")
        self.change_passwords("first")
        self.give_passwords("first")
        self.file = folder / "worker.yaml"
        values = {
            "group": self.group,
            "kafka": cluster.broker.address,
            "ca": secure.security["ca"],
            "user": self.user,
            "role": self.role,
            "port": self.server.port,
            "folder": folder,
        }
        self.file.write_text(FILE.format(**values))

    def sql(self, *statements):
        with psycopg.connect(self.server.url(self.group), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def change_passwords(self, word):
        """On the servers."""
        self.cluster.user(self.user, f"kafka-{word}")
        self.sql(f"ALTER ROLE {self.role} PASSWORD 'postgres-{word}'")

    def give_passwords(self, word):
        """To the worker."""
        for name in ("kafka", "postgres"):
            (self.folder / name).write_text(f"{name}-{word}\n")

    def wait_for_copy(self, rows):
        """Of the table, at the sink."""
        deadline = time.monotonic() + 120
        with contextlib.closing(sqlite3.connect(self.folder / "copy.db")) as copy:
            while _count(copy) != rows:
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def rights(self, connect):
        """What `plan --acls` asks for."""
        return json.loads(connect("plan", "--acls", "--json", self.file))["rights"]


def _count(copy):
    """Rows that are there; 0 while the table is not."""
    made = copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'orders'").fetchone()
    return copy.execute("SELECT count(*) FROM orders").fetchone()[0] if made else 0


@pytest.fixture
def site(secure, cluster, tmp_path):
    made = Site(secure, cluster, tmp_path)
    yield made
    made.cluster.revoke(made.user)
    admin = made.server
    admin.execute(
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{made.group}'"
    )
    admin.execute(f'DROP DATABASE "{made.group}" WITH (FORCE)')


def test_the_rights_of_plan_acls_are_enough_for_source_and_sink(site, connect, run):
    site.cluster.grant(site.user, site.rights(connect))

    worker = run(site.file)

    worker.wait("shop", "STREAMING")
    worker.wait("copy", "LIVE")
    site.wait_for_copy(1)


def test_init_reads_a_cluster_with_the_log_in_of_a_file_and_writes_it_without_the_secret(
    site, secure, connect, run, tmp_path
):
    site.cluster.grant(site.user, site.rights(connect))
    run(site.file).wait("shop", "STREAMING")
    made = tmp_path / "service.yaml"

    said = subprocess.run(
        [sys.executable, "-m", "connect", "init", "--servers", site.file, "--name", f"{site.group}-2", "-o", made],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert said.returncode == 0, said.stderr
    config = load_config([made])
    [selection] = config.sinks["warehouse"].topics
    assert selection.pattern.text == f"{site.group}-shop.public.orders"
    assert f"password: ${{file:{site.folder}/kafka}}" in made.read_text()
    assert "kafka-first" not in made.read_text()
    made.write_text(made.read_text().replace("sqlite:///warehouse.db", f"sqlite:///{tmp_path}/warehouse.db"))
    site.cluster.grant(site.user, json.loads(connect("plan", "--acls", "--json", made))["rights"])
    run(made).wait("warehouse", "LIVE")


def test_init_of_a_cluster_that_wants_tls_says_what_it_wants(site, tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "connect", "init", "--kafka", site.cluster.broker.address, "-o", tmp_path / "x.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert said.returncode == 1
    assert "kafka.security says what they want: one that wants TLS" in said.stderr
    assert not (tmp_path / "x.yaml").exists()


def test_doctor_names_others_that_may_write_to_our_topics(site, connect):
    def writers():
        found = json.loads(connect("doctor", "--json", site.file))["findings"]
        return [f"{each['severity']}: {each['message']}" for each in found if each["check"] == "writers"]

    site.cluster.grant(site.user, site.rights(connect))
    [unknown] = writers()
    site.cluster.grant("app", [{"resource": "topic", "name": f"{site.group}-shop.", "pattern": "prefixed",
                                "operations": ["Write"]}])  # fmt: skip
    site.cluster.grant(site.user, [{"resource": "broker", "name": "kafka-cluster", "pattern": "literal",
                                    "operations": ["Describe"]}])  # fmt: skip
    [known] = writers()
    site.cluster.revoke("app")

    assert unknown.startswith("warning: who else may write to our topics is not known")
    assert known == (f"warning: User:app may write to our topics too, by its right on {site.group}-shop.*")


def test_doctor_says_that_the_rights_are_not_granted_yet(site, connect):
    def rights():
        found = json.loads(connect("doctor", "--json", site.file))["findings"]
        [one] = [each for each in found if each["check"] in {"rights", "kafka_permission"}]
        return one["severity"], one["remedy"]

    before = rights()
    site.cluster.grant(site.user, site.rights(connect))

    assert before[0] == "problem"
    assert "--acls" in before[1]
    assert rights() == ("ok", "")


def test_doctor_names_each_right_on_a_group_that_is_missing(site, connect):
    def told():
        found = json.loads(connect("doctor", "--json", site.file))["findings"]
        return [f"{each['severity']}: {each['message']}" for each in found if each["check"] == "group_rights"]

    rights = site.rights(connect)
    without = [{**each, "operations": ["Describe"]} if each["resource"] == "group" else each for each in rights]
    site.cluster.grant(site.user, without[:1])
    before = told()
    site.cluster.grant(site.user, without)
    described = told()
    site.cluster.grant(site.user, rights)

    assert before == [
        f"warning: no Read on consumer group {site.group}",
        "problem: no Describe on consumer group connect-reader",
        f"problem: no Read on consumer group {site.group}.copy",
    ]
    assert described == [before[0], before[2]]
    assert told() == ["ok: the cluster lets us use the worker's consumer groups"]


def test_topics_are_shown_with_the_rights_of_the_worker(site, connect, run):
    site.cluster.grant(site.user, site.rights(connect))
    run(site.file).wait("shop", "STREAMING")

    shown = connect("topic", "show", f"{site.group}-shop.public.orders", site.file)

    assert '{"id": 1}' in shown


@pytest.mark.parametrize(
    ("connector", "resource", "operation", "named"),
    [
        ("shop", "transactional-id", "Write", "Write on transactional id {group}-shop-0"),
        ("shop", "topic {group}-shop.", "Write", "Write on the topics of this connector"),
        ("copy", "topic {group}.copy.bootstrap", "Write", "Write on topic {group}.copy.bootstrap"),
        ("copy", "group {group}.copy", "Read", "Read on group {group}.copy"),
    ],
)
def test_a_right_that_is_left_out_is_named(site, connect, run, connector, resource, operation, named):
    rights = site.rights(connect)
    for right in rights:
        if f"{right['resource']} {right['name']}".startswith(resource.format(group=site.group)):
            right["operations"] = [each for each in right["operations"] if each != operation]
    site.cluster.grant(site.user, rights)

    told = run(site.file).wait(connector, "FAILED")

    assert told["code"] == "kafka_permission"
    assert named.format(group=site.group) in told["message"]


@pytest.mark.long
def test_rotated_passwords_are_picked_up_at_the_next_connection(site, connect, run):
    site.cluster.grant(site.user, site.rights(connect))
    worker = run(site.file)
    worker.wait("shop", "STREAMING")
    worker.wait("copy", "LIVE")
    site.wait_for_copy(1)

    seen = len(worker.events)
    site.change_passwords("second")
    site.cluster.broker.stop()  # every connection to it is a new one afterwards
    site.cluster.broker.start()
    site.server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{site.role}'",
    )
    refused = worker.wait("shop", "RETRYING", since=seen)
    site.give_passwords("second")

    assert refused["code"] in {"password", "kafka_credentials"}
    assert "read from its file again" in refused["message"] or "given as ${file:…}" in refused["message"]
    site.sql("INSERT INTO orders VALUES (2)")
    site.wait_for_copy(2)
