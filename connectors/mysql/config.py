"""The keys of a MySQL or MariaDB source in the operator's file."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from connect.config.fields import Changes, Milliseconds, Model, MysqlTls, Secret, Url
from connectors.mysql.type_options import TypeOptions

_PORT: Final = 3306
_LARGEST_ID: Final = 2**32 - 1


class SnapshotReads(Model):
    """``snapshot:``. How hard the reading of existing rows may press on the database.

    Attributes:
        max_query: A chunk's query may run so long; then the server ends it, and fewer rows are asked for.
    """

    max_query: Milliseconds = Field(default=2_000, ge=10)


class Address(NamedTuple):
    """What the URL says, decoded."""

    host: str
    port: int
    user: str
    password: str | None
    database: str | None


def parse_url(url: str) -> Address:
    """``mysql://user:password@host:port/database``.

    Raises:
        ValueError: It is none; the message does not repeat it (F160).
    """
    message = "a URL mysql://user@host:port/database is needed here"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise ValueError(message) from None
    if parts.scheme != "mysql" or not parts.hostname or not parts.username or parts.fragment:
        raise ValueError(message)
    if parts.query:
        raise ValueError("options in the URL are not read: TLS has the key `tls:`, limits have keys of their own")
    password = unquote(parts.password) if parts.password is not None else None
    database = unquote(parts.path.removeprefix("/")) or None
    return Address(parts.hostname, port, unquote(parts.username), password, database)


def _is_mysql(url: Secret) -> Secret:
    parse_url(url.reveal())
    return url


class MysqlConfig(Model):
    """A MySQL or MariaDB source; the server says which of the two it is.

    Attributes:
        url: ``mysql://user:password@host:3306/database``; the database is optional, tables are named in full.
        password: Instead of the URL's; read again at each connection.
        tls: The link's encryption.
        server_id: Ours among the server's replicas, where no other may have it (F65); by default made of the group's
            and the source's name.
        heartbeat: While nothing is captured, the server is asked for a sign of life, and the position moves on, at
            this period (F67).
        include_query: Each record has the text of its statement in `source.query`, where the server logs it
            (`binlog_rows_query_log_events` on MySQL). The text repeats with each row, and it holds values of columns
            that are masked or left out. Rows of a snapshot and of XA transactions have none.
        snapshot: Limits of reading existing rows.
        types: How columns map to values.
    """

    url: Annotated[Url, AfterValidator(_is_mysql)]
    password: Secret | None = None
    tls: MysqlTls = MysqlTls()
    server_id: int | None = Field(default=None, ge=1, le=_LARGEST_ID)
    heartbeat: Milliseconds = Field(default=10_000, ge=100)
    include_query: bool = False
    snapshot: SnapshotReads = SnapshotReads()
    types: TypeOptions = Field(default_factory=TypeOptions, json_schema_extra={"changes": Changes.NEW_RECORDS.value})


def default_server_id(group: str, connector: str) -> int:
    """The replica id of a source that names none: the same at each start, from 2^31 up, where people choose few."""
    digest = hashlib.sha256(f"{group}\0{connector}".encode()).digest()
    return 2**31 + int.from_bytes(digest[:4], "big") % (2**31 - 1)


def server_id(config: MysqlConfig, group: str, connector: str) -> int:
    """The replica id of this source."""
    return config.server_id or default_server_id(group, connector)
