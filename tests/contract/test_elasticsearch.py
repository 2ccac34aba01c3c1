"""The sink contract, kept by ``elasticsearch``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from connect.testing.sink_contract import SinkContract
from connectors.elasticsearch import PLUGIN

if TYPE_CHECKING:
    from connect.schema.model import TableId


class Driver:
    plugin = PLUGIN

    def __init__(self, url: str) -> None:
        self._url = url
        self.options = {"url": url}
        self.unreachable = {"url": "http://127.0.0.1:1"}

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        try:
            self._ask(f"{table.name}/_refresh", "POST")
            found = self._ask(f"{table.name}/_search?size=1000", "GET")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return []
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def _ask(self, path: str, method: str) -> Any:
        request = urllib.request.Request(f"{self._url}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class TestElasticsearch(SinkContract):
    @pytest.fixture
    def driver(self, elasticsearch: str) -> Driver:
        return Driver(elasticsearch)
