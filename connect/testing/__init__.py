"""What tests of this project and of plugins import."""

import pytest

# Before they are imported, so that a failing test of a shipped suite shows the values that it compared.
pytest.register_assert_rewrite("connect.testing.plugin_contract")
pytest.register_assert_rewrite("connect.testing.source_contract")
pytest.register_assert_rewrite("connect.testing.sink_contract")

from connect.testing.stack import stack  # noqa: E402 - as above

__all__ = ["stack"]
