"""A sink on a real Elasticsearch, and a proxy that loses answers."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import SinkContext, TopicPartition
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget
from connectors.elasticsearch.state import STATE_INDEX, Progress, StateStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.elasticsearch.sink import ElasticsearchSink


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """Elasticsearch of the environment, else of the local stack."""
    given = os.environ.get("CONNECT_TEST_ELASTICSEARCH")
    return given or str(request.getfixturevalue("stack").elasticsearch.address)


class World:
    """One topic of one table, the sinks on it, and a look at the index behind their backs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.table = TableId("public", f"h_{uuid.uuid4().hex[:12]}")
        self.topic = f"shop.{self.table}"
        self.partition = TopicPartition(self.topic, "topic-id-1", 0)
        self.columns = (
            Field("id", Type(Kind.INT64), optional=False),
            Field("note", Type(Kind.STRING)),
            Field("body", Type(Kind.STRING)),
        )
        self.context = SinkContext("search", f"group-{self.table.name}", lambda _: ElasticsearchTarget())
        self.sinks: list[ElasticsearchSink] = []

    @property
    def alias(self) -> str:
        return self.table.name

    def sink(self, *partitions: TopicPartition, url: str = "", **options: Any) -> ElasticsearchSink:
        """A new sink, opened, which fences those before it."""
        sink: ElasticsearchSink = PLUGIN.build(ElasticsearchConfig(url=url or self.url, **options), self.context)
        self.sinks.append(sink)
        sink.open(partitions or [self.partition])
        return sink

    def row(self, offset: int, key: Any, *values: Any, partition: int = 0) -> SinkRecord:
        """An upsert; values follow ``columns`` after the key, NULL where left out."""
        schema = TableSchema(self.table, self.columns, ("id",))
        cells = [key, *values, *([None] * (len(self.columns) - 1 - len(values)))]
        return self._record(offset, key, Op.UPDATE, plain_row(schema, cells), partition)

    def delete(self, offset: int, key: Any, partition: int = 0) -> SinkRecord:
        return self._record(offset, key, Op.DELETE, None, partition)

    def truncate(self, offset: int, partition: int = 0) -> SinkRecord:
        return self._record(offset, None, Op.TRUNCATE, None, partition)

    def append(self, offset: int, *values: Any) -> SinkRecord:
        row = plain_row(TableSchema(self.table, self.columns), [offset, *values, None])
        return self._record(offset, None, Op.CREATE, row, 0)

    def _record(self, offset: int, key: Any, op: Op, after: Any, partition: int) -> SinkRecord:
        key_schema = TableSchema(self.table, self.columns[:1], ("id",))
        key_row = None if key is None else plain_row(key_schema, [key])
        return SinkRecord(self.topic, partition, offset, 0, op, key_row, None, after, self.table)

    def write(self, sink: ElasticsearchSink, *records: SinkRecord, skip: frozenset[int] = frozenset()) -> Any:
        """Write a batch and the offsets after it, as the runtime does."""
        nexts: dict[TopicPartition, int] = {}
        for record in records:
            nexts[self.partition._replace(partition=record.partition)] = record.offset + 1
        return sink.write(records, nexts, skip)

    def http(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server itself; the decoded body whatever the status."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return json.loads(error.read() or b"null")

    def hits(self) -> dict[str, dict[str, Any]]:
        """Everything in the index, by id, with versions."""
        self.http("POST", f"/{self.alias}/_refresh")
        body = self.http("POST", f"/{self.alias}/_search?version=true&size=10000")
        return {hit["_id"]: hit for hit in body["hits"]["hits"]}

    def documents(self) -> dict[str, dict[str, Any]]:
        return {name: hit["_source"] for name, hit in self.hits().items()}

    def notes(self) -> dict[str, str]:
        """Id → the column ``note``: enough for most tests."""
        return {name: document["note"] for name, document in self.documents().items()}

    def progress(self) -> Progress:
        from connectors.elasticsearch.cluster import Cluster

        cluster = Cluster(ElasticsearchConfig(url=self.url))
        try:
            progress = StateStore(cluster, self.context.group, self.context.connector).read()
        finally:
            cluster.close()
        assert progress is not None
        return progress

    @property
    def index(self) -> str:
        return self.progress().targets[self.topic].index

    @property
    def stored(self) -> dict[str, int]:
        """The next offsets that the state document holds."""
        return self.progress().topics[self.topic].next_offsets

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()
        for index in self.http("GET", f"/_resolve/index/{self.alias}*")["indices"]:
            self.http("DELETE", f"/{index['name']}")
        self.http("DELETE", f"/{STATE_INDEX}/_doc/{self.context.group}%2F{self.context.connector}")


@pytest.fixture
def world(url: str) -> Iterator[World]:
    """A topic of its own; what it made is removed afterwards."""
    world = World(url)
    yield world
    world.close()


class LosingProxy:
    """Passes requests on, and hangs up instead of answering where ``lose(method, path)`` says so: applied, unheard."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.lose: Callable[[str, str], bool] = lambda _method, _path: False
        self.url = ""

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        wanted = {name: value for name, value in headers.items() if name.lower() in {"content-type", "accept"}}
        request = urllib.request.Request(f"{self.target}{path}", body or None, wanted, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def _handler(proxy: LosingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, payload = proxy.pass_on(self.command, self.path, dict(self.headers), body)
            if proxy.lose(self.command, self.path):
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def proxy(url: str) -> Iterator[LosingProxy]:
    proxy = LosingProxy(url)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy)) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="losing-proxy")
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()
