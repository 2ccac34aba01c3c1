"""The command as a user meets it: exit codes, messages, JSON, no stack trace."""

import json
import logging
import subprocess
import sys

import pytest

from connect.cli import main as cli
from connect.errors import Failed
from connect.kafka.client import LOGGER


@pytest.fixture
def connect(capsys):
    """Arguments → exit code, standard output, standard error."""

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        out, err = capsys.readouterr()
        code = caught.value.code
        return (0 if code is None else code), out, err

    return called


@pytest.fixture
def bad_file(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\nkafka: {bootstrap: 'a:1'}\nsinks: {s: {plugin: no_such, topics: [a.b.c]}}\nnmae: y\n")
    return str(path)


def test_help_lists_every_command(connect):
    code, out, _ = connect("--help")

    assert code == 0
    assert [name for name in cli.COMMANDS if name not in out] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_of_the_table_can_be_imported_and_has_help(connect, name):
    code, out, _ = connect(name, "--help")

    assert code == 0
    assert "Usage: connect" in out


def test_version(connect):
    code, out, _ = connect("--version")

    assert (code, out.split()[0]) == (0, "connect")


def test_a_misspelt_command_names_the_nearest(connect):
    code, _, err = connect("validat")

    assert code == 2
    assert "validate" in err


def test_problems_of_a_file_end_with_2_and_their_lines(connect, bad_file):
    code, _, err = connect("validate", bad_file)

    assert code == 2
    assert "there are 2 problems in the configuration" in err
    assert f"{bad_file}:3: there is no plugin 'no_such'" in err
    assert f"{bad_file}:4: unknown key nmae\n  → did you mean name?" in err
    assert "Traceback" not in err


def test_problems_as_json(connect, bad_file):
    code, out, _ = connect("validate", bad_file, "--json")

    problems = json.loads(out)["error"]["problems"]

    assert code == 2
    assert [problem["where"].rpartition(":")[2] for problem in problems] == ["3", "4"]


@pytest.mark.parametrize("arguments", [["--debug", "validate"], ["validate", "--debug"]])
def test_debug_shows_the_stack_trace(connect, bad_file, arguments):
    code, _, err = connect(*arguments, bad_file)

    assert code == 2
    assert "Traceback" in err


def test_an_error_has_its_code_hint_and_exit_code(connect):
    code, _, err = connect("explain", "slot_lots")

    assert code == 1
    assert "code_unknown: there is no code 'slot_lots'" in err


def test_a_fault_of_our_own_shows_no_values(connect, monkeypatch):
    def broken(name):
        raise ValueError("S3CR3T")

    monkeypatch.setattr(cli, "_load", broken)
    code, _, err = connect("plugins")

    assert code == 1
    assert "internal: ValueError at" in err
    assert "S3CR3T" not in err


def test_F176_control_characters_in_messages_are_escaped(connect, monkeypatch):
    def broken(name):
        raise Failed("x", "a table named a\x1b[31m\rERROR fake")

    monkeypatch.setattr(cli, "_load", broken)

    assert "\\x1b[31m\\rERROR fake" in connect("plugins")[2]


def test_F176_a_file_whose_names_hold_control_characters_prints_them_escaped(connect, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text('name: x\nkafka: {bootstrap: "a:1"}\n"a\\nERROR fake": 1\n')

    _, _, err = connect("validate", str(path))

    assert "\nERROR fake" not in err
    assert "a\\nERROR fake" in err


def test_ctrl_c_ends_with_130(connect, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_load", interrupted)

    assert connect("plugins")[0] == 130


def test_help_imports_no_plugin_and_no_client():
    code = (
        "import sys\nfrom connect.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'yaml', 'confluent_kafka', 'psycopg', 'elasticsearch', 'starlette'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.endswith("loaded: []\n")


def test_no_command_prints_the_kafka_clients_own_lines(connect):
    connect("--version")

    assert not LOGGER.isEnabledFor(logging.CRITICAL)


def test_explain_tells_the_three_things(connect):
    code, out, _ = connect("explain", "config")

    assert code == 0
    assert [word for word in ("What happened", "Is data lost", "What to do") if word not in out] == []


def test_explain_without_a_code_lists_them(connect):
    assert "config" in connect("explain")[1].splitlines()


def test_plugins_lists_kinds_and_options_as_json(connect):
    _, out, _ = connect("plugins", "sql", "--json")

    (plugin,) = json.loads(out)["plugins"]
    assert plugin["kind"] == "sink"
    assert {"name": "url", "default": None}.items() <= plugin["options"][0].items()
    assert plugin["target_options"][0]["name"] == "table"


def test_plugins_shows_one_plugins_options(connect):
    code, out, _ = connect("plugins", "elasticsearch")

    assert code == 0
    assert "batch_bytes" in out


def test_an_unknown_plugin_names_the_nearest(connect):
    code, _, err = connect("plugins", "elasticsaerch")

    assert code == 1
    assert "did you mean elasticsearch?" in err
