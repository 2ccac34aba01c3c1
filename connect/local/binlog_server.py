"""What a stack's MySQL and MariaDB have in common: fit for change capture, breakable, and one follows another."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import pymysql
from pymysql.cursors import DictCursor

from connect.errors import ConnectError
from connect.local.children import POLL, Command
from connect.local.mysql_client import MysqlClient
from connect.local.ports import LOOPBACK
from connect.local.server import Server, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FOLLOW_TIMEOUT: Final = 60.0  # seconds until a replica is connected, or has what its source has

# Paths are relative to the data folder: that of a socket may have 107 bytes only.
_SETTINGS: Final = {
    "bind_address": LOOPBACK,
    "socket": "mysqld.sock",
    "pid_file": "mysqld.pid",
    "secure_file_priv": "",
    "max_connections": "300",
    "innodb_buffer_pool_size": "128M",
    "log_bin": "binlog",
    "relay_log": "relay",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
}


class BinlogServer(MysqlClient, Server):
    """A server whose superuser is ``root``, with row images, full metadata and GTIDs in its binlog.

    Args:
        site: See ``Server``.
        name: See ``Server``.
        port: See ``Server``; it is the server's id among replicas too.
        settings: Of my.cnf, over ours: ``{"binlog_row_metadata": "MINIMAL"}``. None: the name alone (``skip_log_bin``).
    """

    def __init__(
        self, site: Site, name: str, *, port: int | None = None, settings: Mapping[str, str | None] | None = None
    ) -> None:
        super().__init__(site, name, port=port)
        self._settings = dict(settings or {})

    @property
    def address(self) -> str:
        """See ``MysqlClient.address``."""
        security = self.site.security
        login = f"root:{quote(security.password, safe='')}" if security else "root"
        return f"mysql://{login}@{LOOPBACK}:{self.port}/"

    @property
    def authority(self) -> Path | None:
        """See ``MysqlClient.authority``."""
        return self.site.security.authority if self.site.security else None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def binlogs(self) -> list[Path]:
        """The binlog files, oldest first."""
        return sorted(self.data.glob("binlog." + "[0-9]" * 6))

    @property
    @abstractmethod
    def binlog_tool(self) -> Path:
        """The program that prints binlogs, ``mysqlbinlog`` or ``mariadb-binlog``; fetched when first asked for."""

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        self.make_folder("data")
        self.make_folder("tmp")
        self._write_settings(ports[0])
        self._initialise()

    def command(self) -> Command:
        """See ``Server.command``."""
        return self._server()

    def answers(self) -> bool:
        """See ``Server.answers``."""
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def configure(self, settings: Mapping[str, str | None]) -> Self:
        """Change settings of my.cnf; they count from the next ``start`` on."""
        self._settings |= settings
        self._write_settings(self.port)
        return self

    def follow(self, source: Self, *, semi_sync: bool = False) -> Self:
        """Become a read-only replica of another server, by GTID, through restarts; returns when it is connected.

        Args:
            source: Has all its binlogs still; followed by a new server it is copied from its first transaction on.
            semi_sync: Acknowledge each transaction, for a source that waits for it (``wait_for_replicas``).

        Raises:
            ConnectError: ``local_start_failed`` with what the replica says.
        """
        self.configure(self._role(replica=True, semi_sync=semi_sync))
        for statement in self._following(source, semi_sync=semi_sync):
            self.execute(statement)
        self._until(lambda status: status["IO"] == "Yes", f"does not follow {source.name}")
        return self

    def catch_up(self, source: Self) -> Self:
        """Wait until this replica has applied what the source has committed by now.

        Raises:
            ConnectError: ``local_start_failed`` with what the replica says.
        """
        wanted = source.gtid_position()
        self._until(lambda _status: self._has_applied(wanted), f"does not catch up with {source.name}")
        return self

    def gtid_position(self) -> str:
        """All that this server has committed, as it writes it."""
        return str(self.execute(f"SELECT @@GLOBAL.{self._position_variable}")[0][0])

    def promote(self) -> Self:
        """End following and take writes."""
        self.configure(self._role(replica=False, semi_sync=False))
        for statement in self._promoting:
            self.execute(statement)
        return self

    @abstractmethod
    def wait_for_replicas(self, *, at_most: float) -> Self:
        """Semi-sync until a restart: a commit is in the binlog, but not visible until a replica has acknowledged it.

        Args:
            at_most: Seconds after which it is visible all the same, and semi-sync off.
        """

    @property
    @abstractmethod
    def _position_variable(self) -> str:
        """The system variable of ``gtid_position``."""

    @abstractmethod
    def _own_settings(self) -> dict[str, str | None]:
        """Settings of this kind, over those of both."""

    @abstractmethod
    def _initialise(self) -> None:
        """Make the first data."""

    @abstractmethod
    def _server(self, *words: str) -> Command:
        """How the server program is run, with further words."""

    @property
    @abstractmethod
    def _promoting(self) -> tuple[str, ...]:
        """The statements that make this replica a server that takes writes."""

    @abstractmethod
    def _role(self, *, replica: bool, semi_sync: bool) -> dict[str, str | None]:
        """Settings of my.cnf by which a server is the same after a restart."""

    @abstractmethod
    def _following(self, source: Self, *, semi_sync: bool) -> list[str]:
        """The statements that make this server a replica."""

    @abstractmethod
    def _has_applied(self, position: str) -> bool:
        """Whether a source's position has been reached."""

    @abstractmethod
    def _replica_status(self) -> dict[str, Any]:
        """``IO`` and ``SQL``, ``No`` where the thread has ended; ``errors`` as text."""

    def _write_settings(self, port: int) -> None:
        ours = {**_SETTINGS, "server_id": str(port), "port": str(port), "datadir": str(self.data)}
        tls = self._tls_settings()
        settings = {**ours, "tmpdir": str(self.folder / "tmp"), **self._own_settings(), **tls, **self._settings}
        lines = [key if value is None else f"{key} = {value}" for key, value in settings.items()]
        self.write("my.cnf", "\n".join(["[mysqld]", *lines, ""]))

    def _tls_settings(self) -> dict[str, str]:
        if not (security := self.site.security):
            return {}
        return {
            "ssl_ca": str(security.authority),
            "ssl_cert": str(self.write("server.pem", security.certificate)),
            "ssl_key": str(self.write("server.key", security.key)),
            "require_secure_transport": "ON",
        }

    def _named(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a statement by the names of their columns."""
        with closing(self.connect()) as session, session.cursor(DictCursor) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _until(self, reached: Callable[[dict[str, Any]], bool], otherwise: str) -> None:
        deadline = time.monotonic() + FOLLOW_TIMEOUT
        while not reached(status := self._replica_status()):
            gave_up = "No" in {status["IO"], status["SQL"]} and status["errors"]  # else it is still connecting
            if gave_up or time.monotonic() > deadline:
                raise ConnectError(
                    f"{self.name} {otherwise}: {status['errors'] or 'no answer'}", code="local_start_failed"
                )
            time.sleep(POLL)
