import json

import pytest
from typer.testing import CliRunner

from connect.cli.local import app


def run(*words):
    return CliRunner().invoke(app, words)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CONNECT_HOME", str(tmp_path))
    monkeypatch.setattr("connect.local.home.server_user", lambda: None)


@pytest.mark.parametrize("given", ["kafka", "kafka=", "kafka=abc", "kafka=0", "kafka=65536"])
def test_port_that_is_no_port_is_named(given):
    result = run("up", "--port", given)

    assert result.exit_code == 1
    assert f"--port {given}: not NAME=PORT" in result.stderr


@pytest.mark.parametrize("words", [["--only", "kafka,mongodb"], ["--port", "mongodb=1234"]])
def test_unknown_server_is_told_the_known_ones(words):
    result = run("up", *words)

    assert result.exit_code == 1
    assert "mongodb" in result.stderr
    assert "kafka, schema_registry, elasticsearch, postgres, mysql, mariadb" in result.stderr


def test_down_and_status_of_nothing():
    assert run("down").stdout == "ended: nothing was running\n"
    assert run("status").stdout == "no local stack runs\n"
    assert json.loads(run("status", "--json").stdout) == {"stacks": []}


def test_down_of_a_stack_that_is_not_there_is_an_error():
    result = run("down", "abc123")

    assert result.exit_code == 1
    assert "no stack abc123 runs" in result.stderr


@pytest.fixture
def stacks(monkeypatch):
    """Two detached stacks run, and one that ends with its starter; who was sent a signal."""
    running = [
        {"id": name, "detached": name != "their0", "pid": pid, "servers": {"kafka": {}, "postgres": {}}}
        for pid, name in enumerate(("first1", "other2", "their0"), 1001)
    ]
    signalled = []
    monkeypatch.setattr("connect.local.home.Home.running", lambda _: iter(running))
    monkeypatch.setattr("os.kill", lambda pid, _: signalled.append(pid))
    return signalled


def test_down_without_an_id_ends_nothing_where_there_is_a_choice_and_names_it(stacks):
    result = run("down")

    assert (result.exit_code, stacks) == (1, [])
    assert "nothing was ended: first1 (kafka, postgres); other2 (kafka, postgres)" in result.stderr
    assert "connect local down ID" in result.stderr


def test_down_ends_the_one_that_is_named_or_all_that_are_detached(stacks):
    assert run("down", "other2").stdout == "ended: other2\n"
    assert run("down", "--all").stdout == "ended: first1, other2\n"
    assert stacks == [1002, 1001, 1002]
