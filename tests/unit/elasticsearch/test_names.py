"""The alias that a topic is kept in (F137)."""

from __future__ import annotations

import pytest

from connect.errors import Failed
from connect.schema.model import TableId
from connectors.elasticsearch.targets import alias_name

ORDERS = TableId("public", "Orders")


def test_the_default_is_the_table_in_lower_case():
    assert alias_name("{table}", "shop.public.Orders", ORDERS) == "orders"


def test_an_event_topic_has_the_name_of_its_table():
    assert alias_name("{table}", "shop.public.Orders.events", ORDERS) == "orders"


def test_a_prefix_may_have_dots():
    assert alias_name("{prefix}-{schema}-{table}", "eu.shop.public.Orders", ORDERS) == "eu.shop-public-orders"


@pytest.mark.parametrize("name", ["_x", "a b", "a/b", "a*", "", "x" * 241, ".x", "-x", "a,b", "a#b"])
def test_F137_a_name_that_no_index_can_have_is_refused(name):
    with pytest.raises(Failed) as error:
        alias_name("{table}", f"shop.public.{name}", TableId("public", name))
    assert error.value.code == "index_name"
