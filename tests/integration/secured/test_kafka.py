"""Kafka as production has it: every way to log in, and each way in which that goes wrong, told by name."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from connect.config.keys import KafkaConfig
from connect.errors import Retriable
from connect.kafka.heard import certificate_fault
from connect.kafka.positions import read_to
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import STATE, Topics, TopicSpec

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(secure, broker):
    """What ``kafka:`` of a file becomes, with another log-in or another trust."""

    def made(sasl=None, *, tls=None, address=broker.address):
        login = {"mechanism": "SCRAM-SHA-512", "username": "connect", "password": secure.security["password"]}
        security = {"tls": {"ca": secure.security["ca"]} if tls is None else tls, "sasl": sasl or login}
        return KafkaConfig.model_validate({"bootstrap": address, "security": security}).settings()

    return made


@pytest.fixture(scope="module")
def provider(issuer):
    """A token endpoint that knows one client; its address, and what it was asked."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            right = self.headers["Authorization"] == "Basic d29ya2VyOnMzY3JldA=="  # worker:s3cret
            given = {"access_token": issuer.token("connect"), "expires_in": 300}
            data = json.dumps(given if right else {"error": "invalid_client"}).encode()
            self.send_response(200 if right else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, name="token-endpoint")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token", asked
    server.shutdown()
    thread.join()
    server.server_close()


def there_and_back(settings):
    """A topic made, a transaction written and read: the three kinds of clients that a worker has."""
    topics, name = Topics(settings), f"s.{uuid.uuid4().hex[:8]}"
    topics.ensure([TopicSpec(name, 1, STATE)])
    producer = TransactionalProducer(settings, name)
    try:
        producer.fence()
        producer.begin()
        producer.send(name, b"key", b"value", 0)
        producer.commit()
    finally:
        producer.close()
    [end] = topics.ends(name, 1)
    return [(message.key(), message.value()) for message in read_to(settings, name, 0, end, 20)]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_password_over_tls_lets_every_client_in(secure, settings, mechanism):
    sasl = {"mechanism": mechanism, "username": "connect", "password": secure.security["password"]}

    assert there_and_back(settings(sasl)) == [(b"key", b"value")]


def test_a_token_of_an_oidc_provider_lets_every_client_in(settings, provider):
    url, asked = provider
    oidc = {"token_url": url, "client_id": "worker", "client_secret": "s3cret", "scope": "kafka"}

    assert there_and_back(settings({"mechanism": "OAUTHBEARER", "oidc": oidc})) == [(b"key", b"value")]
    assert asked[-1] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


def test_a_token_that_is_made_here_as_for_msk_lets_every_client_in(settings, issuer):
    url = {"token_url": "http://127.0.0.1:9/", "client_id": "c", "client_secret": "s"}
    made = settings({"mechanism": "OAUTHBEARER", "oidc": url})
    made = {name: value for name, value in made.items() if not name.startswith("sasl.oauthbearer.")}

    def token(_):
        text = issuer.token("connect")
        return text, json.loads(_decoded(text.split(".")[1]))["exp"]

    assert there_and_back({**made, "oauth_cb": token}) == [(b"key", b"value")]


def _decoded(part):
    import base64

    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_that_cannot_be_made_is_told(settings):
    def token(_):
        message = "no credentials of AWS were found"
        raise RuntimeError(message)

    made = settings()
    made = {name: value for name, value in made.items() if not name.startswith("sasl.")}
    producer = TransactionalProducer({**made, "sasl.mechanism": "OAUTHBEARER", "oauth_cb": token}, "s-no-token")
    with pytest.raises(Retriable, match="no credentials of AWS were found") as caught:
        producer.fence(1)
    producer.close()

    assert caught.value.code == "kafka_credentials"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A wait in vain for a broker takes 5 s otherwise."""
    monkeypatch.setattr("connect.kafka.topics._SECONDS", 3.0)


def told(settings):
    with pytest.raises(Retriable) as caught:
        Topics(settings).names()
    return caught.value


def test_a_wrong_password_is_told(settings, broker):
    error = told(settings({"mechanism": "SCRAM-SHA-512", "username": "connect", "password": "S3CR3T-wrong"}))

    assert error.code == "kafka_credentials"
    assert f"listing topics: {broker.address}: SASL authentication error" in error.message
    assert "kafka.security.sasl" in error.hint
    assert "S3CR3T" not in str(error)


def test_a_client_that_the_oidc_provider_refuses_is_told(settings, provider):
    oidc = {"token_url": provider[0], "client_id": "worker", "client_secret": "wrong"}

    assert told(settings({"mechanism": "OAUTHBEARER", "oidc": oidc})).code == "kafka_credentials"


def test_F171_an_authority_that_is_not_known_is_told(settings, broker):
    error = told(settings(tls={}))

    assert error.code == "kafka_tls"
    assert f"the certificate of {broker.address}: unable to get local issuer certificate" in error.message
    assert "kafka.security.tls.ca" in error.hint


def test_F171_a_host_name_that_the_certificate_lacks_is_told(settings, broker):
    error = told(settings(address=f"127.1:{broker.port}"))  # an address of the loopback, and no name of the certificate

    assert error.code == "kafka_tls"
    assert f"the certificate of 127.1:{broker.port}: Hostname mismatch" in error.message
    assert "advertised.listeners" in error.hint


@pytest.fixture
def expired(secure, broker, cluster):
    """The broker presents a certificate that ended yesterday, for a while."""
    security = broker.site.security
    name = "listener.name.client.ssl.keystore.location"

    def present(file):
        resource = ConfigResource(
            ResourceType.BROKER,
            "1",
            incremental_configs=[ConfigEntry(name, str(file), incremental_operation=AlterConfigOpType.SET)],
        )
        for done in cluster.admin.incremental_alter_configs([resource]).values():
            done.result()

    def wait(wanted):
        deadline, seen = time.monotonic() + 30, 0
        while seen < 12:  # the broker's network threads take it up one after the other, and share out connections
            assert time.monotonic() < deadline
            found = certificate_fault("127.0.0.1", broker.port, secure.security["ca"])
            seen = seen + 1 if found == wanted else 0

    certificate, key = security.issuer.issue(ended=dt.timedelta(days=1))
    present(broker.write("expired.pem", key + certificate))
    wait("certificate has expired")
    yield
    present(broker.folder / "server.pem")
    wait("")


@pytest.mark.usefixtures("expired")
def test_F171_an_expired_certificate_is_told(settings, broker):
    error = told(settings())

    assert error.code == "kafka_tls"
    assert f"the certificate of {broker.address}: certificate has expired" in error.message
    assert "new certificate" in error.hint
