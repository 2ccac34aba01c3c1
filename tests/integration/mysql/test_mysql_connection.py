"""Connections on real servers, and to servers that mean no good: session settings, TLS, what is never sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

import pytest

from connect.errors import Failed, Retriable
from connect.local.tls import make_security
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import connect
from connectors.mysql.errors import translate
from connectors.mysql.server import read_server, row

pytestmark = pytest.mark.stack

KINDS = ["mysql", "mariadb"]


@pytest.fixture(params=KINDS)
def server(stack, request):
    return getattr(stack, request.param)


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:

        def open_(url, **keys):
            return stack.enter_context(contextlib.closing(connect(MysqlConfig(url=url, **keys), "s")))

        yield open_


def test_F79_every_session_prints_values_alike(server, opened):
    connection = opened(server.address)
    asked = "SELECT @@time_zone, @@sql_mode, @@autocommit, @@character_set_client, @@lock_wait_timeout"
    assert row(connection, asked) == ("+00:00", "", 1, "utf8mb4", 5)


def test_rows_come_undecoded_in_the_characters_of_their_column(server, opened):
    connection = opened(server.address)
    connection.undecoded()
    found = list(connection.select("SELECT CONVERT('é' USING latin1), CAST(NULL AS CHAR), 7"))
    assert found == [b"\x01\xe9\xfb\x017"]


def test_an_empty_result_has_no_rows_and_the_connection_goes_on(server, opened):
    connection = opened(server.address)
    assert list(connection.select("SELECT 1 FROM information_schema.TABLES WHERE 1 = 0")) == []
    assert list(connection.select("SELECT 1")) == [b"\x011"]


def test_a_select_left_before_its_end_closes_the_connection(server, opened):
    connection = opened(server.address)
    found = connection.select("SELECT 1 UNION SELECT 2")
    next(found)
    found.close()
    assert not connection.open


def test_F197_a_row_over_16_MB_comes_whole(server, opened):
    value = b"\xfd" + (9_000_000).to_bytes(3, "little") + b"x" * 9_000_000
    assert list(opened(server.address).select("SELECT REPEAT('x', 9000000), REPEAT('x', 9000000)")) == [value * 2]


def test_a_server_says_what_it_is(server, opened):
    found = read_server(opened(server.address))
    assert (found.log_bin, found.binlog_format, found.row_image, found.gtids) == (True, "ROW", "FULL", True)
    assert found.name.startswith("MariaDB 1" if found.is_mariadb else "MySQL 9")
    assert found.uuid


def test_nobody_at_the_address_is_tried_again():
    with pytest.raises(Retriable) as retried:
        connect(MysqlConfig(url="mysql://cdc:s3cret@127.0.0.1:9/"), "shop")
    assert retried.value.code == "source_unreachable"
    assert "s3cret" not in str(retried.value)
    assert "127.0.0.1:9" in retried.value.message


def test_F160_a_wrong_password_is_told_without_it(server):
    place = urlsplit(server.address).netloc.rpartition("@")[2]
    with pytest.raises(Failed) as failed:
        connect(MysqlConfig(url=f"mysql://nobody:s3cret@{place}/"), "shop")
    assert failed.value.code == "password"
    assert "s3cret" not in str(failed.value)


def test_a_password_of_any_letters_opens_the_door(server, opened):
    password = "p@ß:/?#%'\\ 字"
    server.execute("CREATE USER s_letters@'%%' IDENTIFIED BY %s", password)
    try:
        place = urlsplit(server.address).netloc.rpartition("@")[2]
        opened(f"mysql://s_letters@{place}/", password=password)
        opened(server.url(user="s_letters", password=password))
    finally:
        server.execute("DROP USER s_letters@'%'")


# TLS.


@pytest.fixture(scope="module", params=KINDS)
def secured(stack, request, tmp_path_factory):
    """A server with a certificate for 127.0.0.1 and localhost, and the file of the authority that signed it."""
    security = make_security(tmp_path_factory.mktemp("authority"))
    server = getattr(stack, f"new_{request.param}")(f"s_tls_{request.param}")
    files = {"ssl_cert": ("server.pem", security.certificate), "ssl_key": ("server.key", security.key)}
    written = {setting: str(server.write(name, content)) for setting, (name, content) in files.items()}
    server.stop()
    server.configure(written).start()
    server.execute("CREATE USER s_tls@'%' IDENTIFIED BY 'geheim' REQUIRE SSL")
    yield server, security.authority
    server.stop()


def encrypted(connection):
    return bool(row(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1])


def test_F171_an_authority_is_enough_to_be_sure_of_the_server(secured, opened):
    server, authority = secured
    assert encrypted(opened(server.url(user="s_tls", password="geheim"), tls={"ca": str(authority)}))


def test_F171_required_encrypts(secured, opened):
    server, _ = secured
    assert encrypted(opened(server.url(user="s_tls", password="geheim"), tls={"mode": "required"}))


def test_F171_another_authority_is_no_proof(secured, tmp_path):
    server, _ = secured
    other = make_security(tmp_path).authority
    with pytest.raises(Failed, match="certificate verify failed") as failed:
        connect(MysqlConfig(url=server.address, tls={"ca": str(other)}), "s")
    assert failed.value.code == "tls"


def test_F171_a_certificate_of_another_host_is_no_proof_of_identity(secured, opened):
    server, authority = secured
    url = server.address.replace("127.0.0.1", "127.1")  # the same host, by a name that the certificate does not have
    with pytest.raises(Failed) as failed:
        connect(MysqlConfig(url=url, tls={"ca": str(authority)}), "s")
    assert failed.value.code == "tls"
    assert encrypted(opened(url, tls={"ca": str(authority), "mode": "verify_ca"}))


def test_an_account_that_requires_tls_is_refused_without_it(secured):
    server, _ = secured
    with pytest.raises(Failed):
        connect(MysqlConfig(url=server.url(user="s_tls", password="geheim"), tls={"mode": "disabled"}), "s")


# Servers that mean no good.


class Rogue:
    """A listener that greets as MySQL does and then answers as it is told; it keeps what it was sent."""

    def __init__(self, *answers, capabilities=0x81BFF7DF, plugin=b"mysql_native_password"):
        self.received = b""
        self._answers = answers
        self._capabilities = capabilities
        self._plugin = plugin
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mysql://cdc:s3cret@127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, name="rogue")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join()

    def _greeting(self):
        low, high = self._capabilities & 0xFFFF, self._capabilities >> 16
        return (
            b"\x0a9.7.0\0"
            + (1).to_bytes(4, "little")
            + b"12345678\0"
            + low.to_bytes(2, "little")
            + b"\xff\x02\0"
            + high.to_bytes(2, "little")
            + b"\x15"
            + b"\0" * 10
            + b"123456789012\0"
            + self._plugin
            + b"\0"
        )

    def _serve(self):
        link, _ = self._listener.accept()
        with link:
            link.settimeout(10)
            self._send(link, 0, self._greeting())
            for answer in self._answers:
                packet = link.recv(65536)
                self.received += packet
                if not packet:
                    return
                self._send(link, packet[3] + 1, answer)
            with contextlib.suppress(OSError):
                self.received += link.recv(65536)

    @staticmethod
    def _send(link, sequence, body):
        link.sendall(len(body).to_bytes(3, "little") + bytes([sequence & 0xFF]) + body)


OK = b"\x00\x00\x00\x02\x00\x00\x00"
WITHOUT_TLS = 0x81BFF7DF & ~0x800


def test_F170_a_server_that_asks_for_a_file_gets_none(tmp_path):
    file = tmp_path / "secret"
    file.write_text("confidential")
    with Rogue(OK, OK, b"\xfb" + str(file).encode()) as rogue, pytest.raises(Failed, match="for a file") as failed:
        connect(MysqlConfig(url=rogue.url), "s")
    assert failed.value.code == "protocol"
    assert b"confidential" not in rogue.received


def test_F170_not_amid_a_snapshot_either(tmp_path):
    file = tmp_path / "secret"
    file.write_text("confidential")
    with Rogue(OK, OK, OK, b"\xfb" + str(file).encode()) as rogue:
        connection = connect(MysqlConfig(url=rogue.url), "s")
        with pytest.raises(Exception, match="asked for a file") as raised:
            list(connection.select("SELECT 1"))
        assert translate(raised.value, "s").code == "protocol"
        assert not connection.open
    assert b"confidential" not in rogue.received


@pytest.mark.parametrize("mode", ["required", "verify_ca", "verify_identity"])
def test_F171_stripped_tls_is_noticed_before_anything_is_sent(mode):
    with Rogue(capabilities=WITHOUT_TLS) as rogue, pytest.raises(Failed) as failed:
        connect(MysqlConfig(url=rogue.url, tls={"mode": mode}), "s")
    assert failed.value.code == "tls"
    assert rogue.received == b""


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"mysql_old_password", b"dialog"])
def test_the_password_is_not_given_to_a_server_that_asks_for_it_in_clear(plugin):
    with Rogue(b"\xfe" + plugin + b"\0" + b"123456789012345678901\0") as rogue, pytest.raises(Failed) as failed:
        connect(MysqlConfig(url=rogue.url), "s")
    assert failed.value.code == "auth_plugin"
    assert b"s3cret" not in rogue.received
