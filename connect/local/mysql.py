"""MySQL, of Debian's packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from connect.local import debian
from connect.local.binlog_server import BinlogServer
from connect.local.children import Command
from connect.local.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES: Final = debian.Packages(
    title="MySQL",
    version="9.7",
    suite="sid",
    names=("mysql-server-core",),
    programs=("usr/sbin/mysqld", "usr/bin/mysqlbinlog"),
    size=72_000_000,
)
_TEMPLATE: Final = f"{PACKAGES.folder}-data"  # first data: copied in a moment, made in three seconds


class Mysql(BinlogServer):
    """A MySQL with semi-sync at hand. Its accounts use caching_sha2_password.

    ``stop`` takes nine seconds while its binlog is read by anybody: MySQL waits for its replicas. ``kill`` does not.
    """

    title: ClassVar[str] = "MySQL"

    @property
    def binlog_tool(self) -> Path:
        """See ``BinlogServer.binlog_tool``."""
        return self._tree() / debian.LAUNCHERS / "mysqlbinlog"

    def wait_for_replicas(self, *, at_most: float) -> Self:
        """See ``BinlogServer.wait_for_replicas``."""
        self.execute("SET GLOBAL rpl_semi_sync_source_timeout = %s", round(at_most * 1000))
        self.execute("SET GLOBAL rpl_semi_sync_source_enabled = ON")
        return self

    @property
    def _position_variable(self) -> str:
        return "gtid_executed"

    def _own_settings(self) -> dict[str, str | None]:
        tree = self._tree()
        return {
            "mysqlx": "OFF",
            "gtid_mode": "ON",
            "enforce_gtid_consistency": "ON",
            "lc_messages_dir": str(tree / "usr/share/mysql"),
            "character_sets_dir": str(tree / "usr/share/mysql/charsets"),
            "plugin_dir": str(tree / "usr/lib/mysql/plugin"),
            "plugin_load_add": "semisync_source.so;semisync_replica.so",
        }

    def _initialise(self) -> None:
        if self.site.security is None and (template := self.site.cache.find(_TEMPLATE)):
            self._copy_data(template / self.data.name)
            return
        # No GTID of a server's own making; the redo log grows to its size when the server starts.
        words = ["--initialize-insecure", "--skip-log-bin", "--plugin-load=", "--innodb-redo-log-capacity=8M"]
        if security := self.site.security:
            statement = f"ALTER USER root@localhost IDENTIFIED BY '{security.password}';\n"
            words.append(f"--init-file={self.write('password.sql', statement)}")
        self.site.children.run(self.name, self._server(*words), self.log)
        if self.site.security is None:
            (self.data / "auto.cnf").unlink(missing_ok=True)  # its UUID: each server makes its own
            self.site.cache.copy(_TEMPLATE, [self.data])

    def _copy_data(self, template: Path) -> None:
        shutil.copytree(template, self.data, dirs_exist_ok=True)
        for path in self.data.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
            self.own(path)

    def _server(self, *words: str) -> Command:
        program = self._tree() / debian.LAUNCHERS / "mysqld"
        defaults = f"--defaults-file={self.folder / 'my.cnf'}"
        return Command([program, defaults, *words], cwd=self.folder, env={"TZ": "UTC"})

    def _tree(self) -> Path:
        return debian.fetch(self.site.cache, PACKAGES)

    @property
    def _promoting(self) -> tuple[str, ...]:
        return ("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL read_only = OFF")

    def _role(self, *, replica: bool, semi_sync: bool) -> dict[str, str | None]:
        # A transaction of a replica's own would be one that no source has: not even root may write.
        return {"super_read_only": str(int(replica)), "rpl_semi_sync_replica_enabled": str(int(semi_sync))}

    def _following(self, source: Self, *, semi_sync: bool) -> list[str]:
        options = {
            "SOURCE_HOST": f"'{LOOPBACK}'",
            "SOURCE_PORT": str(source.port),
            "SOURCE_USER": "'root'",
            "SOURCE_AUTO_POSITION": "1",
            "SOURCE_CONNECT_RETRY": "1",
            "SOURCE_RETRY_COUNT": "0",  # without end; by default it gives up after ten
        }
        if security := self.site.security:
            options |= {
                "SOURCE_PASSWORD": f"'{security.password}'",
                "SOURCE_SSL": "1",
                "SOURCE_SSL_CA": f"'{security.authority}'",
            }
        return [
            "SET GLOBAL super_read_only = ON",
            f"SET GLOBAL rpl_semi_sync_replica_enabled = {int(semi_sync)}",
            "CHANGE REPLICATION SOURCE TO " + ", ".join(f"{name} = {value}" for name, value in options.items()),
            "START REPLICA",
        ]

    def _has_applied(self, position: str) -> bool:
        return self.execute("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 1)", position) == [(0,)]

    def _replica_status(self) -> dict[str, Any]:
        [status] = self._named("SHOW REPLICA STATUS")
        return {
            "IO": status["Replica_IO_Running"],
            "SQL": status["Replica_SQL_Running"],
            "errors": f"{status['Last_IO_Error']} {status['Last_SQL_Error']}".strip(),
        }
