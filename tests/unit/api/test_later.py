"""A plugin's code is loaded when it is called, so that a process pays only for what it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connect.api import later
from connect.errors import Failed


def test_the_function_is_called_with_what_it_is_given() -> None:
    assert later("os.path:basename")("/a/b") == "b"


def test_a_module_that_does_not_load_is_told_by_name() -> None:
    with pytest.raises(Failed, match="no_such_module") as caught:
        later("no_such_module:build")()
    assert caught.value.code == "plugin_broken"


def test_reading_a_plugin_loads_no_client_library() -> None:
    program = (
        "import sys, connectors.postgres, connectors.sql, connectors.elasticsearch;"
        "print(sorted({'psycopg', 'elasticsearch'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
