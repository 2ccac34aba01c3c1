"""The registry client against answers that no good registry gives."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connect.config.fields import Secret
from connect.config.references import resolve
from connect.errors import ConfigError, Failed, Retriable
from connect.schema import registry
from connect.schema.registry import Login, RegistryClient, TlsFiles

SCHEMA = '{"type":"string"}'


class Answers(ThreadingHTTPServer):
    """Serves one prepared answer to every request and keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.headers, self.requests = 200, b"{}", {}, []
        self.delay = 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, status, body, **headers):
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


class TlsAnswers(Answers):
    """The same behind a certificate of its own making."""

    def __init__(self, names, folder):
        super().__init__()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.ca_file = str(folder / "ca.pem")
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "key.pem").write_bytes(private)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca_file, folder / "key.pem")
        self.url = f"https://localhost:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        untrusted = contextlib.suppress(ssl.SSLError, ConnectionError)  # then the client hangs up
        with untrusted, self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)


class Handler(BaseHTTPRequestHandler):
    def _serve(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            for part in (self.server.body[i : i + 8] for i in range(0, len(self.server.body), 8)):
                self.wfile.write(part)
                time.sleep(self.server.delay)
        except OSError:
            pass  # the client had enough

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - names that http.server looks for

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(answers):
    thread = threading.Thread(target=answers.serve_forever, kwargs={"poll_interval": 0.01}, name="registry double")
    thread.start()
    yield answers
    answers.shutdown()
    thread.join(timeout=10)
    answers.server_close()


@pytest.fixture
def server():
    with serving(Answers()) as answers:
        yield answers


def refused(error, call) -> Failed | Retriable:
    with pytest.raises(error) as caught:
        call()
    return caught.value


def test_F102_an_html_page_fails_and_shows_its_first_characters_and_the_url(server):
    server.answer(200, b"<html>\n<h1>Welcome</h1>" + b"x" * 500)
    error = refused(Failed, lambda: RegistryClient(server.url).schema_id("t-value", SCHEMA))
    assert error.code == "registry_answer"
    assert "<html> <h1>Welcome</h1>" in error.message
    assert f"{server.url}/subjects/t-value" in error.message
    assert len(error.message) < 250


def test_F102_an_html_error_page_of_a_proxy_is_tried_again(server):
    server.answer(503, b"<html>busy</html>", Retry_After="7")
    client = RegistryClient(server.url)
    error = refused(Retriable, lambda: client.schema_text(1))
    assert (error.code, error.after, client.is_down) == ("registry_unreachable", 7.0, True)


def test_F102_a_registry_that_is_not_there_is_tried_again(server):
    url = server.url
    server.server_close()
    assert refused(Retriable, lambda: RegistryClient(url).schema_text(1)).code == "registry_unreachable"


def test_F167_a_redirect_is_not_followed(server):
    server.answer(302, b"", Location="http://elsewhere.example/")
    error = refused(Failed, lambda: RegistryClient(server.url, login=Login("u", Secret("p"))).subjects())
    assert (error.code, len(server.requests)) == ("registry_answer", 1)
    assert "elsewhere.example" in error.message


def test_F102_an_answer_that_trickles_is_cut_off_at_the_deadline(server):
    server.answer(200, b" " * 10_000)
    server.delay = 0.02
    error = refused(Retriable, lambda: RegistryClient(server.url, timeout=0.1).schema_text(1))
    assert error.code == "registry_unreachable"


def test_an_answer_without_end_is_refused(server, monkeypatch):
    monkeypatch.setattr(registry, "MAX_ANSWER", 1000)
    server.answer(200, b"1" * 2000)
    assert refused(Failed, lambda: RegistryClient(server.url).schema_text(1)).code == "registry_answer"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\x00\xff", b"", [], {"id": "5"}, {"id": -1}, {"id": True}])
def test_an_answer_that_is_no_schema_id_is_refused(server, body):
    server.answer(200, body)
    error = refused(Failed, lambda: RegistryClient(server.url).schema_id("t-value", SCHEMA))
    assert error.code == "registry_answer"


def test_a_refused_schema_fails_with_the_registrys_words(server):
    server.answer(422, {"error_code": 42201, "message": "Invalid schema"})
    error = refused(Failed, lambda: RegistryClient(server.url).schema_id("t-value", SCHEMA))
    assert error.code == "schema_refused"
    assert "Invalid schema" in error.message


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_lets_us_not_in_fails_without_the_password(server, status):
    server.answer(status, {"message": "no"})
    client = RegistryClient(server.url.replace("//", "//anne:hunter2@"))
    error = refused(Failed, client.subjects)
    assert error.code == "registry_denied"
    assert "hunter2" not in str(error)


def test_credentials_travel_as_basic_authentication(server):
    server.answer(200, [])
    RegistryClient(server.url, login=Login("anne", Secret(lambda: "hun:ter2"))).subjects()
    RegistryClient(server.url.replace("//", "//b:p%40ss@")).subjects()
    sent = [headers["Authorization"].removeprefix("Basic ") for _, _, headers in server.requests]
    assert [base64.b64decode(token).decode() for token in sent] == ["anne:hun:ter2", "b:p@ss"]


def test_a_schema_that_somebody_else_has_to_register_is_shown(server):
    server.answer(404, {"error_code": 40403, "message": "Schema not found"})
    error = refused(Failed, lambda: RegistryClient(server.url, auto_register=False).schema_id("t-value", '"string"'))
    assert error.code == "schema_missing"
    assert "t-value" in error.message
    assert 'register it: "string"' in error.hint


def test_a_token_travels_as_a_bearer(server):
    server.answer(200, [])
    RegistryClient(server.url, login=Login(token=Secret("t0ken"))).subjects()
    assert [headers["Authorization"] for _, _, headers in server.requests] == ["Bearer t0ken"]


def test_a_refused_secret_of_a_file_is_tried_again(server, tmp_path):
    server.answer(401, {"message": "no"})
    (tmp_path / "token").write_text("old")
    secret = Secret(*resolve(f"${{file:{tmp_path}/token}}").parts)
    error = refused(Retriable, RegistryClient(server.url, login=Login(token=secret)).subjects)
    assert error.code == "registry_denied"
    assert "from its file again" in error.hint


def test_proxies_of_the_environment_are_ignored(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answer(200, [])
    RegistryClient(server.url).subjects()
    assert len(server.requests) == 1


def test_subjects_are_quoted_in_paths(server):
    server.answer(200, {"id": 5})
    RegistryClient(server.url + "/base/").schema_id("a/b c-value", SCHEMA)
    assert server.requests[0][1] == "/base/subjects/a%2Fb%20c-value"


def test_a_schema_is_asked_for_once(server):
    server.answer(200, {"id": 5})
    client = RegistryClient(server.url)
    assert [client.schema_id("t-value", SCHEMA) for _ in range(3)] == [5, 5, 5]
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [{"schemaType": "PROTOBUF", "schema": "x"}, {"schema": "x", "references": [{}]}])
def test_a_schema_that_is_not_self_contained_avro_is_unsupported(server, answer):
    server.answer(200, answer)
    assert refused(Failed, lambda: RegistryClient(server.url).schema_text(1)).code == "schema_unsupported"


def test_V3_a_level_that_is_the_whole_registrys_is_no_word_on_a_subject(server):
    server.answer(200, {"compatibilityLevel": "NONE"})
    assert RegistryClient(server.url).compatibility("t-value") is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "localhost:8081", "http://", "http://host:port"])
