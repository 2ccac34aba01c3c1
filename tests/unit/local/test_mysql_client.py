import pytest

from connect.errors import ConnectError
from connect.local.mysql_client import NamedServer, quoted


def test_url_of_a_database_keeps_the_account_of_the_address():
    server = NamedServer("mysql://root:p%40ss@db.example:3307/")

    assert server.url("a shop") == "mysql://root:p%40ss@db.example:3307/a%20shop"


def test_url_for_another_user_has_that_users_password():
    server = NamedServer("mysql://root:secret@127.0.0.1:3307/")

    assert server.url(user="cdc", password="a/b") == "mysql://cdc:a%2Fb@127.0.0.1:3307/"


def test_port_is_mysqls_own_where_the_address_has_none():
    assert NamedServer("mysql://root@127.0.0.1/").url() == "mysql://root@127.0.0.1:3306/"


@pytest.mark.parametrize("given", ["127.0.0.1:3306", "postgresql://root@127.0.0.1/", "mysql://127.0.0.1/"])
def test_what_is_no_url_of_a_server_is_refused_by_the_variables_name(given):
    with pytest.raises(ConnectError) as raised:
        NamedServer(given)

    assert raised.value.code == "local_server_url"
    assert "CONNECT_TEST_MYSQL" in raised.value.hint


def test_name_is_quoted_for_a_statement():
    assert quoted("a`b") == "`a``b`"
