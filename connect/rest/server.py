"""The HTTP server of a worker: binds, serves from one thread named ``rest``, ends with its owner."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from connect.errors import ConfigError, Problem
from connect.rest.app import WorkerView, create_app
from connect.rest.guard import LOOPBACK_NAMES, Guard

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from connect.config.fields import Secret

MAX_CONNECTIONS: Final = 64
CONNECTION_SECONDS: Final = 10.0  # from its first byte to its last, however slow the other side is
_HEADER_BYTES: Final = 16 * 2**10
_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where a worker listens, and who may ask.

    Attributes:
        host: A name or address of this machine.
        port: 0 for any free one.
        token: Needed for every page when set.
        certificate: Of TLS, a PEM file with its chain.
        key: The certificate's private key, a PEM file.
    """

    host: str = "127.0.0.1"
    port: int = 8083
    token: Secret | None = None
    certificate: Path | None = None
    key: Path | None = None

    def check(self) -> None:
        """Refuse to be open to the network without a token over TLS (F162).

        Raises:
            ConfigError: It would be.
        """
        if _is_loopback(self.host) or (self.token and self.certificate and self.key):
            return
        raise ConfigError(
            [
                Problem(
                    "worker.listen",
                    f"{self.host} can be reached by other machines",
                    "listen on 127.0.0.1, or set worker.token and worker.tls too",
                )
            ]
        )


class Connection(H11Protocol):
    """One connection, bounded in time and number: idle ones cannot use up the worker's file handles (F164)."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Refuse it when there are too many; otherwise its time runs."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._deadline = self.loop.call_later(CONNECTION_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended before its time."""
        super().connection_lost(exc)
        if self._deadline:
            self._deadline.cancel()


class RestServer:
    """Serves a worker's pages from ``start`` to ``close``.

    Attributes:
        url: Where it answers.
        moved: The configured port was taken and another one is used.
    """

    def __init__(self, worker: WorkerView, settings: ListenSettings) -> None:
        """Bind at once, so that the address is known before anything else starts.

        Raises:
            ConfigError: The address is none of this machine's, or open to the network without protection.
        """
        settings.check()
        app = Guard(create_app(worker), LOOPBACK_NAMES | {settings.host.lower()}, settings.token)
        self._server = uvicorn.Server(_uvicorn(app, settings))
        self._socket, self.moved = _bind(settings.host, settings.port)
        scheme = "https" if settings.certificate else "http"
        self.url = f"{scheme}://{_reachable(self._socket)}"
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="rest", daemon=True)

    def start(self) -> None:
        """Serve; returns once it answers."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop serving. Idempotent."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._socket.close()


def _uvicorn(app: Guard, settings: ListenSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=1,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    try:
        config.load()  # reads the certificate
    except OSError as error:
        problem = f"the certificate or its key cannot be read ({error.strerror or error})"
        fix = "write the paths of two PEM files that belong together"
        raise ConfigError([Problem("worker.tls", problem, fix)]) from error
    return config


def _bind(host: str, port: int) -> tuple[socket.socket, bool]:
    """A listening socket, and whether the wanted port was taken."""
    try:
        return _listening(host, port), False
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _listening(host, 0), True
        problem = f"cannot listen on {host}:{port} ({error.strerror})"
        fix = "write an address of this machine and a port above 1023, for example 127.0.0.1:8083"
        raise ConfigError([Problem("worker.listen", problem, fix)]) from error


def _listening(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen()  # only now is a port that another one reuses refused
    except OSError:
        sock.close()
        raise
    return sock


def _reachable(sock: socket.socket) -> str:
    """``host:port`` that a client on this machine can use: an any-address is no destination."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
