"""A stack as production has it: TLS, log-ins, ACLs, a reverse proxy; a worker on it; and who may what."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connect.local import progress
from connect.local.stack import Stack
from connect.testing.cluster_admin import ClusterAdmin

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from connect.local.kafka import Kafka

PATIENCE = 120.0
_VALIDATOR = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
_MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"


class Issuer:
    """An identity provider's key, and the tokens that it signs."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> str:
        """What the brokers check its tokens with."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "e": "AQAB", "n": _number(numbers.n)}
        return json.dumps({"keys": [key]})

    def token(self, subject: str, *, seconds: float = 300) -> str:
        """A signed token of somebody."""
        now = int(time.time())
        head = _text({"alg": "RS256", "kid": "one", "typ": "JWT"})
        body = _text({"sub": subject, "iat": now, "exp": now + int(seconds), "aud": "kafka", "iss": "tests"})
        signed = self._key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{head}.{body}.{_coded(signed)}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _text(value: Any) -> str:
    return _coded(json.dumps(value).encode())


def _number(number: int) -> str:
    return _coded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The one whose tokens the broker takes."""
    return Issuer()


@pytest.fixture(scope="session")
def secure(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A secure stack; its servers start when they are first asked for."""
    del tmp_path_factory
    with Stack(secure=True, say=progress.silent()) as stack:
        yield stack


@pytest.fixture(scope="session")
def broker(secure: Stack, issuer: Issuer) -> Kafka:
    """Its broker, which takes the issuer's tokens too."""
    keys = Path(secure.security["ca"]).with_name("jwks.json")
    keys.write_text(issuer.jwks())
    keys.chmod(0o644)
    settings = {
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER",
        "listener.name.client.oauthbearer.sasl.jaas.config": _MODULE,
        "listener.name.client.oauthbearer.sasl.server.callback.handler.class": _VALIDATOR,
        "sasl.oauthbearer.jwks.endpoint.url": keys.as_uri(),
        "sasl.oauthbearer.expected.audience": "kafka",
        "sasl.oauthbearer.expected.issuer": "tests",
    }
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.as_uri()}"
    return secure.new_kafka("broker", settings=settings, java=(allowed,))


@pytest.fixture(scope="session")
def cluster(broker: Kafka) -> ClusterAdmin:
    """Its administrator."""
    return ClusterAdmin(broker)


class Worker:
    """``connect run FILE --json``, and the events that it printed."""

    def __init__(self, file: Path, home: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self._errors = file.with_suffix(".err")
        command = [sys.executable, "-m", "connect", "run", str(file), "--json"]
        with self._errors.open("a") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, "CONNECT_HOME": str(home)}
            )
        self._reader = threading.Thread(target=self._read, name="worker-events")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._came:
                    self.events.append(json.loads(line))
                    self._came.notify_all()

    def wait(self, connector: str, *states: str, since: int = 0) -> dict[str, Any]:
        """Its first event in one of these states, not counting the first ``since`` events."""

        def found() -> dict[str, Any] | None:
            of_it = (e for e in self.events[since:] if e.get("connector") == connector and e["state"] in states)
            return next(of_it, None)

        with self._came:
            self._came.wait_for(found, PATIENCE)
        event = found()
        assert event, f"{[e for e in self.events if e.get('connector') == connector][-2:]} {self._errors.read_text()}"
        return event

    def end(self) -> None:
        """As Ctrl-C does, or at once if it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where workers leave their addresses."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def run(home: Path) -> Iterator[Callable[[Path], Worker]]:
    """Start workers; they end with the test."""
    workers: list[Worker] = []

    def start(file: Path) -> Worker:
        workers.append(Worker(file, home))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


@pytest.fixture
def connect(home: Path) -> Callable[..., str]:
    """A command's arguments → what it printed."""

    def called(*arguments: object) -> str:
        command = [sys.executable, "-m", "connect", *map(str, arguments)]
        environment = {**os.environ, "CONNECT_HOME": str(home)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)
        assert done.stdout, done.stderr
        return done.stdout

    return called


_HOPS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host"})


class Front:
    """A reverse proxy with a certificate and a log-in of its own: requests without ``login`` are answered with 401.

    Args:
        port: Of the server behind it, which speaks TLS on the loopback.
        authority: File of the authority that signed that server's certificate.
        presented: PEM file of the certificate and key that it presents itself.
    """

    def __init__(self, port: int, authority: str, presented: Path, login: str = "") -> None:
        self.login = login
        trusted = ssl.create_default_context(cafile=authority)
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                wanted = f"Basic {base64.b64encode(front.login.encode()).decode()}"
                if front.login and self.headers["Authorization"] != wanted:
                    self.answer(401, {"WWW-Authenticate": 'Basic realm="registry"'}, b"Unauthorized")
                    return
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
                if front.login:
                    del kept["Authorization"]
                behind = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30)
                try:
                    behind.request(self.command, self.path, body, kept)
                    found = behind.getresponse()
                    headers = {name: value for name, value in found.getheaders() if name.lower() not in _HOPS}
                    self.answer(found.status, headers, found.read())
                finally:
                    behind.close()

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = pass_on  # noqa: N815 - names that the base class asks for

            def log_message(self, *_: Any) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(presented)
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="front")
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that breaks the handshake off is what the tests are for."""


@pytest.fixture
def before(secure: Stack, tmp_path: Path) -> Iterator[Callable[..., Front]]:
    """A reverse proxy before one of the stack's servers, with a log-in or with a certificate that ended yesterday."""
    fronts: list[Front] = []

    def made(server: Any, *, ended: dt.timedelta | None = None, login: str = "") -> Front:
        certificate, key = server.site.security.issuer.issue(ended=ended)
        presented = tmp_path / f"front-{len(fronts)}.pem"
        presented.write_text(key + certificate)
        fronts.append(Front(server.port, secure.security["ca"], presented, login))
        return fronts[-1]

    yield made
    for front in fronts:
        front.close()
