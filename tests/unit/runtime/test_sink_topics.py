"""Which topics a sink reads: never a worker's own, always a table's that is only called like one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connect.api.tables import View
from connect.config.load import load_config
from connect.errors import Failed
from connect.runtime.tasks import SinkTopics, source_job
from connect.schema.model import TableId

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from connect.config.models import Config

OURS = {"ow.ow.positions": True, "ow.gone.bootstrap": True, "ow.public.positions": False, "ow.public.dead": None}


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Config]:
    def made(topics: str) -> Config:
        path = tmp_path / "svc.yaml"
        path.write_text(
            f'name: svc\nkafka: {{bootstrap: "h:1"}}\n'
            f'sinks: {{w: {{plugin: sql, url: "sqlite:///w.db", topics: {topics}}}}}\n'
        )
        return load_config([path])

    return made


def chosen(config: Config, looks: dict[str, bool | None]) -> SinkTopics:
    return SinkTopics(config, config.sinks["w"], lambda _, topic: looks[topic])


def test_a_pattern_takes_tables_that_are_called_like_a_workers_own_topics_and_not_those(config) -> None:
    topics = chosen(config('["ow.*.*"]'), OURS)

    assert [topic for topic in (*OURS, "ow.public.orders") if topics.wanted(topic)] == [
        "ow.public.positions",
        "ow.public.orders",
    ]


def test_an_empty_topic_is_looked_at_again(config) -> None:
    looks: dict[str, bool | None] = {"ow.public.dead": None}
    topics = chosen(config('["ow.*.*"]'), looks)

    assert not topics.wanted("ow.public.dead")
    looks["ow.public.dead"] = False
    assert topics.wanted("ow.public.dead")


def test_what_is_named_exactly_is_read_without_a_look(config) -> None:
    assert chosen(config("[ow.ow.positions]"), {}).wanted("ow.ow.positions")


def test_no_topic_is_looked_at_that_no_pattern_names(config) -> None:
    assert not chosen(config('["shop.*.*"]'), {}).wanted("ow.ow.positions")


def test_a_table_whose_topic_would_be_the_workers_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(
        'name: shop\nkafka: {bootstrap: "h:1"}\n'
        'sources: {shop: {plugin: mysql, url: "mysql://u@h:1/", tables: ["shop.*"]}}\n'
    )
    config = load_config([path])
    job = source_job(config, config.sources["shop"], lambda _: None, lambda: False)

    assert job.topic(TableId("shop", "orders"), View.STATE) == "shop.shop.orders"
    with pytest.raises(Failed, match=r"shop\.shop\.positions, a topic that the worker keeps") as caught:
        job.topic(TableId("shop", "positions"), View.STATE)
    assert caught.value.code == "topic_collision"
