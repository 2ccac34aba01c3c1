"""A topic on a real Kafka, a schema in a real Postgres, and the sink between them."""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connect.api import SinkContext
from connect.errors import Retriable
from connect.kafka.topics import STATE
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.runtime.report import TaskReport
from connect.runtime.sink_task import SinkSettings, SinkTask
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.schema.reader import RecordReader
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INT = Type(Kind.INT64)
TEXT = Type(Kind.STRING)
COLUMNS = (Field("id", INT, optional=False), Field("name", TEXT), Field("note", TEXT))
SOURCE = SourceBlock(connector="postgresql", name="g", database="shop", fields=())


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Kafka of the environment, else of the local stack."""
    return os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """Postgres of the environment, else of the local stack."""
    return os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)


class World:
    """One table's topic, a target schema of its own, and tasks of the sink."""

    def __init__(self, kafka: str, postgres: str) -> None:
        self.name = f"g_{uuid.uuid4().hex[:10]}"
        self.topic = f"{self.name}.public.orders"
        self.kafka = {"bootstrap.servers": kafka}
        self.postgres = postgres
        self.admin = AdminClient({**self.kafka, "log_level": 0})  # it outlives the broker
        self.sql = psycopg.connect(postgres, autocommit=True)
        self.sql.execute(f"CREATE SCHEMA {self.name}")
        self.sql.execute(f"SET search_path = {self.name}")
        self.columns = COLUMNS
        self.key = ("id",)
        self.wanted: Callable[[str], bool] = lambda topic: topic.startswith(f"{self.name}.public.")
        self.reports: list[TaskReport] = []
        self.on_error = "fail"
        self._tasks: list[SinkTask] = []
        self._producer = Producer({**self.kafka, "linger.ms": 0})

    # Kafka

    def make_topic(self, topic: str = "", partitions: int = 1, **settings: str) -> None:
        config = {**STATE, **{name.replace("_", "."): value for name, value in settings.items()}}
        new = NewTopic(topic or self.topic, partitions, config=config)
        for future in self.admin.create_topics([new]).values():
            future.result()

    def drop_topic(self, topic: str = "") -> None:
        for future in self.admin.delete_topics([topic or self.topic]).values():
            future.result()

    @property
    def shape(self) -> Any:
        return plain_shape(TableSchema(TableId("public", "orders"), self.columns, self.key))

    def record(self, op: str, *values: Any, topic: str = "") -> tuple[bytes | None, bytes | None]:
        """Key and value bytes of one change, by the project's own JSON format; a delete takes the old row."""
        shape = self.shape
        row = plain_row(shape.schema, values) if values else None
        before, after = (row, None) if op == "d" else (None, row)
        event = ChangeEvent(Op(op), shape, before, after, (), 1_700_000_000_000_000)
        encoder = JsonFormat().encoder(topic or self.topic, shape, SOURCE)
        return (encoder.key(row) if row and self.key else None), encoder.value(event, event.ts_us)

    def send(self, *records: tuple[bytes | None, bytes | None], topic: str = "", partition: int = 0) -> None:
        refused: list[Any] = []
        for key, value in records:
            self._producer.produce(
                topic or self.topic, value, key, partition, on_delivery=lambda error, _: error and refused.append(error)
            )
        assert self._producer.flush(20) == 0
        assert not refused

    def put(self, *rows: tuple[Any, ...], op: str = "u", topic: str = "", partition: int = 0) -> None:
        """Send one change for each row."""
        self.send(*(self.record(op, *row, topic=topic) for row in rows), topic=topic, partition=partition)

    def transaction(self, *rows: tuple[Any, ...], commit: bool) -> None:
        """Send changes in a Kafka transaction."""
        producer = Producer({**self.kafka, "transactional.id": f"{self.name}-{uuid.uuid4().hex[:6]}"})
        producer.init_transactions(20)
        producer.begin_transaction()
        for row in rows:
            key, value = self.record("u", *row)
            producer.produce(self.topic, value, key, 0)
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)

    def read(self, topic: str) -> list[Any]:
        """Every record of a one-partition topic."""
        settings = {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "enable.partition.eof": True}
        consumer = Consumer({**self.kafka, **settings})
        consumer.assign([KafkaTopicPartition(topic, 0, 0)])
        messages = []
        try:
            while not (message := consumer.poll(10)).error():
                messages.append(message)
        finally:
            consumer.close()
        return messages

    def group_offset(self) -> int:
        """The group's offset of partition 0, which is a hint for lag tools."""
        consumer = Consumer({**self.kafka, "group.id": f"{self.name}.warehouse"})
        [offset] = consumer.committed([KafkaTopicPartition(self.topic, 0)], timeout=10)
        consumer.close()
        return int(offset.offset)

    # The sink

    def task(self, stop: Callable[[TaskReport], bool], seconds: float = 30.0, **config: Any) -> SinkTask:
        """A task that ends once ``stop`` says so of its latest report, or after ``seconds``."""
        deadline = time.monotonic() + seconds
        context = SinkContext("warehouse", self.name, lambda _: SqlTarget())
        settings = SinkSettings(
            connector="warehouse",
            group=self.name,
            kafka=self.kafka,
            wanted=self.wanted,
            on_error=self.on_error,  # type: ignore[arg-type]
        )
        reports = [TaskReport()]

        def report(latest: TaskReport) -> None:
            reports.append(latest)
            self.reports.append(latest)

        sink = PLUGIN.build(SqlConfig(url=self.postgres, schema=self.name, **config), context)
        task = SinkTask(
            settings,
            sink,
            RecordReader(None),
            None,
            report,
            lambda: stop(reports[-1]) or time.monotonic() > deadline,
        )
        self._tasks.append(task)
        return task

    def run(self, stop: Callable[[TaskReport], bool] | None = None, **config: Any) -> TaskReport:
        """Run a task until it has read everything, or until ``stop``, as the retry table would; its last report."""
        for _ in range(20):
            task = self.task(stop or (lambda report: report.complete and report.lag_records == 0), **config)
            try:
                task.run()
            except Retriable:  # a topic that was just made has no leader yet
                time.sleep(0.2)
            else:
                return self.reports[-1]
            finally:
                task.close()
        pytest.fail("the sink never came through")

    # Postgres

    def rows(self, table: str = "orders", columns: str = "id, name, note") -> list[tuple[Any, ...]]:
        return self.sql.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()

    def position(self) -> int:
        [(offset,)] = self.sql.execute("SELECT next_offset FROM connect_positions WHERE partition = 0").fetchall()
        return int(offset)

    def close(self) -> None:
        for task in self._tasks:
            task.close()
        self.sql.execute(f"DROP SCHEMA {self.name} CASCADE")
        self.sql.close()
        topics = [name for name in self.admin.list_topics(timeout=10).topics if name.startswith(self.name)]
        if topics:
            self.admin.delete_topics(topics)


@pytest.fixture
def world(kafka: str, postgres: str) -> Iterator[World]:
    """Everything of one test's own; removed afterwards."""
    made = World(kafka, postgres)
    yield made
    made.close()
