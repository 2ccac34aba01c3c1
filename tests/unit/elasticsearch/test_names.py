"""The alias that a topic is kept in (F137)."""

from __future__ import annotations

import pytest

from connect.errors import Failed
from connectors.elasticsearch.config import ElasticsearchTarget, alias_name


@pytest.mark.parametrize(
    ("template", "topic", "alias"),
    [
        ("{table}", "shop.public.Orders", "orders"),
        ("{table}", "shop.public.Orders.events", "orders"),
        ("{prefix}-{schema}-{table}", "eu.shop.public.Orders", "eu.shop-public-orders"),
        ("{schema}_{table}", "shop.sales.purchases", "sales_purchases"),
        ("{table}", "orders", "orders"),
        ("{topic}", "shop.public.Orders", "shop.public.orders"),
        ("All", "shop.public.orders", "all"),
    ],
)
def test_the_alias_is_made_of_the_topics_name_in_lower_case(template, topic, alias):
    assert alias_name(ElasticsearchTarget(index=template), topic) == alias


@pytest.mark.parametrize("name", ["_x", "a b", "a/b", "a*", "", "x" * 241, ".x", "-x", "a,b", "a#b"])
def test_F137_a_name_that_no_index_can_have_is_refused(name):
    with pytest.raises(Failed) as error:
        alias_name(ElasticsearchTarget(index=name), "shop.public.orders")
    assert error.value.code == "index_name"
