import pytest
from pydantic import ValidationError

from connect.config.fields import MysqlTls
from connectors.mysql.config import MysqlConfig, default_server_id, parse_url, server_id

URL = "mysql://cdc:s3cret@db:3307/shop"


def test_the_minimal_source_needs_a_url_only():
    config = MysqlConfig(url=URL)
    assert config.snapshot.max_query == 2_000
    assert config.tls.wanted == "preferred"


def test_a_url_is_decoded():
    assert parse_url("mysql://a%40b:p%3A%2F@h/x%20y") == ("h", 3306, "a@b", "p:/", "x y")
    assert parse_url("mysql://root@[::1]:3307/") == ("::1", 3307, "root", None, None)


@pytest.mark.parametrize(
    "url", ["postgresql://cdc:s3cret@db/x", "mysql://db/x", "mysql://cdc:s3cret@/x", "", "mysql://u:s3cret@h:port/"]
)
def test_F160_another_url_is_refused_without_repeating_it(url):
    with pytest.raises(ValidationError) as refused:
        MysqlConfig(url=url)
    assert "s3cret" not in str(refused.value)


def test_options_in_the_url_are_refused_with_where_they_belong():
    with pytest.raises(ValidationError, match="tls:"):
        MysqlConfig(url=f"{URL}?ssl-mode=REQUIRED")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "preferred"),
        ({"ca": "ca.pem"}, "verify_identity"),
        ({"ca": "ca.pem", "mode": "VERIFY_CA"}, "verify_ca"),
        ({"mode": "verify-identity"}, "verify_identity"),
        ({"cert": "c.pem", "key": "k.pem"}, "required"),
        ({"mode": "disabled"}, "disabled"),
    ],
)
def test_F171_an_authority_means_that_the_server_is_verified(given, wanted):
    assert MysqlTls(**given).wanted == wanted


@pytest.mark.parametrize("mode", ["disabled", "preferred", "required"])
def test_F171_an_authority_that_nobody_asks_is_refused(mode):
    with pytest.raises(ValidationError, match="verifies nothing"):
        MysqlTls(mode=mode, ca="ca.pem")


def test_a_key_without_a_certificate_is_refused():
    with pytest.raises(ValidationError, match="cert"):
        MysqlTls(key="k.pem")


@pytest.mark.parametrize("number", [0, -1, 2**32, "x"])
def test_a_server_id_fits_the_protocol(number):
    with pytest.raises(ValidationError):
        MysqlConfig(url=URL, server_id=number)


def test_F65_each_source_has_a_replica_id_of_its_own_that_stays():
    ids = {default_server_id(group, connector) for group in ("a", "b") for connector in ("s", "t", "as")}
    assert len(ids) == 6
    assert all(2**31 <= one < 2**32 for one in ids)
    assert server_id(MysqlConfig(url=URL), "a", "s") == default_server_id("a", "s") == 3_846_242_546
    assert server_id(MysqlConfig(url=URL, server_id=7), "a", "s") == 7


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="serverid"):
        MysqlConfig(url=URL, serverid=1)
