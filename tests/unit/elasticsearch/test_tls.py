"""Certificates are verified, always."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connect.errors import Failed
from connectors.elasticsearch.cluster import Cluster
from connectors.elasticsearch.config import ElasticsearchConfig

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that is its own authority; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elasticsearch of a test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ca.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(secret)
    return path


@pytest.fixture
def address(script, certificate):
    """The scripted server behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    script.server.socket = context.wrap_socket(script.server.socket, server_side=True)
    return script.url.replace("http:", "https:")


def test_a_certificate_of_no_known_authority_is_refused(address):
    cluster = Cluster(ElasticsearchConfig(url=address))

    with pytest.raises(Failed) as error:
        cluster.request("GET", "/_nodes")
    cluster.close()

    assert error.value.code == "target_tls"
    assert "`ca`" in error.value.hint


def test_the_authority_of_the_file_is_trusted(script, address, certificate):
    script.answers = [(200, {"nodes": {}})]
    cluster = Cluster(ElasticsearchConfig(url=address, ca=certificate))

    assert cluster.request("GET", "/_nodes").body == {"nodes": {}}
    cluster.close()


def test_an_authority_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Failed) as error:
        Cluster(ElasticsearchConfig(url="https://127.0.0.1:1", ca=tmp_path / "no.pem"))
    assert error.value.code == "target_tls"
