"""``connect init``: what it writes for real servers passes ``connect validate`` and ``connect plan`` as it stands."""

from __future__ import annotations

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
    assert connect("validate", file)[0] == 0
    code, out, err = connect("plan", file)
    assert code == 0, err
    assert "public.customers" in out


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


def test_neither_database_nor_brokers_is_wrong_usage(connect) -> None:
    assert connect("init")[0] == 2
