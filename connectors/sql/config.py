"""What an operator may write for a SQL sink."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from connect.config.fields import Changes, Model, Secret, Template, one_host, option

_DIALECTS: Final = ("postgresql", "postgres", "mysql", "sqlite")
_MYSQL_PORT: Final = 3306

TlsMode = Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"]


def _mode(value: Any) -> Any:
    return value.lower().replace("-", "_") if isinstance(value, str) else value


class Tls(Model):
    """``tls:``. The link's encryption, in MySQL's own words; Postgres takes ``sslmode`` and its kin in the URL (F171).

    Attributes:
        mode: ``disabled``; ``preferred``: where the server offers it, nothing verified, and not on the loopback;
            ``required``: or no connection, nothing verified; ``verify_ca``: the certificate is of the authority;
            ``verify_identity``: and of the URL's host. The default is ``verify_identity`` once a ``ca`` is given.
        ca: File of the authority's certificate; without one the system's authorities count.
        cert: File of our own certificate, for accounts that REQUIRE X509.
        key: File of its private key.
        key_password: Of that file.
    """

    mode: Annotated[TlsMode | None, BeforeValidator(_mode)] = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: Secret | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ca is not None and self.mode in {"disabled", "preferred", "required"}:
            message = f"mode {self.mode} verifies nothing, so `ca` would not be looked at: take one of them out"
            raise ValueError(message)
        if self.key is not None and self.cert is None:
            message = "`key` is of no use without `cert`"
            raise ValueError(message)
        return self

    @property
    def wanted(self) -> TlsMode:
        """The mode, or what is meant without one."""
        if self.mode is not None:
            return self.mode
        if self.ca is not None:
            return "verify_identity"
        return "required" if self.cert is not None else "preferred"


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
    tls: Tls | None = None

    @field_validator("url")
    @classmethod
    def _known_dialect(cls, url: Secret) -> Secret:
        scheme, colon, _ = url.reveal().partition("://")
        if scheme not in _DIALECTS:
            # Without a scheme the text may be anything, a password among it (F160).
            named = f"{scheme!r} is no database that this sink knows" if colon else "the URL begins with no scheme"
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
