"""``connect peek``: changes as they happen, and nothing left on the server, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric(10,2));
CREATE TABLE log (what text);
CREATE TABLE other (id int PRIMARY KEY);
"""
LEFT = """SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()
UNION ALL SELECT pubname::text FROM pg_publication WHERE pubname LIKE 'connect%'"""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    server = os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)
    name = f"peek_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "connect", "peek", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def watching(process: subprocess.Popen[str]) -> None:
    """Until it says that it watches."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Watching"):
            return
    pytest.fail("it ended before it watched")


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def left(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(LEFT).fetchall()]


def wait_until_nothing_is_left(url: str) -> None:
    deadline = time.monotonic() + 30
    while left(url):
        assert time.monotonic() < deadline, left(url)
        time.sleep(0.1)


def test_changes_are_shown_as_they_are_committed(database: str) -> None:
    process = start(database, "--table", "public.orders", "--limit", "3")
    watching(process)
    execute(
        database,
        "INSERT INTO other VALUES (1)",
        "INSERT INTO orders VALUES (1, 'placed', 12.5)",
        "ALTER TABLE orders REPLICA IDENTITY FULL",
        "UPDATE orders SET status = 'paid'",
        "DELETE FROM orders",
    )
    output, errors = process.communicate(timeout=30)
    lines = [line.split("  ", 1)[1] for line in output.splitlines()]
    assert lines == [
        'public.orders  insert  id=1  status="placed"  total=12.50',
        'public.orders  update  id=1  status="placed" → "paid"',
        'public.orders  delete  id=1  status="paid"  total=12.50',
    ]
    assert process.returncode == 0, errors
    assert left(database) == []


def test_json_has_both_rows(database: str) -> None:
    process = start(database, "-t", "public.*", "--limit", "1", "--json")
    watching(process)
    execute(database, "INSERT INTO log VALUES ('hello')")
    output, _ = process.communicate(timeout=30)
    found = json.loads(output)
    assert (found["table"], found["op"], found["before"], found["after"]) == (
        "public.log",
        "c",
        None,
        {"what": "hello"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(database: str, number: signal.Signals) -> None:
    process = start(database)
    watching(process)
    assert len(left(database)) == 3
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (-9 if number is signal.SIGKILL else 0)
    wait_until_nothing_is_left(database)


def test_a_role_that_owns_nothing_is_told_what_its_owner_runs(database: str) -> None:
    role = f"peek_{uuid.uuid4().hex[:8]}"
    parts = urlsplit(database)
    theirs = urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}"))
    execute(database, f"CREATE ROLE {role} LOGIN REPLICATION PASSWORD 'secret'")
    try:
        execute(database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        refused = start(theirs, "-t", "public.orders")
        _, errors = refused.communicate(timeout=30)
        assert refused.returncode == 1
        assert "CREATE PUBLICATION" in errors
        assert "connect peek URL --publication NAME" in errors
        assert "secret" not in errors
        execute(database, "CREATE PUBLICATION theirs FOR TABLE orders")
        process = start(theirs, "-t", "public.orders", "--publication", "theirs", "--limit", "1")
        watching(process)
        execute(database, "INSERT INTO orders VALUES (7, 'x', 1)")
        output, _ = process.communicate(timeout=30)
        assert "id=7" in output
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT pubname FROM pg_publication").fetchall() == [("theirs",)]
    finally:
        execute(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nonsense",), "this is no URL"),
        (("oracle://x/y",), "no source reads oracle:// URLs"),
        (("{url}", "-t", "public.ordres"), "did you mean public.orders?"),
    ],
)
def test_wrong_words_are_told_at_once(database: str, words: tuple[str, ...], said: str) -> None:
    process = start(*(word.format(url=database) for word in words))
    _, errors = process.communicate(timeout=30)
    assert process.returncode in {1, 2}
    assert said in errors
    assert "Traceback" not in errors
    assert left(database) == []
