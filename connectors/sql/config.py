"""What an operator may write for a SQL sink."""

from __future__ import annotations

from typing import Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from connect.config.fields import Changes, Model, MysqlTls, Secret, Template, one_host, option

_DIALECTS: Final = ("postgresql", "mysql", "sqlite")
_MYSQL_PORT: Final = 3306


class SqlConfig(Model):
    """A sink's own keys.

    Attributes:
        url: ``postgresql://user@host:port/database``, ``mysql://user@host:port/database`` for MySQL and MariaDB, or
            ``sqlite:///path`` (four slashes for an absolute path).
        password: Of the user, apart from the URL; a file is read again at each connection.
        db_schema: The schema of tables and bookkeeping (``schema:`` in the file). Without it Postgres' ``search_path``
            decides, and in MySQL, where a schema is a database, the URL.
        tls: The link's encryption, for MySQL and MariaDB; Postgres takes ``sslmode`` in the URL.
    """

    url: Secret
    password: Secret | None = None
    db_schema: str | None = Field(default=None, alias="schema")
    tls: MysqlTls | None = None

    @field_validator("url")
    @classmethod
    def _known_dialect(cls, url: Secret) -> Secret:
        scheme, colon, _ = url.reveal().partition("://")
        if scheme not in _DIALECTS:
            # Without a scheme the text may be anything, a password among it (F160).
            named = f"{scheme!r} is no database that this sink knows" if colon else "the URL begins with no scheme"
            if scheme.startswith("postgres"):  # of other tools: postgres, postgresql+psycopg
                named = f"{scheme}:// is written postgresql:// here, without a driver's name"
            message = f"{named}: write postgresql://…, mysql://… (MariaDB too) or sqlite:///path"
            raise ValueError(message)
        if scheme == "mysql":
            parse_url(url.reveal())
        return url if scheme == "sqlite" else one_host(url)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        scheme = self.url.reveal().partition("://")[0]
        if self.tls is not None and scheme != "mysql":
            message = "`tls:` is for mysql://; Postgres takes ?sslmode=…&sslrootcert=… in its URL"
            raise ValueError(message)
        if scheme == "mysql" and self.db_schema is None and not parse_url(self.url.reveal()).database:
            message = "a mysql:// URL ends with /database, or schema: names one"
            raise ValueError(message)
        return self


class Address(NamedTuple):
    """What a ``mysql://`` URL says, decoded."""

    host: str
    port: int
    user: str
    password: str
    database: str


def parse_url(url: str) -> Address:
    """``mysql://user:password@host:port/database``.

    Raises:
        ValueError: It is none; the message does not repeat it (F160).
    """
    message = "a URL mysql://user@host:port/database is needed here"
    try:
        parts = urlsplit(url)
        port = parts.port or _MYSQL_PORT
    except ValueError:
        raise ValueError(message) from None
    if parts.scheme != "mysql" or not parts.hostname or not parts.username or parts.fragment:
        raise ValueError(message)
    if parts.query:
        message = "options in a mysql:// URL are not read: TLS has the key `tls:`"
        raise ValueError(message)
    database = unquote(parts.path.removeprefix("/"))
    return Address(parts.hostname, port, unquote(parts.username), unquote(parts.password or ""), database)


class SqlTarget(Model):
    """Options of one target, under ``defaults:`` or a topic."""

    table: Template = option(
        "{table}",
        "The table's name; `{topic}`, `{prefix}`, `{schema}` and `{table}` are parts of the topic's name.",
        changes=Changes.IDENTITY,
    )
