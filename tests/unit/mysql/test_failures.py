"""Every code that this plugin raises is explained, and nothing else is."""

import ast
from pathlib import Path

import connectors.mysql
from connect.failures import FAILURES as COMMON
from connectors.mysql.binlog.refusals import _HINTS
from connectors.mysql.errors import _BY_NUMBER, UNREACHABLE
from connectors.mysql.failures import FAILURES

FOLDER = Path(connectors.mysql.__file__).parent


def raised(tree):
    """The codes in calls of Failed("code", …), Retriable(…, code="code") and the like."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        found = [one.value for one in call.keywords if one.arg == "code"]
        if name in {"Failed", "_failed"}:
            found += call.args[:1]
        yield from (one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str))


def codes():
    trees = (ast.parse(path.read_text()) for path in sorted(FOLDER.rglob("*.py")))
    found = {code for tree in trees for code in raised(tree)}
    return found | {code for code, _ in _BY_NUMBER.values() if code} | _HINTS.keys() | {UNREACHABLE, "source_error"}


def test_every_code_of_the_plugin_is_explained():
    assert codes() - FAILURES.keys() - COMMON.keys() == set()


def test_nothing_is_explained_that_nothing_raises():
    assert FAILURES.keys() - codes() == set()


def test_each_code_has_three_sentences():
    for code, sentences in FAILURES.items():
        assert len(sentences) == 3, code
        assert all(sentence.endswith((".", ";")) for sentence in sentences), code
