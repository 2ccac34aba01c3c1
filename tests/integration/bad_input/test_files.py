"""Faults of the files: `validate` and `run` say each with its file and line and how to mend it, and start nothing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from connect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = 'name: shop\nkafka: {bootstrap: "127.0.0.1:1"}\n'
SOURCE = """sources:
  shop:
    plugin: postgres
    url: postgresql://cdc@127.0.0.1:1/shop
    tables: [public.orders]
"""
TWO_WITH_ONE_SLOT = """sources:
  a: {plugin: postgres, url: "postgresql://db/shop", slot: one, tables: [public.a]}
  b: {plugin: postgres, url: "postgresql://db/shop", slot: one, tables: [public.b]}
"""
# What stands in the file, the line that is named, what is said, how it is mended.
FAULTS = {
    "unknown key": (HEAD + SOURCE.replace("tables", "tabels"), 7, "unknown key sources.shop.tabels", "tables"),
    "wrong type": (HEAD + SOURCE + "    heartbeat: [1]\n", 8, "sources.shop.heartbeat", "write for example 250ms"),
    "wrong value": (HEAD + "worker: {on_failed: panic}\n" + SOURCE, 3, "worker.on_failed", "keep_others"),
    "duplicate key": (
        HEAD + SOURCE + "    tables: [public.x]\n",
        8,
        "'tables' stands here for the second time",
        "remove",
    ),
    "missing secret": (HEAD + SOURCE + '    password: "${env:N_NO_SUCH}"\n', 8, "N_NO_SUCH", "export N_NO_SUCH"),
    "missing secret file": (HEAD + SOURCE + '    password: "${file:/no/such}"\n', 8, "/no/such", "make it"),
    "unknown plugin": (HEAD + SOURCE.replace("postgres\n", "postgers\n"), 5, "postgers", "postgres"),
    "two sources with one slot": (
        HEAD + TWO_WITH_ONE_SLOT,
        5,
        "b and a (at {file}:4) have one slot: one",
        "another slot",
    ),
    "empty file": ("", 1, "holds no configuration", "begin with"),
    "only a list": ("- a\n- b\n", 1, "holds no configuration", "begin with"),
    "neither sources nor sinks": (HEAD, 1, "neither sources nor sinks", "sources:"),
    "tab": ("name: x\n\tkafka: y\n", 2, "a tab indents this line", "spaces"),
    "bare reference": (HEAD + "worker: {token: ${env:X}}\n", 3, "stands without quotes", "double quotes"),
}


@pytest.fixture
def said(tmp_path: Path, connect: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """A command, the file's bytes → exit code, what was said on standard error."""

    def ask(command: str, content: bytes) -> tuple[int, str]:
        file = tmp_path / "shop.yaml"
        file.write_bytes(content)
        code, out, err = connect(command, file)
        assert out == ""
        return code, err

    return ask


@pytest.mark.parametrize("command", ["validate", "plan", "doctor", "run"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_line_and_its_remedy(tmp_path, connect, command, fault):
    text, line, says, mends = FAULTS[fault]
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    code, out, _ = connect(command, file, "--json")

    [told] = [problem for problem in json.loads(out)["error"]["problems"] if problem["where"] == f"{file}:{line}"]
    assert code == 2
    assert says.format(file=file) in told["message"]
    assert mends in told["message"] + told["fix"]


def test_a_file_that_is_binary(said, tmp_path):
    code, err = said("run", b"\x89PNG\xff\xfe\x00")

    assert (code, f"{tmp_path}/shop.yaml:1: is not UTF-8\n  → save the file as UTF-8" in err) == (2, True)


def test_a_file_that_is_not_there(connect, tmp_path):
    code, _, err = connect("run", tmp_path / "none.yaml")

    assert (code, "none.yaml: cannot be read: No such file or directory\n  → check the path" in err) == (2, True)


def test_a_folder_instead_of_a_file(connect, tmp_path):
    code, _, err = connect("run", tmp_path)

    assert (code, f"{tmp_path}: cannot be read: Is a directory\n  → name the files in it" in err) == (2, True)


def test_a_source_of_the_same_name_in_another_file(connect, tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(HEAD + SOURCE)
    second.write_text(SOURCE)
    code, _, err = connect("run", first, second)

    assert code == 2
    assert f"{second}:2: " in err
    assert f"{first}:4" in err
    assert "shop" in err


def test_every_fault_is_told_at_once(said):
    code, err = said("validate", (HEAD + SOURCE + "    heartbeat: soon\n    slto: a\nwroker: {}\n").encode())

    assert (code, "there are 3 problems" in err) == (2, True)
    assert all(f"shop.yaml:{line}: " in err for line in (8, 9, 10))


def test_no_secret_is_in_a_message(said, monkeypatch):
    monkeypatch.setenv("N_SECRET", "S3CR3T-canary-73")
    _, err = said("run", (HEAD + SOURCE.replace("postgresql://cdc@", "mysql://cdc:${env:N_SECRET}@")).encode())

    assert "shop.yaml:6: " in err
    assert "S3CR3T" not in err


@pytest.mark.parametrize("login", ["cdc:S3CR@ET", "cdc:S3/CR@ET", "cdc:S3?CRET", "c@dc:S3CRET"])
@pytest.mark.parametrize(
    "entry",
    [
        "sources: {{s: {{plugin: postgres, url: 'postgresql://{}@127.0.0.1:1/shop', tables: [a.b]}}}}",
        "sinks: {{s: {{plugin: sql, url: 'postgresql://{}@127.0.0.1:1/shop', topics: [a.b.c]}}}}",
        "sinks: {{s: {{plugin: elasticsearch, url: 'http://{}@127.0.0.1:1', topics: [a.b.c]}}}}",
        "schema_registry: {{url: 'http://{}@127.0.0.1:1'}}",
    ],
)
def test_F160_a_password_that_could_be_taken_for_a_host_is_refused_and_not_shown(said, login, entry):
    code, err = said("doctor", (HEAD + entry.format(login) + "\n").encode())

    assert (code, "shop.yaml:3: " in err, "write %40, %2F or %3F" in err) == (2, True, True)
    assert "ET" not in err


def test_a_problem_of_a_command_is_json_where_it_is_asked_for(connect, tmp_path):
    import json

    code, out, _ = connect("run", tmp_path / "none.yaml", "--json")

    error: dict[str, Any] = json.loads(out)["error"]
    assert (code, error["code"], len(error["problems"])) == (2, ConfigError.code, 1)


def test_with_debug_the_stack_is_shown(connect, tmp_path):
    _, _, err = connect("validate", tmp_path / "none.yaml", "--debug")

    assert "Traceback" in err
    assert os.fspath(tmp_path) in err
