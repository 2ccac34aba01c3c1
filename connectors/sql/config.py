"""What an operator may write for a SQL sink."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator

from connect.config.fields import Model, Secret, one_host

_PLACEHOLDERS: Final = ("topic", "prefix", "schema", "table")
_DIALECTS: Final = ("postgresql", "postgres", "sqlite")


class SqlConfig(Model):
    """A sink's own keys.

    Attributes:
        url: ``postgresql://user@host:port/database`` or ``sqlite:///path`` (four slashes for an absolute path).
        password: Of the user, apart from the URL; a file is read again at each connection.
        db_schema: The schema of tables and bookkeeping (``schema:`` in the file); Postgres' ``search_path`` decides
            without it.
    """

    url: Secret
    password: Secret | None = None
    db_schema: str | None = Field(default=None, alias="schema")

    @field_validator("url")
    @classmethod
    def _known_dialect(cls, url: Secret) -> Secret:
        scheme, colon, _ = url.reveal().partition("://")
        if scheme not in _DIALECTS:
            # Without a scheme the text may be anything, a password among it (F160).
            named = f"{scheme!r} is no database that this sink knows" if colon else "the URL begins with no scheme"
            message = f"{named}: write postgresql://… or sqlite:///path"
            raise ValueError(message)
        return url if scheme == "sqlite" else one_host(url)


class SqlTarget(Model):
    """Options of one target, under ``defaults:`` or a topic.

    Attributes:
        table: The table's name; ``{topic}``, ``{prefix}``, ``{schema}`` and ``{table}`` are parts of the topic's name.
    """

    table: str = "{table}"

    @field_validator("table")
    @classmethod
    def _known_placeholders(cls, table: str) -> str:
        unknown = [name for name in re.findall(r"\{([^}]*)\}", table) if name not in _PLACEHOLDERS]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
            message = f"{{{unknown[0]}}} is no part of a topic's name: there are {known}"
            raise ValueError(message)
        return table


def target_table(template: str, topic: str) -> str:
    """The table that a topic fills: ``<prefix>.<schema>.<table>`` with or without ``.events`` behind (DESIGN §6)."""
    parts = topic.split(".")
    if len(parts) > 3 and parts[-1] == "events":
        parts.pop()
    names = {
        "topic": topic,
        "prefix": ".".join(parts[:-2]),
        "schema": parts[-2] if len(parts) > 1 else "",
        "table": parts[-1],
    }
    return re.sub(r"\{([^}]*)\}", lambda found: names[found[1]], template)
