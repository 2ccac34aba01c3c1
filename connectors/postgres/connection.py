"""Connections to the server: pinned session settings, secrets read anew, errors translated at the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from connect.config.fields import libpq_authorities, or_rotated
from connect.errors import Failed
from connectors.postgres.errors import POOLER, translate

if TYPE_CHECKING:
    from connectors.postgres.config import PostgresConfig

# Values must print the same in the log and in COPY, whatever the role's and the database's settings (types.md A2).
_PINNED: Final = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "search_path": "",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "local",  # our own marks must not wait for a standby
}
_OPTIONS: Final = " ".join(f"-c {name}={value}" for name, value in _PINNED.items())

# A half-open link is noticed by the kernel too (F18); the replication thread also has a clock of its own.
_DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Limits that only newer servers have, so that they cannot be pinned in the start-up packet.
_NO_LIMITS: Final = (
    b"SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
    b" WHERE name IN ('idle_session_timeout', 'transaction_timeout')"
)
_PINNED_PATH: Final = b"SHOW search_path"  # no server's own is empty; a walsender, too, knows this statement
MINIMUM_VERSION: Final = 130_000


def connect(config: PostgresConfig, connector: str, *, replication: bool = False) -> psycopg.Connection[Any]:
    """A connection in autocommit mode; ``replication`` makes it a walsender. ``connector`` may be "": nobody's yet.

    Raises:
        Retriable: The server is not there right now.
        Failed: ``password``, ``permission``, ``database_missing``, ``tls``, ``pooler``, ``server_too_old``.
    """
    try:
        connection = psycopg.connect(**_parameters(config, connector, replication=replication), autocommit=True)
    except psycopg.Error as error:
        whose = f"{connector}: " if connector else ""
        refusal = translate(error, f"{whose}connecting to {address(config)}", role=role_name(config))
        raise (or_rotated(refusal, config.password, config.url) if refusal.code == "password" else refusal) from None
    if connection.info.server_version < MINIMUM_VERSION:
        version = connection.info.parameter_status("server_version")
        connection.close()
        raise Failed("server_too_old", f"{connector}: PostgreSQL {version}", hint="PostgreSQL 13 or newer is needed.")
    if connection.execute(_PINNED_PATH).fetchone() != ("",):
        connection.close()
        raise _not_pinned(config, connector)
    if not replication:  # the walsender is never idle
        connection.execute(_NO_LIMITS)
    connection.prepare_threshold = None  # many statements run once only, and a pooler may stand between
    return connection


def _not_pinned(config: PostgresConfig, connector: str) -> Failed:
    """Values would print by the server's settings: other dates, other bytes."""
    whose = f"{connector}: " if connector else ""
    message = f"{whose}{address(config)} drops the settings of a connection, as a pooler does"
    return Failed("pooler", message, hint=POOLER)


def address(config: PostgresConfig) -> str:
    """Where the URL points, without user and password, for messages."""
    parts = _url(config)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def role_name(config: PostgresConfig) -> str:
    """The URL's user as SQL, for statements of hints."""
    user = _url(config).get("user")
    return '"' + user.replace('"', '""') + '"' if user else "…"


def _url(config: PostgresConfig) -> dict[str, Any]:
    try:
        return conninfo_to_dict(config.url.reveal())
    except psycopg.Error:  # its message quotes the URL, which holds the password
        raise Failed(
            "bad_url", "the source's URL cannot be read", hint="postgresql://user@host:port/database"
        ) from None


def _parameters(config: PostgresConfig, connector: str, *, replication: bool) -> dict[str, Any]:
    parameters = _DEFAULTS | {"application_name": f"connect {connector}".strip()[:63]} | _url(config)
    if config.password is not None:
        parameters["password"] = config.password.reveal().rstrip("\n")
    parameters |= libpq_authorities(parameters)
    parameters["options"] = f"{parameters.get('options', '')} {_OPTIONS}".strip()
    parameters["client_encoding"] = "UTF8"
    if replication:
        parameters["replication"] = "database"
    return parameters
