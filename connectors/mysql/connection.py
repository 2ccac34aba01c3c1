"""Connections to the server: pinned session settings, secrets read anew, errors translated at the seam."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import ssl
from select import select
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.connections import Connection as PymysqlConnection
from pymysql.constants import COMMAND, CR

from connect.config.fields import or_rotated
from connect.errors import Failed
from connectors.mysql import quoting
from connectors.mysql.config import Address, parse_url
from connectors.mysql.errors import translate
from connectors.mysql.text_rows import fetch, row_packets

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Iterator, Sequence

    from connect.config.fields import MysqlTls
    from connectors.mysql.config import MysqlConfig

CONNECT_SECONDS: Final = 10
_BUFFER: Final = 256 * 1024
READ_SECONDS: Final = 60.0  # longer than any statement of ours may take

# Values must print the same whatever the server's and the account's settings; nothing may cut a result short.
_PINNED: Final = (
    "time_zone = '+00:00'",  # F79
    "sql_mode = ''",  # zero dates compare, backticks quote, || is not concatenation
    "sql_select_limit = 18446744073709551615",
    "sql_big_selects = 1",  # whatever max_join_size says: a chunk of a large table is bounded
    "completion_type = 'NO_CHAIN'",  # a COMMIT begins nothing
    "wait_timeout = 28800",
    "net_write_timeout = 600",
    "net_read_timeout = 600",
    "lock_wait_timeout = 5",  # F80: nobody queues behind us for longer
)
_PINNED_BY_KIND: Final = {
    "mysql": ("max_execution_time = 0", "transaction_isolation = 'READ-COMMITTED'"),
    "mariadb": ("max_statement_time = 0", "tx_isolation = 'READ-COMMITTED'"),
}
# Primary keys that MySQL makes itself are columns of the log like any other, whether or not the server shows them.
_SHOWN: Final = "/*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON */"
_MINIMUM: Final = {"mysql": (8, 0), "mariadb": (10, 5)}
_NAMES: Final = {"mysql": "MySQL", "mariadb": "MariaDB"}


class Connection(PymysqlConnection):
    """PyMySQL's connection without what a hostile server could ask of it.

    Attributes:
        server_version: What the server greeted with, see ``server_kind``.
    """

    server_version: str
    _secure: bool
    # What the stubs of PyMySQL leave out.
    _sock: socket.socket
    _rfile: Any
    _next_seq_id: int
    _execute_command: Callable[[int, str], None]
    _read_packet: Callable[..., Any]
    _force_close: Callable[[], None]
    thread_id: Callable[[], int]

    def undecoded(self) -> None:
        """Have text sent in its column's own character set from now on, and read through a buffer fit for rows."""
        self.query("SET SESSION character_set_results = NULL")
        self._rfile = self._sock.makefile("rb", buffering=_BUFFER)

    def select(self, query: str) -> Generator[bytes, None, None]:
        """The row packets of one SELECT, read while they are iterated; ``text_values`` has their cells.

        Left before its end, or ended by an error, it closes the connection: the server then ends the query at its
        next write.

        Raises:
            pymysql.Error: What the server or the link met, also between rows.
        """
        with self._answered(query) as has_rows:
            if has_rows:
                yield from row_packets(self._rfile.read, self._next_seq_id)

    def fetch(self, query: str, max_bytes: int | None) -> tuple[Sequence[bytes], bool]:
        """All row packets of one SELECT, cut after the one that passes ``max_bytes``, and whether they were.

        Cut, or ended by an error, it closes the connection, as ``select`` does.
        """
        packets: Sequence[bytes] = ()
        cut = False
        with self._answered(query) as has_rows:
            if has_rows:
                file = self._rfile
                packets, cut = fetch(file.read, lambda: file.read1(_BUFFER), self._next_seq_id, max_bytes)
        if cut:
            self._force_close()
        return packets, cut

    @contextlib.contextmanager
    def _answered(self, query: str) -> Iterator[bool]:
        """Send a query and read the head of its answer: whether rows follow."""
        done = False
        try:
            self._execute_command(COMMAND.COM_QUERY, query)
            first = self._read_packet()
            if first.is_load_local_packet():
                raise _asked_for_a_file()
            columns = 0 if first.is_ok_packet() else first.read_length_encoded_integer()
            for _ in range(columns + 1 if columns else 0):  # their definitions and an end
                self._read_packet()
            yield columns > 0
            done = True
        except (OSError, ValueError) as error:  # the read's time limit, or a closed file
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, f"the link broke: {error}") from None
        finally:
            if not done and self.open:
                self._force_close()

    def begin_query(self, query: str) -> None:
        """Send a statement; ``end_query`` reads what the server says."""
        self._execute_command(COMMAND.COM_QUERY, query)

    def answers(self, seconds: float) -> bool:
        """Whether the server says something within so many seconds."""
        return bool(select([self._sock], [], [], seconds)[0])

    def end_query(self) -> None:
        """Read the answer to ``begin_query``. Raises pymysql.Error as ``query`` does."""
        self._read_query_result()

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:
        plain = plugin_name in {b"mysql_clear_password", b"dialog"} and not self._secure
        if plain or plugin_name == b"mysql_old_password":
            message = f"the server asked for {plugin_name.decode(errors='replace')}, which would give the password away"
            raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, message)
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]  # the stubs lack it

    def _read_query_result(self, unbuffered: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyMySQL's signature
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc]  # the stubs lack it
        except RuntimeError:  # F170: LOAD DATA LOCAL, which the handshake did not offer
            self._force_close()
            raise _asked_for_a_file() from None


