"""Every code that something can raise is explained, in whole sentences."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connect import failures
from connect.config.plugins import discover
from connect.errors import ConfigError, ConnectError, Failed, Fenced, RecordError, Retriable
from connect.failures import FAILURES, Explanation

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(failures.__file__).parents[1]
RAISED = {"Failed", "Retriable", "Fenced", "RecordError"}


def explained() -> dict[str, tuple[str, str, str]]:
    """The framework's codes and those of every plugin that is installed."""
    table: dict[str, tuple[str, str, str]] = dict(FAILURES)
    for found in discover():
        if found.plugin:
            table |= found.plugin.failures
    return table


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in ("connect", "connectors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def raised_codes() -> Iterator[tuple[str, str]]:
    """(code, ``file:line``) of each literal code that an error of ours is built with."""
    for path, module in sources():
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", getattr(call.func, "attr", "")) not in RAISED:
                continue
            is_failed = getattr(call.func, "id", "") == "Failed"
            codes = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            codes += call.args[:1] if is_failed else []
            for code in codes:
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value, f"{path}:{call.lineno}"


def test_every_code_that_is_raised_is_explained() -> None:
    known = explained()

    unknown = sorted(f"{code} ({where})" for code, where in raised_codes() if code not in known)

    assert not unknown


def test_the_code_of_every_error_class_is_explained() -> None:
    classes = [ConfigError, Failed, Fenced, RecordError, Retriable]

    assert {kind.code for kind in classes} <= set(FAILURES)
    assert {kind.__name__ for kind in ConnectError.__subclasses__()} >= {kind.__name__ for kind in classes}


@pytest.mark.parametrize(("code", "explanation"), FAILURES.items())
def test_an_explanation_is_three_whole_sentences(code: str, explanation: Explanation) -> None:
    assert code.isidentifier()
    assert code == code.lower()
    for sentence in explanation:
        assert sentence[0].isupper() or sentence.split()[0] in {"psql", "connect", "kafka-configs.sh"}
        assert sentence.rstrip().endswith(".")


def test_no_code_is_explained_that_nothing_uses() -> None:
    words = {
        node.value
        for path, module in sources()
        if path.name != "failures.py"
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert not set(FAILURES) - words


def test_a_command_that_a_hint_names_has_its_file() -> None:
    lacking = sorted(
        f"{path}:{node.lineno}"
        for path, module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"connect (remove SOURCE|rebuild SINK|snapshot SOURCE)(?! FILE)", node.value)
    )

    assert not lacking
