"""The plugin as the framework sees it."""

from __future__ import annotations

import re
from pathlib import Path

import connectors.elasticsearch
from connect.api import Sink, SinkContext
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget

SOURCES = Path(connectors.elasticsearch.__file__).parent


def test_what_it_builds_is_a_sink():
    context = SinkContext("search", "group", lambda _: ElasticsearchTarget())

    assert isinstance(PLUGIN.build(ElasticsearchConfig(url="http://es:9200"), context), Sink)


def test_every_code_that_it_stops_with_is_explained():
    text = "".join(path.read_text() for path in SOURCES.glob("*.py"))
    raised = set(re.findall(r'(?:Failed\(\s*|code=)"(\w+)"', text))

    assert raised == set(PLUGIN.failures)


def test_every_option_says_what_it_is_for():
    for model in (PLUGIN.config, PLUGIN.target):
        assert all(field.description for field in model.model_fields.values())
