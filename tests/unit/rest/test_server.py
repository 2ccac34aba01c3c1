"""The worker's pages, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connect.config.fields import Secret
from connect.errors import ConfigError
from connect.rest import server
from connect.rest.app import WorkerView
from connect.rest.server import ListenSettings, RestServer
from connect.runtime.report import State, TableReport, TaskReport
from connect.runtime.states import Connector, ConnectorStatus, History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOP = Connector("shop", "source", "postgres")


def shop(report: TaskReport) -> ConnectorStatus:
    history = History(0.0)
    history.observe(report, 0.0)
    return history.status(SHOP, 1.0, pid=42, restarts=3)


STREAMING = TaskReport(
    state=State.STREAMING,
    position={"lsn": 7},
    tables={'public."odd\n"': TableReport(phase="streaming", rows=9)},
    lag_bytes=4096,
    records=1000,
    dead_letters=2,
)


@pytest.fixture
def serve() -> Iterator[Callable[..., RestServer]]:
    servers: list[RestServer] = []

    def start(report: TaskReport = STREAMING, **options: Any) -> RestServer:
        view = WorkerView("shop-cdc", time.monotonic(), lambda: [shop(report)])
        servers.append(RestServer(view, ListenSettings(**({"port": 0} | options))))
        servers[-1].start()
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def ask(
    server: RestServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> http.client.HTTPResponse:
    """One request; the response with its body as ``.text``."""
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.text = response.read().decode()
    return response


def raw(server: RestServer, request: bytes) -> bytes:
    """Everything that comes back for some bytes until the connection ends, in order or not."""
    host, _, port = server.url.partition("//")[2].rpartition(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=10) as sock, suppress(ConnectionError):
        sock.sendall(request)
        while chunk := sock.recv(65536):
            found += chunk
    return found


def test_health_is_well_while_every_connector_is(serve: Callable[..., RestServer]) -> None:
    response = ask(serve(), "/health")

    assert response.status == 200
    assert json.loads(response.text) == {"healthy": True, "connectors": {"shop": {"state": "STREAMING", "code": ""}}}


@pytest.mark.parametrize("state", [State.FAILED, State.STALLED, State.FENCED])
def test_health_is_503_while_a_connector_is_down(serve: Callable[..., RestServer], state: State) -> None:
    response = ask(serve(TaskReport(state=state, code="slot_lost")), "/health")

    assert response.status == 503
    assert json.loads(response.text)["connectors"]["shop"]["code"] == "slot_lost"


def test_health_is_well_while_a_connector_retries(serve: Callable[..., RestServer]) -> None:
    assert ask(serve(TaskReport(state=State.RETRYING)), "/health").status == 200


def test_status_shows_the_whole_report(serve: Callable[..., RestServer]) -> None:
    document = json.loads(ask(serve(), "/status").text)

    assert (document["group"], document["healthy"]) == ("shop-cdc", True)
    connector = document["connectors"]["shop"]
    assert (connector["plugin"], connector["pid"], connector["restarts"]) == ("postgres", 42, 3)
    assert (connector["position"], connector["lag_bytes"]) == ({"lsn": 7}, 4096)
    assert connector["tables"]['public."odd\n"']["rows"] == 9


def test_metrics_count_and_gauge(serve: Callable[..., RestServer]) -> None:
    response = ask(serve(), "/metrics")

    assert response.headers["content-type"].startswith("text/plain")
    labels = '{connector="shop",kind="source"}'
    assert f"connect_records_total{labels} 1000.0\n" in response.text
    assert f"connect_dead_letters_total{labels} 2.0\n" in response.text
    assert f"connect_restarts_total{labels} 3.0\n" in response.text
    assert f"connect_lag_bytes{labels} 4096.0\n" in response.text
    assert 'connect_state{connector="shop",kind="source",state="STREAMING"} 1.0\n' in response.text
    assert 'connect_state{connector="shop",kind="source",state="FAILED"} 0.0\n' in response.text


def test_what_is_unknown_is_absent_from_metrics(serve: Callable[..., RestServer]) -> None:
    assert "connect_lag_seconds{" not in ask(serve(), "/metrics").text


def test_metric_labels_are_bounded(serve: Callable[..., RestServer]) -> None:
    assert "odd" not in ask(serve(), "/metrics").text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get_is_served(serve: Callable[..., RestServer], method: str) -> None:
    assert ask(serve(), "/status", method).status == 405


@pytest.mark.parametrize("host", ["evil.test", "evil.test:8083", "127.0.0.1.evil.test", "[::2]:8083", ""])
def test_F163_a_stranger_s_name_is_refused(serve: Callable[..., RestServer], host: str) -> None:
    assert ask(serve(), "/status", Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8083", "[::1]:8083"])
def test_F163_our_own_names_are_served(serve: Callable[..., RestServer], host: str) -> None:
    assert ask(serve(), "/status", Host=host).status == 200


def test_F163_a_page_of_another_site_is_refused(serve: Callable[..., RestServer]) -> None:
    response = ask(serve(), "/status", Origin="http://evil.test")

    assert response.status == 403
    assert "access-control-allow-origin" not in response.headers


def test_F163_browsers_are_told_to_do_nothing_with_it(serve: Callable[..., RestServer]) -> None:
    headers = ask(serve(), "/status").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_F164_a_body_is_not_read(serve: Callable[..., RestServer]) -> None:
    request = b"GET /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"

    assert raw(serve(), request).startswith(b"HTTP/1.1 413 ")


def test_F164_a_body_without_a_length_is_not_read(serve: Callable[..., RestServer]) -> None:
    request = b"GET /status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

    assert raw(serve(), request).startswith(b"HTTP/1.1 413 ")


def test_F164_a_header_without_an_end_is_cut_off(serve: Callable[..., RestServer]) -> None:
    request = b"GET /status HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000

    answer = raw(serve(), request)

    assert answer.startswith(b"HTTP/1.1 400 ") or answer == b""


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/status%00", "/status/%0d%0aX:y", "/nothing", "/"])
def test_F164_odd_paths_are_not_found(serve: Callable[..., RestServer], path: str) -> None:
    response = ask(serve(), path)

    assert response.status == 404
    assert "Traceback" not in response.text


def test_F164_a_slow_request_is_cut_off(serve: Callable[..., RestServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 0.2)

    assert raw(serve(), b"GET /status HT") == b""


def test_F164_idle_connections_are_limited(serve: Callable[..., RestServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    running = serve()
    host, _, port = running.url.removeprefix("http://").rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(3)]

    assert raw(running, b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    for sock in idle:
        sock.close()


def test_a_taken_port_is_reported_and_a_free_one_used(serve: Callable[..., RestServer]) -> None:
    first = serve()
    port = int(first.url.rpartition(":")[2])

    second = serve(port=port)

    assert (first.moved, second.moved) == (False, True)
    assert second.url != first.url
    assert ask(second, "/health").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "db.example"])
def test_F162_open_to_the_network_needs_a_token_over_tls(serve: Callable[..., RestServer], host: str) -> None:
    with pytest.raises(ConfigError, match=r"worker\.listen: .* can be reached by other machines; listen on 127"):
        serve(host=host, token=Secret("t"))


def test_an_address_of_another_machine_is_a_fault_of_the_file(serve: Callable[..., RestServer], tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)

    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.7:8083"):
        serve(host="192.0.2.7", port=8083, token=Secret("t"), certificate=certificate, key=key)


@pytest.mark.parametrize("path", ["/health", "/metrics", "/status", "/nothing"])
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer", "Basic S3CR3T", "Bearer ünicode"])
def test_F162_every_page_needs_the_token(
    serve: Callable[..., RestServer], path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    response = ask(serve(token=Secret("S3CR3T")), path, **headers)

    assert (response.status, response.text) == (401, "")


def test_F162_the_token_opens_the_pages_under_any_name(serve: Callable[..., RestServer]) -> None:
    response = ask(serve(token=Secret("S3CR3T")), "/status", Authorization="Bearer S3CR3T", Host="worker.example")

    assert response.status == 200
    assert "S3CR3T" not in response.text


def test_closing_frees_the_port(serve: Callable[..., RestServer]) -> None:
    first = serve()
    port = int(first.url.rpartition(":")[2])
    first.close()

    assert not serve(port=port).moved


def test_F162_with_tls_nothing_is_served_in_clear(serve: Callable[..., RestServer], tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    running = serve(host="0.0.0.0", token=Secret("t"), certificate=certificate, key=key)
    port = int(running.url.rpartition(":")[2])
    trusting = ssl.create_default_context(cafile=str(certificate))

    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting)) as connection:
        connection.request("GET", "/health", headers={"Authorization": "Bearer t"})
        assert connection.getresponse().status == 200
    assert b"HTTP" not in raw(running, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert running.url == f"https://127.0.0.1:{port}"


def test_a_certificate_that_cannot_be_read_is_a_fault_of_the_file(serve: Callable[..., RestServer]) -> None:
    pem = Path("missing.pem")

    with pytest.raises(ConfigError, match=r"worker\.tls: .*No such file"):
        serve(host="0.0.0.0", token=Secret("t"), certificate=pem, key=pem)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key, valid for an hour."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "worker")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key
