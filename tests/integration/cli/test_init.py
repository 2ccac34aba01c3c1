"""``connect init``: what it writes for real servers passes ``connect validate`` and ``connect plan`` as it stands."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from confluent_kafka import Producer

from connect.cli import main as cli
from connect.kafka.topics import STATE, Topics, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, email text, bio text);
INSERT INTO customers SELECT i, 'a@b', string_agg(md5(i::text || j::text), '')
  FROM generate_series(1, 5) i, generate_series(1, 500) j GROUP BY i;
CREATE TABLE log (what text);
"""
ODD = """
CREATE SCHEMA "a.b"; CREATE SCHEMA "naïve"; CREATE SCHEMA hidden;
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"'); CREATE DOMAIN mail AS text CHECK (VALUE ~ '@');
CREATE TABLE "a.b"."c.d" ("x.y" int PRIMARY KEY);
CREATE TABLE "naïve"."größe 🎉" ("schlüssel" text PRIMARY KEY, "näme" mail);
CREATE TABLE "Orders" ("Order Id" int, "line.no" int, "Full Name" text, PRIMARY KEY ("Order Id", "line.no"));
CREATE TABLE "order" (id int PRIMARY KEY, "select" text);
CREATE TABLE "new\nline" ("id\nx" int PRIMARY KEY, "e\nmail" text);
CREATE TABLE types (id uuid PRIMARY KEY, m mood, ms mood[], r int4range, double int GENERATED ALWAYS AS (1 + 1) STORED);
CREATE TABLE parts (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
CREATE VIEW seen AS SELECT * FROM "order"; CREATE MATERIALIZED VIEW stored AS SELECT * FROM "order";
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE TABLE hidden.secrets (id int PRIMARY KEY);
CREATE TABLE closed (id int PRIMARY KEY);
"""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    server = os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)
    name = f"init_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> str:
    return os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Arguments → exit code, standard output, standard error."""

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return called


def test_a_database_becomes_a_file_that_validates_and_plans(database, kafka, connect, tmp_path: Path) -> None:
    file = str(tmp_path / "first.yaml")
    code, _, err = connect("init", database, "--kafka", kafka, "-o", file)
    assert code == 0, err
    text = (tmp_path / "first.yaml").read_text()
    assert "public.customers: {}" in text
    assert "(TOAST)" in text.split("public.customers: {}")[1].split("public.log: {}")[0]
    assert "mask: {email: hash}" in text
    assert "no key" in text.split("public.log: {}")[1].splitlines()[0]
    assert "public.customers: {}  # rows not counted yet (ANALYZE)" in text  # not 0: it has just been filled
    assert "public.log: {}  # 0 rows" in text
    assert connect("validate", file)[0] == 0
    code, out, err = connect("plan", file)
    assert code == 0, err
    assert "public.customers" in out


def test_a_file_that_cannot_be_written_is_a_clear_word(database, connect, tmp_path: Path) -> None:
    code, _, err = connect("init", database, "-o", str(tmp_path / "nowhere" / "first.yaml"))
    assert code == 1
    assert "file_unwritable" in err
    assert "No such file or directory" in err


def test_a_file_that_is_there_is_not_touched(database, connect, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    code, _, err = connect("init", database, "-o", str(file))
    assert (code, file.read_text()) == (1, "mine")
    assert "file_exists" in err


def test_a_password_stays_out_of_the_file(database, connect) -> None:
    parts = urlsplit(database)
    user, _, host = parts.netloc.rpartition("@")
    secret = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:hunter2secret@{host}"))
    code, out, err = connect("init", secret)
    assert code == 0, err
    assert "hunter2secret" not in out + err
    assert "_PASSWORD}" in out


def test_a_cluster_becomes_sinks_over_its_compacted_topics(kafka, connect, tmp_path: Path) -> None:
    prefix = f"init-{uuid.uuid4().hex[:8]}"
    topic, positions, own = f"{prefix}.public.orders", f"{prefix}.public.positions", f"{prefix}.shop.positions"
    Topics({"bootstrap.servers": kafka}).create(
        [
            *(TopicSpec(name, 1, STATE) for name in (topic, positions, own)),
            TopicSpec(f"{topic}.events", 1, {"cleanup.policy": "delete"}),
        ]
    )
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(positions, b"{}", b'{"id": 1}')
    producer.produce(own, b"{}", b"position")
    assert producer.flush(20) == 0
    file = str(tmp_path / "sinks.yaml")
    code, _, err = connect("init", "--kafka", kafka, "-o", file)
    assert code == 0, err
    text = (tmp_path / "sinks.yaml").read_text()
    assert f"- {topic}\n" in text
    assert f"- {positions}\n" in text  # a table that is called so
    assert own not in text
    assert f"{topic}.events" not in text
    assert connect("validate", file)[0] == 0


@pytest.fixture
def odd(database) -> Iterator[str]:
    """The database with names and tables that nobody would make today, and a role that may not read all of them."""
    role = f"init_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(ODD)
        admin.execute(f"CREATE ROLE {role} LOGIN REPLICATION PASSWORD 'secret'")
        admin.execute(f'GRANT USAGE ON SCHEMA public, "a.b", "naïve" TO {role}')
        admin.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public, "a.b", "naïve" TO {role}')
        admin.execute(f"REVOKE SELECT ON closed FROM {role}")
        parts = urlsplit(database)
        yield urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}"))
        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_legacy_database_becomes_a_file_that_validates_and_plans_as_written(
    odd, kafka, connect, monkeypatch, tmp_path: Path
) -> None:
    file = tmp_path / "odd.yaml"
    code, _, err = connect("init", odd, "--kafka", kafka, "--name", "odd", "-o", str(file))
    assert code == 0, err
    monkeypatch.setenv("ODD_PASSWORD", "secret")
    assert connect("validate", str(file))[0] == 0
    code, out, err = connect("plan", str(file), "--json")
    assert code == 0, err
    [source] = json.loads(out)["sources"]

    assert {table["table"]: table["key"] for table in source["tables"]} == {
        "a.b.c.d": ["x.y"],
        "naïve.größe 🎉": ["schlüssel"],
        "public.Orders": ["Order Id", "line.no"],
        "public.customers": ["id"],
        "public.log": [],
        "public.new\nline": ["id\nx"],
        "public.order": ["id"],
        "public.parts": ["id", "d"],
        "public.types": ["id"],
    }
    text = file.read_text()
    assert "# hidden.secrets: {}" in text
    assert "# public.closed: {}" in text
    assert "rows not counted" in text


def test_a_database_without_tables_is_told_and_no_file_is_written(database, connect, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("DROP TABLE customers, log")
    file = tmp_path / "none.yaml"
    code, _, err = connect("init", database, "-o", str(file))

    assert (code, file.exists()) == (1, False)
    assert "no table that this role sees" in err


def test_neither_database_nor_brokers_is_wrong_usage(connect) -> None:
    assert connect("init")[0] == 2
