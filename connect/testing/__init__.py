"""What tests of this project and of plugins import."""

import pytest

# Before they are imported, so that a failing test of a shipped suite shows the values that it compared.
for module in ("plugin_contract", "sink_contract", "source_contract", "source_tail"):
    pytest.register_assert_rewrite(f"connect.testing.{module}")

from connect.testing.stack import stack  # noqa: E402 - as above

__all__ = ["stack"]
