"""MariaDB: 11.4 of the Maven repository, others of Debian's packages."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

from connect.errors import ConnectError
from connect.local import artifacts, debian
from connect.local.binlog_server import BinlogServer
from connect.local.children import Command
from connect.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connect.local.server import Site

BUNDLED_VERSION: Final = "11.4"
_NAMES: Final = ("mariadb-server-core",)
_PROGRAMS: Final = ("usr/sbin/mariadbd",)
PACKAGES: Final = {
    "10.11": debian.Packages("MariaDB", "10.11", "bookworm", _NAMES, _PROGRAMS, 24_000_000),
    "11.8": debian.Packages("MariaDB", "11.8", "trixie", _NAMES, _PROGRAMS, 26_000_000),
}
VERSIONS: Final = (BUNDLED_VERSION, *PACKAGES)
_CLIENT: Final = debian.Packages(
    "MariaDB client", "11.8", "trixie", ("mariadb-client",), ("usr/bin/mariadb-binlog",), 36_000_000
)

# The first data, in the order of mariadb-install-db, without the help texts and the database `test`.
_SYSTEM_TABLES: Final = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")


class Installation(NamedTuple):
    """Where a MariaDB lies: its program, its folder of messages and SQL, its folder of plugins."""

    program: Path
    share: Path
    plugins: Path


class Mariadb(BinlogServer):
    """A MariaDB. Its accounts use mysql_native_password, as MariaDB's do by default.

    Args:
        site: See ``BinlogServer``.
        name: See ``BinlogServer``.
        port: See ``BinlogServer``.
        settings: See ``BinlogServer``.
        version: Of ``VERSIONS``. 11.4 is the Maven repository's; the others need Debian.
    """

    title: ClassVar[str] = "MariaDB"

    def __init__(
        self,
        site: Site,
        name: str,
        *,
        port: int | None = None,
        settings: Mapping[str, str | None] | None = None,
        version: str = BUNDLED_VERSION,
    ) -> None:
        super().__init__(site, name, port=port, settings=settings)
        if version not in VERSIONS:
            raise ConnectError(
                f"MariaDB {version} is not to be had",
                code="local_version_missing",
                hint=f"use one of {', '.join(VERSIONS)}",
            )
        self.version = version

    @property
    def binlog_tool(self) -> Path:
        """See ``BinlogServer.binlog_tool``."""
        return debian.fetch(self.site.cache, _CLIENT) / debian.LAUNCHERS / "mariadb-binlog"

    def wait_for_replicas(self, *, at_most: float) -> Self:
        """See ``BinlogServer.wait_for_replicas``."""
        self.execute("SET GLOBAL rpl_semi_sync_master_timeout = %s", round(at_most * 1000))
        self.execute("SET GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC'")
        self.execute("SET GLOBAL rpl_semi_sync_master_enabled = ON")
        return self

    @property
    def _position_variable(self) -> str:
        return "gtid_binlog_pos"

    def _own_settings(self) -> dict[str, str | None]:
        installation = self._installation()
        return {
            "gtid_strict_mode": "ON",
            "log_slave_updates": "ON",
            "skip_name_resolve": "ON",
            "lc_messages_dir": str(installation.share),
            "character_sets_dir": str(installation.share / "charsets"),
            "plugin_dir": str(installation.plugins),
            **({} if self.site.security else {"skip_ssl": None}),
        }

    def _initialise(self) -> None:
        share = self._installation().share
        tables = [next(share.glob(f"m*_{name}.sql")) for name in _SYSTEM_TABLES]
        parts = ["CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"]
        parts += [path.read_text(encoding="utf-8") for path in tables]
        parts.append(f"DELETE FROM global_priv WHERE User = 'root' AND Host NOT IN ('localhost', '{LOOPBACK}');\n")
        parts.append("DELETE FROM proxies_priv WHERE Host <> 'localhost';\n")
        if security := self.site.security:
            accounts = (f"root@'{host}'" for host in ("localhost", LOOPBACK))
            parts.append("FLUSH PRIVILEGES;\n")
            parts += [f"SET PASSWORD FOR {account} = PASSWORD('{security.password}');\n" for account in accounts]
        script = self.write("bootstrap.sql", "".join(parts))
        server = self._server("--bootstrap", "--skip-log-bin", "--max-allowed-packet=8M")
        words = ["/bin/sh", "-c", 'script=$1; shift; exec "$@" < "$script"', "sh", script, *server.argv]
        self.site.children.run(self.name, Command(words, cwd=server.cwd, env=server.env), self.log)
        script.unlink()

    def _server(self, *words: str) -> Command:
        defaults = f"--defaults-file={self.folder / 'my.cnf'}"
        return Command([self._installation().program, defaults, *words], cwd=self.folder, env={"TZ": "UTC"})

    def _installation(self) -> Installation:
        if self.version == BUNDLED_VERSION:
            return _bundled(self.site)
        tree = debian.fetch(self.site.cache, PACKAGES[self.version])
        share = next(path.parent for path in tree.glob("usr/share/m*/english"))
        return Installation(tree / debian.LAUNCHERS / "mariadbd", share, tree / "usr/lib/mysql/plugin")

    @property
    def _promoting(self) -> tuple[str, ...]:
        return ("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF")

    def _role(self, *, replica: bool, semi_sync: bool) -> dict[str, str | None]:
        return {"read_only": str(int(replica)), "rpl_semi_sync_slave_enabled": str(int(semi_sync))}

    def _following(self, source: Self, *, semi_sync: bool) -> list[str]:
        options = {
            "MASTER_HOST": "'localhost'",  # its TLS library does not find an address in a certificate
            "MASTER_PORT": str(source.port),
            "MASTER_USER": "'root'",
            "MASTER_USE_GTID": "slave_pos",
            "MASTER_CONNECT_RETRY": "1",
            "MASTER_SSL": "0",  # 11.4 asks for a verified certificate unless told not to
            "MASTER_SSL_VERIFY_SERVER_CERT": "0",
        }
        if security := self.site.security:
            options |= {
                "MASTER_PASSWORD": f"'{security.password}'",
                "MASTER_SSL": "1",
                "MASTER_SSL_CA": f"'{security.authority}'",
                "MASTER_SSL_VERIFY_SERVER_CERT": "1",
            }
        return [
            "SET GLOBAL read_only = ON",
            "SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_current_pos",  # of one that took writes: all that it has
            f"SET GLOBAL rpl_semi_sync_slave_enabled = {int(semi_sync)}",
            "CHANGE MASTER TO " + ", ".join(f"{name} = {value}" for name, value in options.items()),
            "START SLAVE",
        ]

    def _has_applied(self, position: str) -> bool:
        return self.execute("SELECT MASTER_GTID_WAIT(%s, 1)", position) == [(0,)]

    def _replica_status(self) -> dict[str, Any]:
        [status] = self._named("SHOW SLAVE STATUS")
        return {
            "IO": status["Slave_IO_Running"],
            "SQL": status["Slave_SQL_Running"],
            "errors": f"{status['Last_IO_Error']} {status['Last_SQL_Error']}".strip(),
        }


def _bundled(site: Site) -> Installation:
    if platform.machine() != "x86_64":
        raise ConnectError(
            f"MariaDB {BUNDLED_VERSION} has a build for x86_64 only, and this is {platform.machine()}",
            code="local_unsupported_machine",
            hint="docker compose -f docker/compose.yaml --profile mariadb up; "
            "tests use a server of yours: CONNECT_TEST_MARIADB=mysql://root@127.0.0.1:3306/",
        )
    folder = site.cache.fetch(artifacts.mariadb())
    return Installation(folder / "bin/mariadbd", folder / "share", folder / "libs")
