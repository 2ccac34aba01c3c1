"""What may be written in a file, and which table a topic fills."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connect.config.fields import fill
from connectors.sql import SqlConfig, SqlTarget
from connectors.sql.config import parse_url


@pytest.mark.parametrize(
    ("template", "topic", "table"),
    [
        ("{table}", "shop.public.orders", "orders"),
        ("{table}", "shop.public.orders.events", "orders"),
        ("{table}", "shop.public.events", "events"),
        ("{schema}_{table}", "shop.billing.entries", "billing_entries"),
        ("{prefix}__{table}", "eu.shop.public.orders", "eu.shop__orders"),
        ("{topic}", "shop.public.orders.events", "shop.public.orders.events"),
        ("{table}", "orders", "orders"),
        ("fixed", "shop.public.orders", "fixed"),
    ],
)
def test_targets_are_named_by_their_topic(template: str, topic: str, table: str) -> None:
    assert fill(template, topic) == table


def test_an_unknown_placeholder_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"\{tabel\} is no part of a topic's name"):
        SqlTarget(table="{tabel}")


def test_an_unknown_database_is_refused() -> None:
    with pytest.raises(ValidationError, match="'oracle' is no database"):
        SqlConfig(url="oracle://x")


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgres"])
def test_a_scheme_of_another_tool_is_refused_with_ours(scheme: str) -> None:
    with pytest.raises(ValidationError, match=r"is written postgresql:// here"):
        SqlConfig(url=f"{scheme}://app@db/w")


def test_F160_a_url_without_a_scheme_is_not_repeated() -> None:
    with pytest.raises(ValidationError, match="begins with no scheme") as caught:
        SqlConfig(url="host=h password=hunter2")
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_F160_the_url_never_prints() -> None:
    assert "hunter2" not in repr(SqlConfig(url="postgresql://u:hunter2@h/d"))


def test_a_mysql_url_names_its_database() -> None:
    assert parse_url("mysql://u%40x:p%2Fw@db.example/shop") == ("db.example", 3306, "u@x", "p/w", "shop")
    assert SqlConfig(url="mysql://u@h:3307", schema="shop").db_schema == "shop"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "mysql://u@h"}, "ends with /database"),
        ({"url": "mysql://h/d"}, "a URL mysql://user@host:port/database is needed"),
        ({"url": "mysql://u@h:x/d"}, "a URL mysql://user@host:port/database is needed"),
        ({"url": "mysql://u@h/d?ssl=1"}, "TLS has the key `tls:`"),
        ({"url": "mariadb://u@h/d"}, "mysql://… \\(MariaDB too\\)"),
        ({"url": "postgresql://u@h/d", "tls": {"mode": "required"}}, "sslmode"),
        ({"url": "mysql://u@h/d", "tls": {"mode": "required", "ca": "ca.pem"}}, "verifies nothing"),
        ({"url": "mysql://u@h/d", "tls": {"key": "key.pem"}}, "no use without `cert`"),
        ({"url": "mysql://u@h/d", "tls": {"mode": "maybe"}}, "verify_identity"),
    ],
)
def test_what_does_not_fit_a_mysql_target_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SqlConfig(**options)


@pytest.mark.parametrize(
    ("tls", "mode"),
    [
        ({}, "preferred"),
        ({"ca": "ca.pem"}, "verify_identity"),
        ({"cert": "me.pem"}, "required"),
        ({"mode": "VERIFY-CA", "ca": "ca.pem"}, "verify_ca"),
    ],
)
def test_F171_tls_means_what_mysql_says(tls: dict[str, Any], mode: str) -> None:
    config = SqlConfig(url="mysql://u@h/d", tls=tls)
    assert config.tls is not None
    assert config.tls.wanted == mode
