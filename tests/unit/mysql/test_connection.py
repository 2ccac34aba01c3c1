import ssl

import pymysql
import pytest

from connect.config.fields import MysqlTls
from connect.errors import Failed
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import Connection, _tls, account, address, server_kind


@pytest.mark.parametrize(
    ("greeting", "kind", "version"),
    [
        ("9.7.4-2", "mysql", (9, 7, 4)),
        ("8.0.36-28.1", "mysql", (8, 0, 36)),
        ("11.4.5-MariaDB-log", "mariadb", (11, 4, 5)),
        ("5.5.5-10.11.6-MariaDB-0+deb12u1", "mariadb", (10, 11, 6)),
        ("?", "mysql", (0,)),
    ],
)
def test_a_greeting_tells_kind_and_version(greeting, kind, version):
    assert server_kind(greeting) == (kind, version)


def test_F171_preferred_takes_tls_where_the_server_has_it_but_not_on_the_loopback():
    assert _tls(MysqlTls(), "db.example") == {}
    for host in ("127.0.0.1", "localhost", "::1"):
        assert _tls(MysqlTls(), host) == {"ssl_disabled": True}


def test_F171_a_named_mode_counts_on_the_loopback_too():
    context = _tls(MysqlTls(mode="required"), "127.0.0.1")["ssl"]
    assert context.verify_mode is ssl.CERT_NONE
    context = _tls(MysqlTls(mode="verify_identity"), "127.0.0.1")["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_file_of_tls_that_is_missing_is_told(tmp_path):
    with pytest.raises(Failed, match="No such file") as failed:
        _tls(MysqlTls(ca=str(tmp_path / "none.pem")), "db")
    assert failed.value.code == "tls"


def test_F160_messages_name_the_place_and_not_the_password():
    config = MysqlConfig(url="mysql://c'dc:s3cret@db:3307/shop")
    assert address(config) == "db:3307"
    assert account(config) == "'c''dc'@'%'"


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"mysql_old_password"])
def test_the_password_is_not_given_away_to_a_server_that_asks_for_it(plugin):
    connection = Connection(defer_connect=True)
    with pytest.raises(pymysql.OperationalError, match="give the password away"):
        connection._process_auth(plugin, None)
