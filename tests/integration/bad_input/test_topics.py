"""Topics and registries that do not fit: named, the rest goes on, mended, the rows arrive."""

from __future__ import annotations

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from connect.kafka.topics import STATE, Topics, TopicSpec, events_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE = """
sources:
  good: {{plugin: postgres, url: "{url}", tables: [public.good]}}
  parts: {{plugin: postgres, url: "{url}", tables: {{public.parts: {{partitions: 3}}}}}}
  policy: {{plugin: postgres, url: "{url}", tables: [public.policy]}}
  large: {{plugin: postgres, url: "{url}", tables: [public.large]}}
  huge: {{plugin: postgres, url: "{url}", tables: [public.huge]}}
"""
ONE = """
sources:
  {name}: {{plugin: postgres, url: "{url}", tables: [public.{table}]}}
"""


def alter(kafka: str, topic: str, name: str, value: str) -> None:
    """As kafka-configs.sh does."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([resource])[resource].result(20)


@pytest.fixture(scope="module")
def worker(world: Any) -> Any:
    """A worker whose topics were made by somebody else, in another way."""
    for table in ("good", "parts", "policy", "large", "huge"):
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, body text)", f"INSERT INTO {table} VALUES (1, 'a')")
    topics = Topics({"bootstrap.servers": world.kafka})
    small = dict(STATE) | {"max.message.bytes": "20000"}
    topics.create(
        [
            TopicSpec(world.topic("parts.public.parts"), 2, STATE),
            TopicSpec(world.topic("policy.public.policy"), 1, events_settings(86_400_000)),
            TopicSpec(world.topic("large.public.large"), 1, small),
        ]
    )
    worker = world.run(world.write(FILE.format(url=world.url)))
    worker.state("large", "STREAMING")
    worker.state("huge", "STREAMING")
    # Random text, since a broker counts compressed bytes.
    body = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, {}))"
    world.sql(f"INSERT INTO large VALUES (2, {body.format(3000)}), (3, 'c')")
    world.sql(f"INSERT INTO huge VALUES (2, {body.format(700_000)}), (3, 'c')")
    return worker


def test_a_topic_with_another_number_of_partitions(world, worker):
    told = worker.state("parts", "FAILED")
    says = f"topic {world.topic('parts.public.parts')} has 2 partitions and the file wants 3"
    world.told(told, "partition_count", says, "Write partitions: 2")


def test_a_topic_with_another_cleanup_policy(world, worker):
    told = worker.state("policy", "FAILED")
    topic = world.topic("policy.public.policy")
    mends = f"kafka-configs.sh --alter --topic {topic} --add-config cleanup.policy=compact"
    world.told(told, "topic_policy", f"topic {topic} has cleanup.policy=delete", mends)


def test_a_row_that_is_larger_than_its_topic_takes(world, worker):
    told = worker.state("large", "FAILED")
    topic = world.topic("large.public.large")
    mends = f"kafka-configs.sh --alter --topic {topic} --add-config max.message.bytes="
    world.told(told, "record_too_large", topic, mends)
    assert world.ids("large.public.large") == [1]


def test_a_row_that_is_larger_than_any_record_may_be(world, worker):
    told = worker.state("huge", "FAILED")
    world.told(told, "record_too_large", "huge.public.huge: a record of", "Leave the large column out with columns:")


def test_the_others_go_on(world, worker):
    for source in ("parts", "policy", "large", "huge"):
        worker.state(source, "FAILED")
    world.sql("INSERT INTO good VALUES (2)")

    world.arrive("good.public.good", 1, 2)


def test_once_mended_the_next_run_publishes_every_row(world, worker):
    for source in ("parts", "policy", "large", "huge"):
        worker.state(source, "FAILED")
    assert worker.stop() == 1
    alter(world.kafka, world.topic("policy.public.policy"), "cleanup.policy", "compact")
    alter(world.kafka, world.topic("large.public.large"), "max.message.bytes", "20971520")
    text = worker.file.read_text().replace("partitions: 3", "partitions: 2")
    worker.file.write_text(text.replace("[public.huge]", "{public.huge: {columns: [id]}}"))

    again = world.run(worker.file)

    world.arrive("parts.public.parts", 1)
    world.arrive("policy.public.policy", 1)
    world.arrive("large.public.large", 1, 2, 3)
    world.arrive("huge.public.huge", 1, 2, 3)
    assert again.stop() == 0


def test_a_topic_that_somebody_else_wrote_to(world) -> None:
    world.sql("CREATE TABLE taken (id int PRIMARY KEY, body text)", "INSERT INTO taken VALUES (1, 'a')")
    topic = world.topic("taken.public.taken")
    Topics({"bootstrap.servers": world.kafka}).create([TopicSpec(topic, 1, STATE)])
    producer = Producer({"bootstrap.servers": world.kafka})
    producer.produce(topic, key=b"theirs", value=None)
    assert producer.flush(20) == 0
    worker = world.run(world.write(ONE.format(name="taken", url=world.url, table="taken")))

    told = worker.state("taken", "FAILED")
    world.told(told, "topic_not_ours", f"topic {topic} holds records that taken did not write", "adopt: true")
    worker.stop()

    worker.file.write_text(worker.file.read_text().replace("plugin: postgres", "plugin: postgres, adopt: true"))
    again = world.run(worker.file)
    world.arrive("taken.public.taken", 1)
    assert again.stop() == 0


class Answers(ThreadingHTTPServer):
    """A web server that is no registry."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.answer = status, body, headers
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One answer for every request."""

    def _serve(self) -> None:
        assert isinstance(self.server, Answers)
        status, body, headers = self.server.answer
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def answers() -> Iterator[Callable[..., str]]:
    """What is answered → the server's URL."""
    servers: list[tuple[Answers, threading.Thread]] = []

    def serve(status: int, body: bytes, **headers: str) -> str:
        server = Answers(status, body, headers)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="no registry")
        thread.start()
        servers.append((server, thread))
        return server.url

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def table(world: Any, request: pytest.FixtureRequest) -> str:
    """A table with one row, named for the test."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    world.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, n int)", f"INSERT INTO {name} VALUES (1, 1)")
    return name


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, b"<html><body>Sign in</body></html>", {}), "200, not a registry's answer: '<html><body>Sign in"),
        ((404, b"<html>Not Found</html>", {}), "404, not a registry's answer: '<html>Not Found"),
        ((302, b"", {"Location": "http://login.example/"}), "redirected to 'http://login.example/'"),
    ],
    ids=["html", "html-404", "redirect"],
)
def test_what_is_no_registry(world, registry, answers, table, answer, says):
    status, body, headers = answer
    text = ONE.format(name=table, url=world.url, table=table)
    worker = world.run(world.write(text, registry=answers(status, body, **headers), name=f"{table}.yaml"))

    told = worker.state(table, "FAILED")

    world.told(told, "registry_answer", says, "check schema_registry.url")
    assert worker.exit_code() == 1  # every connector is FAILED
    world.run(world.write(text, registry=registry, name=f"{table}.yaml"))
    world.arrive(f"{table}.public.{table}", 1, registry=registry)


def test_a_registry_that_is_down_at_start_is_waited_for(world, registry, door, table):
    before = door(registry.split("/")[2])
    url = registry.replace(registry.split("/")[2], before.address)
    worker = world.run(world.write(ONE.format(name=table, url=world.url, table=table), registry=url))
    told = worker.state(table, "RETRYING")

    before.open()

    world.told(told, "registry_unreachable", url, "")
    world.arrive(f"{table}.public.{table}", 1, registry=registry)
    worker.state(table, "STREAMING")
    assert worker.stop() == 0


def test_doctor_tells_a_registry_that_is_none(world, answers, connect, table):
    text = ONE.format(name=table, url=world.url, table=table)
    code, out, _ = connect("doctor", world.write(text, registry=answers(200, b"<html>")))

    assert (code, "not a registry's answer: '<html>'" in out, "schema_registry.url" in out) == (1, True, True)


def test_an_incompatible_schema_stops_the_source_before_the_row(world, registry, table):
    file = world.write(ONE.format(name=table, url=world.url, table=table), registry=registry, name=f"{table}.yaml")
    worker = world.run(file)
    worker.state(table, "STREAMING")
    topic = f"{table}.public.{table}"
    subject = f"{world.topic(topic)}-value"

    world.sql(f"ALTER TABLE {table} ALTER n TYPE text", f"INSERT INTO {table} VALUES (2, 'two')")

    told = worker.state(table, "FAILED")
    world.told(told, "schema_incompatible", f"public.{table}: ", "PUT /config/TOPIC-value")
    assert world.ids(topic, registry) == [1]
    assert worker.exit_code() == 1
    set_level(registry, "", "BACKWARD")
    set_level(registry, f"/{subject}", "NONE")
    try:
        world.run(file)
        world.arrive(topic, 1, 2, registry=registry)
    finally:
        set_level(registry, "", "NONE")


def test_F101_without_a_registry_an_incompatible_type_stops_the_source_until_the_file_allows_it(world, table):
    file = world.write(ONE.format(name=table, url=world.url, table=table), name=f"{table}.yaml")
    worker = world.run(file)
    worker.state(table, "STREAMING")
    topic = f"{table}.public.{table}"

    world.sql(f"ALTER TABLE {table} ALTER n TYPE text", f"INSERT INTO {table} VALUES (2, 'two')")

    told = worker.state(table, "FAILED")
    world.told(told, "schema_incompatible", f"public.{table}: ", "`changed_types: publish`")
    assert world.ids(topic) == [1]
    assert worker.exit_code() == 1
    file.write_text(file.read_text().replace(f"[public.{table}]", f"{{public.{table}: {{changed_types: publish}}}}"))
    world.run(file)
    world.arrive(topic, 1, 2)


def test_an_incompatible_column_that_the_file_leaves_out_lets_the_rest_go_on(world, registry, table):
    file = world.write(ONE.format(name=table, url=world.url, table=table), registry=registry, name=f"{table}.yaml")
    worker = world.run(file)
    worker.state(table, "STREAMING")
    world.sql(f"ALTER TABLE {table} ALTER n TYPE text", f"INSERT INTO {table} VALUES (2, 'two')")
    world.told(worker.state(table, "FAILED"), "schema_incompatible", f"public.{table}: ", "`columns:`")
    assert worker.exit_code() == 1

    file.write_text(file.read_text().replace(f"[public.{table}]", f"{{public.{table}: {{columns: [id]}}}}"))

    world.run(file)
    world.arrive(f"{table}.public.{table}", 1, 2, registry=registry)


def set_level(registry: str, subject: str, level: str) -> None:
    """What the message said: take the change."""
    body = json.dumps({"compatibility": level}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{registry}/config{subject}", body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def test_without_auto_register_a_missing_schema_is_the_one_that_plan_shows(world, registry, table):
    file = world.write(ONE.format(name=table, url=world.url, table=table), registry=registry, name=f"{table}.yaml")
    file.write_text(file.read_text().replace('/v7"}', '/v7", auto_register: false}'))
    worker = world.run(file)
    told = worker.state(table, "FAILED")
    world.told(told, "schema_missing", world.topic(f"{table}.public.{table}"), "connect plan FILE --json")
    assert worker.exit_code() == 1

    [source] = json.loads(world.command("plan", file, "--json").stdout)["sources"]
    for subject, schema in source["tables"][0]["schemas"].items():
        register(registry, subject, schema)

    world.run(file)
    world.arrive(f"{table}.public.{table}", 1, registry=registry)


def register(registry: str, subject: str, schema: str) -> None:
    """As whoever owns the registry does."""
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    url = f"{registry}/subjects/{subject}/versions"
    request = urllib.request.Request(url, json.dumps({"schema": schema}).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()
