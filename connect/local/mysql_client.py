"""A MySQL or MariaDB server over SQL: what a test does with it, whoever started it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

import pymysql

from connect.errors import ConnectError

if TYPE_CHECKING:
    from pathlib import Path

    from pymysql.connections import Connection

CONNECT_TIMEOUT: Final = 5  # seconds
DEFAULT_PORT: Final = 3306


class MysqlClient(ABC):
    """Addresses of a server and statements on it."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Of an account that may do everything: ``mysql://user:password@host:port/``."""

    @property
    def authority(self) -> Path | None:
        """File of the authority that signed the server's certificate; None: the link is not encrypted."""
        return None

    def url(self, database: str = "", *, user: str | None = None, password: str = "") -> str:
        """Of a database of this server; without a user, of the account of ``address``."""
        base = urlsplit(self.address)
        login = base.netloc.rpartition("@")[0] if user is None else quote(user, safe="")
        if password:
            login += f":{quote(password, safe='')}"
        return f"mysql://{login}@{base.hostname}:{base.port or DEFAULT_PORT}/{quote(database)}"

    def connect(self, database: str = "", *, user: str | None = None, password: str = "") -> Connection[Any]:
        """A session with autocommit on; the caller closes it.

        Raises:
            pymysql.err.OperationalError: The server does not let us in, or is not there.
        """
        to = urlsplit(self.url(database, user=user, password=password))
        tls = {"ssl_ca": str(self.authority), "ssl_verify_cert": True, "ssl_verify_identity": True}
        return pymysql.connect(
            host=to.hostname,
            port=to.port or DEFAULT_PORT,
            user=unquote(to.username or ""),
            password=unquote(to.password or ""),
            database=database or None,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            **(tls if self.authority else {"ssl_disabled": True}),
        )

    def execute(self, statement: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement as that account, by itself (autocommit); its rows. ``%s`` in it stand for ``values``."""
        with closing(self.connect(database)) as session, session.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def create_database(self, name: str) -> str:
        """A new database; its URL."""
        self.execute(f"CREATE DATABASE {quoted(name)}")
        return self.url(name)


class NamedServer(MysqlClient):
    """A server that runs elsewhere, used but not started: the tests of a machine where none can be started.

    Args:
        address: As ``MysqlClient.address``.

    Raises:
        ConnectError: ``local_server_url`` for what is no such URL.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "mysql" or not parts.hostname or not parts.username:
            raise ConnectError(
                "the URL of a MySQL or MariaDB server is mysql://user:password@host:port/",
                code="local_server_url",
                hint="correct CONNECT_TEST_MYSQL or CONNECT_TEST_MARIADB",
            )
        self._address = address

    @property
    def address(self) -> str:
        """See ``MysqlClient.address``."""
        return self._address


def quoted(name: str) -> str:
    """A name of a database or a table, in a statement."""
    return "`" + name.replace("`", "``") + "`"