def _asked_for_a_file() -> pymysql.Error:
    message = "the server asked for a file of this machine"
    return pymysql.OperationalError(CR.CR_LOAD_DATA_LOCAL_INFILE_REJECTED, message)


def connect(config: MysqlConfig, connector: str, *, read_timeout: float = READ_SECONDS) -> Connection:
    """A connection in autocommit mode, at READ COMMITTED, in UTC. ``connector`` may be "": nobody's yet.

    Raises:
        Retriable: The server is not there right now.
        Failed: ``password``, ``permission``, ``database_missing``, ``tls``, ``auth_plugin``, ``server_too_old``.
    """
    to = parse_url(config.url.reveal())
    where = f"{connector}: connecting to {address(config)}" if connector else f"connecting to {address(config)}"
    try:
        connection = Connection(**_parameters(config, to, connector), read_timeout=read_timeout)
    except pymysql.Error as error:
        refusal = translate(error, where, account=quoting.account(to.user))
        raise (or_rotated(refusal, config.password, config.url) if refusal.code == "password" else refusal) from None
    except (RuntimeError, UnicodeError) as error:  # of PyMySQL's handshake, which expects an honest server
        raise Failed("protocol", f"{where}: {type(error).__name__} in the handshake") from None
    kind, version = server_kind(connection.server_version)
    try:
        if version < _MINIMUM[kind]:
            least = ".".join(map(str, _MINIMUM[kind]))
            message = f"{connector}: {_NAMES[kind]} {connection.server_version}"
            raise Failed("server_too_old", message, hint=f"{_NAMES[kind]} {least} or newer is needed.")  # noqa: TRY301 - closed below as for any error
        pinned = ", ".join(f"SESSION {one}" for one in (*_PINNED, *_PINNED_BY_KIND[kind]))
        connection.query(f"SET {pinned} {_SHOWN if kind == 'mysql' else ''}")
    except pymysql.Error as error:
        connection.close()
        raise translate(error, where, account=quoting.account(to.user)) from None
    except Failed:
        connection.close()
        raise
    return connection


def server_kind(version: str) -> tuple[str, tuple[int, ...]]:
    """``mysql`` or ``mariadb``, and the version's numbers, of the text that a server greets with.

    MariaDB may put ``5.5.5-`` before its own, for replicas that believe no version above 5.
    """
    kind = "mariadb" if "mariadb" in version.lower() else "mysql"
    numbers = re.match(r"(\d+)\.(\d+)\.?(\d*)", version.removeprefix("5.5.5-") if kind == "mariadb" else version)
    return kind, tuple(int(part or 0) for part in numbers.groups()) if numbers else (0,)


def address(config: MysqlConfig) -> str:
    """Where the URL points, without user and password, for messages."""
    to = parse_url(config.url.reveal())
    return f"{to.host}:{to.port}"


def account(config: MysqlConfig) -> str:
    """The URL's user as GRANT takes it, for statements of hints; the server may know its host more exactly."""
    return quoting.account(parse_url(config.url.reveal()).user)


def _parameters(config: MysqlConfig, to: Address, connector: str) -> dict[str, Any]:
    password = config.password.reveal().rstrip("\n") if config.password is not None else to.password or ""
    return {
        "host": to.host,
        "port": to.port,
        "user": to.user,
        "password": password.encode(),
        "database": to.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "local_infile": False,  # F170
        "connect_timeout": CONNECT_SECONDS,
        "write_timeout": READ_SECONDS,
        "program_name": f"connect {connector}".strip(),
        **_tls(config.tls, to.host),
    }


def _tls(tls: MysqlTls, host: str) -> dict[str, Any]:
    """PyMySQL's arguments for the wanted mode; without any it takes TLS where the server offers it."""
    mode = tls.wanted
    if mode == "disabled" or (mode == "preferred" and _is_loopback(host)):
        return {"ssl_disabled": True}
    if mode == "preferred":
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
        raise Failed("tls", f"a file of `tls:` cannot be used: {error.strerror or error}") from None
    return {"ssl": context}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
