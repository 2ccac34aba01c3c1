"""What tests of this project and of plugins import."""

from connect.testing.stack import stack

__all__ = ["stack"]
