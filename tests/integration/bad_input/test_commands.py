"""A new user's mistakes at the command line: each is told in a sentence with what to do, and never as a stack."""

from __future__ import annotations

import pytest

from connect.cli.main import COMMANDS

USAGE = 2


@pytest.mark.parametrize("command", ["run", "validate", "plan", "doctor"])
def test_a_missing_file_is_named(connect, command):
    code, _, err = connect(command)

    assert (code, "Missing argument 'FILE'" in err, f"connect {command} --help" in err) == (USAGE, True, True)


@pytest.mark.parametrize("command", ["remove", "rebuild", "snapshot", "dead-letters"])
def test_a_missing_connector_is_named(connect, command):
    code, _, err = connect(command)

    assert (code, "Missing argument 'S" in err) == (USAGE, True)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["statsu"], "Did you mean 'status'"),
        (["topic", "shwo", "x"], "Did you mean 'show'?"),
        (["run", "f.yaml", "--untill", "live"], "--until"),
        (["plugins", "postgers"], "did you mean postgres?"),
        (["explain", "slot_mising"], "did you mean slot_missing?"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(connect, arguments, meant):
    code, _, err = connect(*arguments)

    assert code in {1, USAGE}
    assert meant in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "f.yaml", "--until", "later"], "'later' is not one of 'stopped', 'live'"),
        (["topic", "show", "x"], "--kafka HOST:PORT"),
        (["topic", "show", "x", "--kafka", "nowhere"], "'nowhere' is no list of host:port"),
        (["topic", "show", "x", "--kafka", "h:1", "--from", "yesterday"], "--from takes beginning, end or an offset"),
        (["topic", "show", "x", "--kafka", "h:1", "--key", "{id"], "begins like a JSON object but is none"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_right(connect, arguments, says):
    code, _, err = connect(*arguments)

    assert (code, says in " ".join(err.replace("│", " ").split())) == (USAGE, True)


def test_status_without_a_worker_says_how_to_start_one(connect):
    code, out, err = connect("status")

    assert (code, out, err) == (1, "", "No worker of this user is running; connect run FILE starts one.\n")


def test_explain_of_nonsense_says_where_the_codes_are(connect):
    code, _, err = connect("explain", "xyzzy")

    assert (code, "there is no code 'xyzzy'\n  → connect explain lists every code" in err) == (1, True)


def test_explain_shows_what_is_true_in_general_and_of_the_plugin(connect):
    _, out, _ = connect("explain", "gap")

    assert "gap (in general)\n" in out
    assert "gap (postgres)\n" in out


def test_a_topic_that_cannot_be_asked_for_is_told_in_seconds(connect):
    code, _, err = connect("topic", "show", "x", "--kafka", "127.0.0.1:1")

    assert (code, "kafka_unreachable" in err, "Traceback" in err) == (1, True, False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(connect, command):
    code, out, _ = connect(command, "--help")

    assert code == 0
    assert "Usage: connect" in out


def test_every_exit_code_of_a_command_is_in_its_help(connect):
    for command in COMMANDS.keys() - {"topic", "rename", "local"}:
        assert "Exit codes:" in connect(command, "--help")[1], command


@pytest.mark.parametrize(("command", "kind"), [("remove", "source"), ("rebuild", "sink")])
def test_a_connector_that_the_file_does_not_have_is_told_before_anything_is_asked(connect, tmp_path, command, kind):
    file = tmp_path / "shop.yaml"
    source = 'sources: {shop: {plugin: postgres, url: "postgresql://db.invalid/x", tables: [a.b]}}\n'
    sink = 'sinks: {copy: {plugin: sql, url: "sqlite:///x.db", topics: [a.b.c]}}\n'
    file.write_text('name: shop\nkafka: {bootstrap: "127.0.0.1:1"}\n' + source + sink)
    code, out, err = connect(command, "shpo", file)

    assert (code, out) == (USAGE, "")
    assert f"no {kind} 'shpo'" in err
