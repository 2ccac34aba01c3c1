"""What may be written in a file, and which table a topic fills."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connectors.sql import SqlConfig, SqlTarget
from connectors.sql.config import target_table


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
    assert target_table(template, topic) == table


def test_an_unknown_placeholder_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"\{tabel\} is no part of a topic's name"):
        SqlTarget(table="{tabel}")


def test_an_unknown_database_is_refused() -> None:
    with pytest.raises(ValidationError, match="'oracle' is no database"):
        SqlConfig(url="oracle://x")


def test_F160_a_url_without_a_scheme_is_not_repeated() -> None:
    with pytest.raises(ValidationError, match="begins with no scheme") as caught:
        SqlConfig(url="host=h password=hunter2")
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_F160_the_url_never_prints() -> None:
    assert "hunter2" not in repr(SqlConfig(url="postgresql://u:hunter2@h/d"))
