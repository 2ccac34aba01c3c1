"""Postgres, registry and Elasticsearch as production has them, and each way in which a connection goes wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import ssl
import uuid
from urllib.parse import urlsplit

import psycopg
import pytest

from connect.config.fields import Secret
from connect.config.references import resolve
from connect.errors import Failed, Retriable
from connect.schema.registry import Login, RegistryClient, TlsFiles
from connectors.elasticsearch.cluster import Cluster
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.postgres.config import PostgresConfig
from connectors.postgres.connection import connect
from connectors.sql.config import SqlConfig
from connectors.sql.postgres import PostgresDatabase

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def ca(secure):
    """The file of the authority."""
    return secure.security["ca"]


@pytest.fixture
def url(secure):
    """A URL of the secure Postgres with parameters of its own."""
    server = secure.postgres
    assert "sslmode=verify-full" in server.address

    def made(query, password=secure.security["password"]):
        return f"postgresql://postgres:{password}@127.0.0.1:{server.port}/postgres?{query}"

    return made


def as_source(url, **more):
    connect(PostgresConfig(url=url, **more), "shop").close()


def as_sink(url, **more):
    PostgresDatabase(SqlConfig(url=url, **more), "connect").close()


SIDES = pytest.mark.parametrize(("side", "tls", "password"), [
    (as_source, "tls", "password"), (as_sink, "target_tls", "target_credentials"),
])  # fmt: skip


@SIDES
def test_verify_full_connects_source_and_sink(url, ca, side, tls, password):
    del tls, password

    side(url(f"sslmode=verify-full&sslrootcert={ca}"))


@SIDES
def test_F171_postgres_of_an_unknown_authority_is_told(url, side, tls, password):
    del password
    with pytest.raises(Failed, match="certificate verify failed") as caught:
        side(url("sslmode=verify-full"))  # the system's authorities

    assert caught.value.code == tls
    assert "sslrootcert" in caught.value.hint


@SIDES
def test_F171_postgres_under_another_name_is_told(url, ca, side, tls, password):
    del password
    with pytest.raises(Failed, match=r'does not match host name "db\.example"') as caught:
        side(url(f"sslmode=verify-full&sslrootcert={ca}&host=db.example&hostaddr=127.0.0.1"))

    assert caught.value.code == tls


@pytest.fixture
def expired(secure):
    """Postgres presents a certificate that ended yesterday, for a while."""
    server = secure.postgres
    security = server.site.security

    with psycopg.connect(server.address, autocommit=True) as admin:
        certificate, key = security.issuer.issue(ended=dt.timedelta(days=1))
        server.write("server.pem", certificate)
        server.write("server.key", key)
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("SELECT pg_sleep(1)")
        yield
        server.write("server.pem", security.certificate)
        server.write("server.key", security.key)
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("SELECT pg_sleep(1)")


@SIDES
@pytest.mark.usefixtures("expired")
def test_F171_an_expired_certificate_of_postgres_is_told(url, ca, side, tls, password):
    del password
    with pytest.raises(Failed, match="certificate verify failed") as caught:
        side(url(f"sslmode=verify-full&sslrootcert={ca}"))

    assert caught.value.code == tls


@SIDES
def test_a_wrong_password_of_postgres_is_told_and_not_shown(url, ca, side, tls, password):
    del tls
    with pytest.raises(Failed) as caught:
        side(url(f"sslmode=verify-full&sslrootcert={ca}", password="S3CR3T-wrong"))

    assert caught.value.code == password
    assert "S3CR3T" not in str(caught.value)


@SIDES
def test_a_password_of_a_file_is_tried_again_since_it_may_be_rotated(secure, url, ca, side, tls, password, tmp_path):
    del tls
    file = tmp_path / "password"
    file.write_text("old")
    secret, address = Secret(*resolve(f"${{file:{file}}}").parts), url(f"sslmode=verify-full&sslrootcert={ca}")
    with pytest.raises(Retriable, match="read from its file again") as caught:
        side(address, password=secret)
    file.write_text(secure.security["password"])

    side(address, password=secret)

    assert caught.value.code == password


def test_the_registry_answers_over_tls(secure, ca):
    RegistryClient(secure.schema_registry.address, tls=TlsFiles(ca)).subjects()


@pytest.mark.parametrize(
    ("host", "known", "says", "mends"),
    [("127.0.0.1", False, "unable to get local issuer certificate", "tls.ca"), ("127.1", True, "mismatch", "a name")],
)
def test_F171_a_registry_that_is_not_trusted_is_told(secure, ca, host, known, says, mends):
    address = secure.schema_registry.address.replace("127.0.0.1", host)
    with pytest.raises(Failed, match=f"its certificate is not trusted: .*{says}") as caught:
        RegistryClient(address, tls=TlsFiles(ca if known else None)).subjects()

    assert caught.value.code == "registry_untrusted"
    assert mends in caught.value.hint


def test_F171_an_expired_certificate_of_the_registry_is_told(secure, ca, before):
    front = before(secure.schema_registry, ended=dt.timedelta(days=1))
    with pytest.raises(Failed, match=r"its certificate is not trusted: .*certificate has expired") as caught:
        RegistryClient(front.address, tls=TlsFiles(ca)).subjects()

    assert caught.value.code == "registry_untrusted"
    assert "new certificate" in caught.value.hint


@pytest.mark.parametrize("in_url", [True, False])
def test_the_registry_takes_user_name_and_password(secure, ca, before, in_url):
    path = urlsplit(secure.schema_registry.address).path
    front = before(secure.schema_registry, login="cdc:p@ss/word")
    url, login = (front.address + path, Login("cdc", Secret("p@ss/word")))
    if in_url:
        url, login = url.replace("://", "://cdc:p%40ss%2Fword@"), Login()
    client = RegistryClient(url, login=login, tls=TlsFiles(ca))
    text = '{"type": "record", "name": "R", "fields": []}'

    client.subjects()
    number = client.schema_id(f"s-{uuid.uuid4().hex[:8]}-value", text)
    assert json.loads(client.schema_text(number)) == json.loads(text)


def test_a_wrong_password_of_the_registry_is_told_and_a_rotated_one_picked_up(secure, ca, before, tmp_path):
    path = urlsplit(secure.schema_registry.address).path
    front, file = before(secure.schema_registry, login="cdc:S3CR3T-new"), tmp_path / "password"
    file.write_text("S3CR3T-old")
    fixed = Login("cdc", Secret("S3CR3T-old"))
    with pytest.raises(Failed) as refused:
        RegistryClient(front.address + path, login=fixed, tls=TlsFiles(ca)).subjects()
    client = RegistryClient(
        front.address + path, login=Login("cdc", Secret(*resolve(f"${{file:{file}}}").parts)), tls=TlsFiles(ca)
    )
    with pytest.raises(Retriable) as late:
        client.subjects()
    file.write_text("S3CR3T-new")

    client.subjects()
    assert refused.value.code == late.value.code == "registry_denied"
    assert "S3CR3T" not in f"{refused.value} {late.value}"


def test_F171_an_expired_certificate_of_elasticsearch_is_told(secure, search, ca, before):
    front = before(secure.elasticsearch, ended=dt.timedelta(days=1))
    with pytest.raises(Failed, match=r"the certificate of .*certificate has expired") as caught:
        search(port=urlsplit(front.address).port, ca=ca)

    assert caught.value.code == "target_tls"
    assert "new certificate" in caught.value.hint


@pytest.fixture
def search(secure):
    """A request to the secure Elasticsearch with options of its own."""
    server = secure.elasticsearch

    def asked(host="127.0.0.1", method="GET", port=server.port, path="/_cluster/health", body=None, **options):
        login = {"username": "connect", "password": secure.security["password"]}
        given = {**({} if "api_key" in options else login), **options}
        cluster = Cluster(ElasticsearchConfig(url=f"https://{host}:{port}", retries=0, **given))
        try:
            return cluster.request(method, path, body=body).body
        finally:
            cluster.close()

    return asked


def test_elasticsearch_takes_a_password_over_tls(search, ca):
    assert search(ca=ca)["status"]


def test_an_api_key_that_elasticsearch_does_not_know_is_told(search, ca):
    with pytest.raises(Failed, match="answers 401") as caught:  # the minimal build makes no keys
        search(ca=ca, api_key="VHVhOm5vLXN1Y2gta2V5LWF0LWFsbA==")

    assert caught.value.code == "target_denied"


def test_elasticsearch_is_trusted_by_its_fingerprint(search, secure):
    pem = secure.elasticsearch.site.security.certificate
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()

    assert search(fingerprint=":".join(digest[i : i + 2] for i in range(0, 64, 2)))["status"]


@pytest.mark.parametrize(
    ("host", "trust", "says", "mends"),
    [
        ("127.0.0.1", {}, "unable to get local issuer certificate", "`ca`"),
        ("127.1", {"ca": True}, "ismatch", "a name"),
        ("127.0.0.1", {"fingerprint": "0" * 64}, "ingerprint", "`fingerprint`"),
    ],
)
def test_F171_an_elasticsearch_that_is_not_trusted_is_told(search, ca, host, trust, says, mends):
    with pytest.raises(Failed, match=f"the certificate of .*{says}") as caught:
        search(host, **{"ca": ca} if "ca" in trust else trust)

    assert caught.value.code == "target_tls"
    assert mends in caught.value.hint


def test_a_wrong_password_of_elasticsearch_is_told(search, ca):
    with pytest.raises(Failed) as caught:
        search(ca=ca, username="connect", password="S3CR3T-wrong")

    assert caught.value.code == "target_denied"
    assert "S3CR3T" not in str(caught.value)
