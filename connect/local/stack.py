"""Real servers as child processes: Kafka, a schema registry, Elasticsearch and databases, without Docker."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from connect.errors import ConnectError
from connect.local import artifacts, progress
from connect.local.children import Children
from connect.local.download import Cache, announce
from connect.local.elasticsearch import Elasticsearch
from connect.local.file import file_of
from connect.local.home import open_home, write_state
from connect.local.kafka import Kafka
from connect.local.machine import check_machine, check_room
from connect.local.mariadb import BUNDLED_VERSION as MARIADB_VERSION
from connect.local.mariadb import Mariadb
from connect.local.mysql import PACKAGES, Mysql
from connect.local.mysql_client import MysqlClient, NamedServer
from connect.local.postgres import BUNDLED_VERSION, Postgres
from connect.local.registry import SchemaRegistry
from connect.local.server import Server, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from connect.local.download import Download
    from connect.local.tls import Security

KINDS: Final[dict[str, type[Server]]] = {
    "kafka": Kafka,
    "schema_registry": SchemaRegistry,
    "elasticsearch": Elasticsearch,
    "postgres": Postgres,
    "mysql": Mysql,
    "mariadb": Mariadb,
}
# Without a choice: what every example needs. MySQL and MariaDB are 220 MB to download and 0.8 GB of memory more.
DEFAULT: Final = ("kafka", "schema_registry", "elasticsearch", "postgres")
NAMEABLE: Final = ("mysql", "mariadb")
_DOWNLOADS: Final[dict[str, Callable[[], Download]]] = {
    "kafka": artifacts.kafka,
    "schema_registry": artifacts.apicurio,
    "elasticsearch": artifacts.elasticsearch,
    "mysql": lambda: PACKAGES,
    "mariadb": artifacts.mariadb,
}

S = TypeVar("S", bound=Server)


class Stack:
    """Servers that live as long as the process that started them, and no longer, unless ``detach`` is called.

    A context manager; the servers ``kafka``, ``schema_registry``, ``elasticsearch``, ``postgres``, ``mysql`` and
    ``mariadb`` start when they are first asked for, or together by ``start``. Their data go when the stack goes.

    Args:
        home: Folder of downloads and stacks; None: ``CONNECT_HOME``, else the user's cache folder.
        ports: By server name, where a free one will not do.
        secure: Kafka with TLS and SCRAM, the registry with TLS, PostgreSQL with SCRAM, and TLS where its build has it,
            MySQL and MariaDB with TLS and a password.
        named: URLs of a ``mysql`` or a ``mariadb`` that runs elsewhere, used instead of starting one.
        say: Where it says what it does; None: bars or lines on standard error.
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        ports: Mapping[str, int] | None = None,
        secure: bool = False,
        named: Mapping[str, str] | None = None,
        say: progress.Progress | None = None,
    ) -> None:
        check_machine()
        self._named = {name: NamedServer(url) for name, url in (named or {}).items()}
        self._ports = dict(ports or {})
        _check_names(self._ports)
        self._home = open_home(home)
        self._say = say or progress.on_stderr()
        self._stopping = threading.Event()
        self._cache = Cache(self._home, self._say, self._stopping)
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._detached = False
        self._children = Children(self._home)
        try:
            self._site = Site(
                self._children, self._cache, self._say, self._stopping, self._secure() if secure else None
            )
        except BaseException:
            self._children.close()
            raise

    @classmethod
    def start(cls, only: Collection[str] = DEFAULT, **options: Any) -> Self:
        """A new stack with the servers of ``only``, started side by side; ``options`` as for ``Stack``.

        Raises:
            ConnectError: What is missing or failed; nothing is left running then, nor after Ctrl-C.
        """
        _check_names(only)
        stack = cls(**options)
        try:
            stack.ensure(only)
        except BaseException:
            stack.close()
            raise
        return stack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """Its name in ``connect local status``."""
        return self._children.folder.name

    @property
    def servers(self) -> dict[str, Server]:
        """All that were started, by name."""
        return dict(self._servers)

    @property
    def addresses(self) -> dict[str, str]:
        """Of each server, as a client uses it."""
        return {name: server.address for name, server in self._servers.items()}

    @property
    def security(self) -> dict[str, str]:
        """The authority's file, the user and the password of a secure stack; empty for a plain one."""
        security = self._site.security
        if security is None:
            return {}
        return {"ca": str(security.authority), "user": security.user, "password": security.password}

    @property
    def file(self) -> str:
        """A configuration file that uses a secure stack's servers, as YAML; "" for a plain one."""
        return file_of(self.addresses, self._site.security) if self._site.security else ""

    @property
    def kafka(self) -> Kafka:
        """The broker, started when first asked for."""
        return self._get("kafka", Kafka)

    @property
    def schema_registry(self) -> SchemaRegistry:
        """The schema registry, started when first asked for."""
        return self._get("schema_registry", SchemaRegistry)

    @property
    def elasticsearch(self) -> Elasticsearch:
        """The search node, started when first asked for."""
        return self._get("elasticsearch", Elasticsearch)

    @property
    def postgres(self) -> Postgres:
        """PostgreSQL of the bundled version, started when first asked for."""
        return self._get("postgres", Postgres)

    @property
    def mysql(self) -> MysqlClient:
        """MySQL, started when first asked for, or the one that was named."""
        return self._named.get("mysql") or self._get("mysql", Mysql)

    @property
    def mariadb(self) -> MysqlClient:
        """MariaDB of the bundled version, started when first asked for, or the one that was named."""
        return self._named.get("mariadb") or self._get("mariadb", Mariadb)

    def ensure(self, names: Collection[str]) -> None:
        """Start those servers of the stack, by their names in ``KINDS``, that were not started yet, side by side."""
        fresh = [name for name in KINDS if name in names and name not in self._servers]
        downloads = [_DOWNLOADS[name]() for name in fresh if name in _DOWNLOADS]
        check_room(self._home.path, announce(self._say, self._cache, downloads, self._home.cache))
        servers = {name: KINDS[name](self._site, name, port=self._ports.get(name)) for name in fresh}
        self._start_together(list(servers.values()))
        self._adopt(servers)

    def new_postgres(
        self,
        name: str,
        *,
        version: int = BUNDLED_VERSION,
        settings: Mapping[str, str] | None = None,
        access: Sequence[str] = (),
    ) -> Postgres:
        """Another PostgreSQL beside ``postgres``, started."""
        return self.add(Postgres(self._site, name, version=version, settings=settings, access=access))

    def new_mysql(self, name: str, *, settings: Mapping[str, str | None] | None = None) -> Mysql:
        """Another MySQL beside ``mysql``, with an id of its own, started: for tests that break it or follow it."""
        return self.add(Mysql(self._site, name, settings=settings))

    def new_mariadb(
        self, name: str, *, version: str = MARIADB_VERSION, settings: Mapping[str, str | None] | None = None
    ) -> Mariadb:
        """Another MariaDB beside ``mariadb``, of any of ``mariadb.VERSIONS``, with an id of its own, started."""
        return self.add(Mariadb(self._site, name, version=version, settings=settings))

    def new_kafka(self, name: str, *, settings: Mapping[str, str] | None = None, java: Sequence[str] = ()) -> Kafka:
        """Another broker beside ``kafka``, started: for tests that break it or want it otherwise."""
        return self.add(Kafka(self._site, name, settings=settings, java=java))

    def new_schema_registry(self, name: str) -> SchemaRegistry:
        """Another registry beside ``schema_registry``, started."""
        return self.add(SchemaRegistry(self._site, name))

    def new_elasticsearch(self, name: str) -> Elasticsearch:
        """Another search node beside ``elasticsearch``, started."""
        return self.add(Elasticsearch(self._site, name))

    def add(self, server: S) -> S:
        """Start a server, for example a ``Postgres.new_standby``, as a part of this stack."""
        if server.name in self._servers:
            raise ConnectError(f"the stack has a server {server.name} already", code="local_start_failed")
        server.start()
        self._adopt({server.name: server})
        return server

    def detach(self) -> None:
        """Let the servers outlive this process, until ``connect local down``."""
        self._detached = True
        self._write_state()
        self._children.detach()

    def close(self) -> None:
        """End every server and remove its data; after ``detach``, do nothing."""
        self._stopping.set()
        if not self._detached:
            self._children.close()

    def _get(self, name: str, kind: type[S]) -> S:
        with self._lock:
            if name not in self._servers:
                self.ensure([name])
            server = self._servers[name]
        if not isinstance(server, kind):
            raise TypeError(name)
        return server

    def _start_together(self, servers: list[Server]) -> None:
        if not servers:
            return
        with ThreadPoolExecutor(len(servers), thread_name_prefix="local-start") as pool:
            try:
                starts = [pool.submit(server.start) for server in servers]
                done, _ = wait(starts, return_when=FIRST_EXCEPTION)
                for start in done:
                    start.result()
            except BaseException:
                self._stopping.set()  # the others give up within a moment, or the pool would wait for their downloads
                self._children.close()
                raise

    def _adopt(self, servers: Mapping[str, Server]) -> None:
        self._servers.update(servers)
        self._write_state()

    def _write_state(self) -> None:
        write_state(
            self._children.folder,
            {
                "id": self.id,
                "pid": self._children.pid,
                "detached": self._detached,
                "servers": {
                    name: {"address": server.address, "pid": server.pid, "log": str(server.log)}
                    for name, server in self._servers.items()
                },
                "security": self.security,
            },
        )

    def _secure(self) -> Security:
        from connect.local.tls import make_security  # noqa: PLC0415 - a plain stack does not wait for it

        return make_security(self._children.folder)


def _check_names(names: Collection[str]) -> None:
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise ConnectError(
            f"the local stack has no server {', '.join(unknown)}",
            code="local_unknown_server",
            hint=f"its servers are {', '.join(KINDS)}",
        )