def test_a_url_that_is_no_registrys_is_an_error_of_the_file(url):
    with pytest.raises(ConfigError):
        RegistryClient(url)


@pytest.mark.parametrize(("names", "trusted"), [(["localhost"], False), (["elsewhere.example"], True)])
def test_a_certificate_that_is_unknown_or_anothers_is_not_trusted(tmp_path, names, trusted):
    with serving(TlsAnswers(names, tmp_path)) as answers:
        client = RegistryClient(answers.url, tls=TlsFiles(ca=answers.ca_file if trusted else None))
        error = refused(Failed, client.subjects)
    assert (error.code, answers.requests) == ("registry_untrusted", [])


def test_a_registry_that_asks_who_we_are_is_shown_our_certificate(tmp_path):
    with serving(TlsAnswers(["localhost"], tmp_path)) as answers:
        answers.context.verify_mode = ssl.CERT_REQUIRED
        answers.context.load_verify_locations(answers.ca_file)
        answers.answer(200, [])
        files = TlsFiles(answers.ca_file, answers.ca_file, str(tmp_path / "key.pem"))
        RegistryClient(answers.url, tls=files).subjects()
    assert len(answers.requests) == 1


def test_a_certificate_file_that_is_not_there_is_told(tmp_path):
    error = refused(Failed, lambda: RegistryClient("https://localhost", tls=TlsFiles(ca=str(tmp_path / "none.pem"))))
    assert "schema_registry.tls cannot be used: No such file" in error.message


def test_a_certificate_of_the_files_authority_is_trusted(tmp_path):
    with serving(TlsAnswers(["localhost"], tmp_path)) as answers:
        answers.answer(200, [])
        RegistryClient(answers.url, tls=TlsFiles(answers.ca_file)).subjects()
    assert len(answers.requests) == 1
