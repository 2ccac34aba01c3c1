"""Connections to MySQL and MariaDB: TLS, session settings that lose nothing, and nothing that a hostile server asks."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pymysql
from pymysql.connections import Connection as PymysqlConnection
from pymysql.constants import CLIENT

from connect.config.fields import or_rotated
from connect.errors import Failed, Retriable
from connectors.sql.config import Address, parse_url
from connectors.sql.mysql_errors import UNREACHABLE, refused_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.config.fields import MysqlTls
    from connectors.sql.config import SqlConfig

_CONNECT_SECONDS: Final = 10.0
_STATEMENT_SECONDS: Final = 120
_OLDEST: Final = {"mysql": (8, 0, 19), "mariadb": (10, 5, 0)}
_NAMES: Final = {"mysql": "MySQL", "mariadb": "MariaDB"}
# While nothing runs a session may be idle for a year; inside a transaction `mysql.py` sets a bound (F131).
IDLE_SECONDS: Final = 31_536_000
# Nothing is cut, rounded to zero, or replaced by a default or the next number without an error (F132, F141);
# "x" is a name.
_MODE: Final = (
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    ",NO_AUTO_VALUE_ON_ZERO,ANSI_QUOTES"
)
_SETTINGS: Final = (
    f"sql_mode = '{_MODE}'",
    "time_zone = '+00:00'",
    f"wait_timeout = {IDLE_SECONDS}",
    # Locks and statements are waited for with a bound (invariant 7).
    "innodb_lock_wait_timeout = 15",
    "lock_wait_timeout = 15",
    "net_read_timeout = 60",
    "net_write_timeout = 60",
    "unique_checks = 1",
    "sql_safe_updates = 0",
    "sql_select_limit = 18446744073709551615",
    "sql_big_selects = 1",
    "completion_type = 'NO_CHAIN'",  # a COMMIT begins nothing, and does not end the session
)
_SETTINGS_BY_KIND: Final = {
    "mysql": (f"max_execution_time = {_STATEMENT_SECONDS * 1000}", "transaction_isolation = 'READ-COMMITTED'"),
    "mariadb": (f"max_statement_time = {_STATEMENT_SECONDS}", "tx_isolation = 'READ-COMMITTED'"),
}
_ASKED_FOR_A_FILE: Final = 2068
_CANNOT_LOAD_PLUGIN: Final = 2059


class Link(PymysqlConnection):
    """PyMySQL's connection without what a hostile server could ask of it (F170)."""

    _read_timeout: float | None
    _secure: bool
    server_version: str

    def answers_within(self, seconds: float) -> None:
        """Wait so long for each answer: a statement may take longer than a handshake."""
        self._read_timeout = seconds

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Wait for what takes as long as it takes; a dead peer is noticed by the socket."""
        bound: float | None = self._read_timeout
        self._read_timeout = None
        try:
            yield
        finally:
            self._read_timeout = bound

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:
        plain = plugin_name in {b"mysql_clear_password", b"dialog", b"sha256_password"} and not self._secure
        if plain or plugin_name == b"mysql_old_password":
            message = f"the server asked for {plugin_name.decode(errors='replace')}, which would give the password away"
            raise pymysql.OperationalError(_CANNOT_LOAD_PLUGIN, message)
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]  # not in the stubs

    def _read_query_result(self, unbuffered: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyMySQL's signature
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc]  # not in the stubs
        except RuntimeError:  # F170: LOAD DATA LOCAL, which the handshake did not offer
            self._force_close()  # type: ignore[attr-defined]  # not in the stubs
            raise pymysql.OperationalError(_ASKED_FOR_A_FILE, "the server asked for a file of this machine") from None


class Server(NamedTuple):
    """The server that answered: ``mysql`` or ``mariadb``, and its version."""

    kind: str
    version: tuple[int, ...]


def connect(config: SqlConfig, application: str) -> tuple[Link, Server]:
    """A connection in autocommit mode: strict, READ COMMITTED, UTC, utf8mb4.

    Raises:
        Retriable: The server is not there right now.
        Failed: ``target_credentials``, ``target_database``, ``target_tls``, ``target_version``.
    """
    to = parse_url(config.url.reveal())
    password = config.password.reveal().rstrip("\n") if config.password is not None else to.password
    where = f"{to.host}:{to.port}"
    try:
        link = Link(
            host=to.host,
            port=to.port,
            user=to.user,
            password=password.encode(),
            database=to.database or None,
            charset="utf8mb4",
            autocommit=True,
            local_infile=False,  # F170
            client_flag=CLIENT.FOUND_ROWS,
            read_timeout=_CONNECT_SECONDS,
            write_timeout=_STATEMENT_SECONDS,
            program_name=application[:128],
            defer_connect=True,
            **_tls(config.tls, to.host),
        )
        link.connect(_socket(to))
    except pymysql.Error as error:
        refusal = refused_connection(error, where, to.user, to.database)
        wrong = refusal.code == "target_credentials"
        raise (or_rotated(refusal, config.password, config.url) if wrong else refusal) from None
    except (RuntimeError, UnicodeError) as error:  # of the handshake, which expects an honest server
        raise Failed("target_refused", f"{where}: {type(error).__name__} in the handshake") from None
    try:
        server = _pinned(link, where)
    except pymysql.Error as error:
        link.close()
        raise refused_connection(error, where, to.user, to.database) from None
    except Failed:
        link.close()
        raise
    link.answers_within(_STATEMENT_SECONDS + 15)
    return link, server


def _socket(to: Address) -> socket.socket:
    """A socket whose dead peer is noticed in half a minute (invariant 7)."""
    try:
        made = socket.create_connection((to.host, to.port), _CONNECT_SECONDS)
    except OSError as error:
        message = f"the target database {to.host}:{to.port} cannot be reached: {error.strerror or error}"
        raise Retriable(message, code=UNREACHABLE, hint="Does it run, and is url: right?") from None
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 10),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    ):
        if hasattr(socket, name):  # not on every system
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _pinned(link: Link, where: str) -> Server:
    server = server_of(link.server_version)
    if server.version < _OLDEST[server.kind]:
        name, oldest = _NAMES[server.kind], ".".join(map(str, _OLDEST[server.kind]))
        message = f"the target {where} is {name} {link.server_version}, and {oldest} is the oldest that is supported"
        raise Failed("target_version", message, hint="Upgrade the server.")
    settings = (*_SETTINGS, *_SETTINGS_BY_KIND[server.kind])
    link.query("SET " + ", ".join(f"SESSION {setting}" for setting in settings))
    return server


def server_of(version: str) -> Server:
    """The server that greets with this text; MariaDB may put ``5.5.5-`` before its own version."""
    kind = "mariadb" if "mariadb" in version.lower() else "mysql"
    numbers = re.match(r"(\d+)\.(\d+)\.?(\d*)", version.removeprefix("5.5.5-") if kind == "mariadb" else version)
    return Server(kind, tuple(int(part or 0) for part in numbers.groups()) if numbers else (0,))


def _tls(tls: MysqlTls | None, host: str) -> dict[str, Any]:
    """PyMySQL's arguments for the wanted mode; without any it takes TLS where the server offers it."""
    mode = tls.wanted if tls is not None else "preferred"
    if mode == "disabled" or (mode == "preferred" and _is_loopback(host)):
        return {"ssl_disabled": True}
    if tls is None or mode == "preferred":
        return {}
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the server's own certificates lack what it asks for
        context.check_hostname = mode == "verify_identity"
        context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("verify_") else ssl.CERT_NONE
        if tls.cert is not None:
            secret = tls.key_password.reveal() if tls.key_password is not None else None
            context.load_cert_chain(tls.cert, tls.key, secret)
    except OSError as error:  # ssl's own errors too
        raise Failed("target_tls", f"a file of `tls:` cannot be used: {error.strerror or error}") from None
    return {"ssl": context}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
