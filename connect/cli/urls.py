"""A database's URL as it is given to a command."""

from __future__ import annotations

from connect.config.references import resolve
from connect.errors import ConfigError, Problem


def clear(url: str) -> str:
    """The URL with each ``${env:NAME}`` and ``${file:PATH}`` filled in, as a file has them.

    Raises:
        ConfigError: What it refers to is not there.
    """
    try:
        return resolve(url)
    except LookupError as error:
        raise ConfigError([Problem("URL", str(error.args[0]), str(error.args[-1]))]) from None
