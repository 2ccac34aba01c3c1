"""Any cut of any history, with replays and late writes of older owners, gives the index of applying it one by one."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connect.api import SinkContext, TopicPartition
from connect.errors import Fenced
from connect.record import UNAVAILABLE, Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.cluster import Cluster
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget

pytestmark = pytest.mark.stack

COLUMNS = (
    Field("id", Type(Kind.INT32), optional=False),
    Field("note", Type(Kind.INT32)),
    Field("body", Type(Kind.STRING)),
)


@pytest.fixture(scope="session")
def config(request: pytest.FixtureRequest) -> ElasticsearchConfig:
    given_url = os.environ.get("CONNECT_TEST_ELASTICSEARCH")
    return ElasticsearchConfig(url=given_url or request.getfixturevalue("stack").elasticsearch.address, in_flight=2)


# A change is (key, what): a text is a whole row with that body, UNAVAILABLE a row without it, None a delete; (None, …)
# empties the table.
changes = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", UNAVAILABLE, UNAVAILABLE, None])),
        st.just((None, None)),
    ),
    min_size=1,
    max_size=24,
)
# What happens to the sink: write up to that many records, then store the position, forget it (a kill), or have an older
# owner write that batch again first.
steps = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["store", "kill", "zombie"])), max_size=8)


def folded(history: list[tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    """The table after the history, one change at a time."""
    rows: dict[str, dict[str, Any]] = {}
    for number, (key, body) in enumerate(history):
        if key is None:
            rows.clear()
        elif body is None:
            rows.pop(str(key), None)
        elif body is not UNAVAILABLE:
            rows[str(key)] = {"id": key, "note": number, "body": body}
        elif "body" in (old := rows.get(str(key), {})):
            rows[str(key)] = {"id": key, "note": number, "body": old["body"]}
        else:
            rows[str(key)] = {"id": key, "note": number, "__incomplete": ["body"]}
    return rows


class Run:
    """One history on an index of its own."""

    def __init__(self, config: ElasticsearchConfig, history: list[tuple[Any, Any]]) -> None:
        self.config = config
        self.table = TableId("public", f"h_{uuid.uuid4().hex[:12]}")
        self.partition = TopicPartition(f"shop.{self.table}", "topic-id", 0)
        self.context = SinkContext("search", f"group-{self.table.name}", lambda _: ElasticsearchTarget())
        self.records = [self._record(number, *change) for number, change in enumerate(history)]
        self.zombie: Any = None
        self.sink: Any = None
        self.open()

    def _record(self, offset: int, key: int | None, body: Any) -> SinkRecord:
        schema = TableSchema(self.table, COLUMNS, ("id",))
        key_row = None if key is None else plain_row(TableSchema(self.table, COLUMNS[:1], ("id",)), [key])
        after = None if body is None else plain_row(schema, [key, offset, body])
        op = Op.TRUNCATE if key is None else Op.DELETE if body is None else Op.UPDATE
        return SinkRecord(self.partition.topic, 0, offset, 0, op, key_row, None, after, self.table)

    def open(self) -> int:
        """A new owner; the one before becomes the zombie. Gives the position."""
        if self.zombie:
            self.zombie.close()
        self.zombie, self.sink = self.sink, PLUGIN.build(self.config, self.context)
        return int(self.sink.open([self.partition])[self.partition])

    def step(self, start: int, size: int, what: str) -> int:
        """Write a batch; gives where to go on."""
        batch = self.records[start : start + size]
        assert not self.sink.write(batch, {}, frozenset()).failures
        if what == "kill":
            return self.open()
        if what == "zombie" and self.zombie:
            with suppress(Fenced):
                self.zombie.write(batch, {self.partition: start + size}, frozenset())
        self.sink.write([], {self.partition: start + len(batch)}, frozenset())
        return start + len(batch)

    def documents(self) -> dict[str, Any]:
        cluster = Cluster(self.config)
        try:
            if cluster.request("POST", f"/{self.table.name}/_refresh", expect=(404,)).status == 404:
                return {}
            hits = cluster.request("POST", f"/{self.table.name}/_search", params={"size": 100}).body["hits"]["hits"]
            return {hit["_id"]: hit["_source"] for hit in hits}
        finally:
            cluster.close()

    def close(self) -> None:
        for sink in (self.zombie, self.sink):
            if sink:
                sink.close()
        PLUGIN.rebuild(self.config, self.context)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=changes, plan=steps)
def test_F143_F146_any_cut_with_any_replay_equals_one_by_one(config, history, plan):
    run = Run(config, history)
    try:
        position = 0
        for size, what in plan:
            position = run.step(position, size, what)
        run.step(position, len(history), "store")
        assert run.documents() == folded(history)
    finally:
        run.close()
