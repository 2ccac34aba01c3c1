import ast
import ssl
from pathlib import Path

import pymysql
import pytest

from connect.errors import Failed, Retriable
from connect.schema.model import TableId
from connectors.mysql import errors
from connectors.mysql.errors import translate
from connectors.mysql.failures import FAILURES

NUMBERS = [
    (2003, Retriable, "source_unreachable"),
    (2006, Retriable, "source_unreachable"),
    (2013, Retriable, "source_unreachable"),
    (1040, Retriable, "source_unreachable"),
    (1053, Retriable, "source_unreachable"),
    (1129, Retriable, "source_unreachable"),
    (1205, Retriable, "source_unreachable"),
    (1213, Retriable, "source_unreachable"),
    (1412, Retriable, "source_unreachable"),
    (1927, Retriable, "source_unreachable"),
    (3024, Retriable, "query_budget"),
    (1969, Retriable, "query_budget"),
    (1317, Retriable, "query_budget"),
    (1045, Failed, "password"),
    (1698, Failed, "permission"),
    (1044, Failed, "permission"),
    (1142, Failed, "permission"),
    (1227, Failed, "permission"),
    (1049, Failed, "database_missing"),
    (1146, Failed, "table_missing"),
    (1054, Failed, "column_missing"),
    (1381, Failed, "log_off"),
    (2026, Failed, "tls"),
    (3159, Failed, "tls"),
    (2059, Failed, "auth_plugin"),
    (2068, Failed, "protocol"),
    (1064, Failed, "source_error"),
    (9999, Failed, "source_error"),
]


@pytest.mark.parametrize(("number", "kind", "code"), NUMBERS)
def test_W4_each_number_has_its_row(number, kind, code):
    found = translate(pymysql.OperationalError(number, "words\nof the server"), "shop: reading")
    assert (type(found), found.code) == (kind, code)
    assert str(number) in found.message
    assert "\n" not in found.message
    assert found.hint
    assert code in FAILURES


@pytest.mark.parametrize(
    ("number", "statement"),
    [
        (1820, "ALTER USER 'cdc'@'%' IDENTIFIED BY"),
        (1862, "ALTER USER 'cdc'@'%' IDENTIFIED BY"),
        (3118, "ALTER USER 'cdc'@'%' ACCOUNT UNLOCK;"),
        (4151, "ALTER USER 'cdc'@'%' ACCOUNT UNLOCK;"),
        (1698, "ALTER USER 'cdc'@'%' IDENTIFIED BY"),
        (1129, "TRUNCATE TABLE performance_schema.host_cache;"),
    ],
)
def test_an_account_that_may_not_log_in_comes_with_the_statement_that_mends_it(number, statement):
    error = pymysql.OperationalError(number, "words")
    assert statement in translate(error, "shop: connecting", account="'cdc'@'%'").hint


def test_W4_a_connection_closed_under_a_statement_is_tried_again():
    assert translate(pymysql.InterfaceError(0, ""), "shop: reading").code == "source_unreachable"


@pytest.mark.parametrize("number", [1062, 1264, 1292, 1366, 1406, 1064])
def test_F175_texts_that_repeat_values_are_left_out(number):
    assert "secret" not in str(translate(pymysql.OperationalError(number, "near 'secret'"), "shop: reading"))


def test_a_certificate_that_does_not_fit_is_no_network_trouble():
    error = pymysql.OperationalError(2003, "Can't connect")
    error.original_exception = ssl.SSLCertVerificationError("certificate verify failed: Hostname mismatch")
    found = translate(error, "shop: connecting")
    assert found.code == "tls"
    assert "Hostname mismatch" in found.message


def test_a_missing_right_on_a_table_comes_with_its_grant():
    error = pymysql.OperationalError(1142, "SELECT command denied")
    found = translate(error, "shop", account="'cdc'@'%'", table=TableId("shop", "or`ders"))
    assert found.hint == "GRANT SELECT ON `shop`.`or``ders` TO 'cdc'@'%';"


def test_a_hint_does_not_promise_what_only_a_worker_does():
    """``peek``, ``init`` and ``doctor`` print it too, and they end."""
    promises = ("by itself", "asked again", "Connect tries", "Connect starts")
    modules = [path for path in Path(errors.__file__).parent.rglob("*.py") if path.name != "preflight.py"]
    said = {
        node.value
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(promise in node.value for promise in promises)
    }
    assert {text for text in said if "A worker" not in text and "\n" not in text} == set()
