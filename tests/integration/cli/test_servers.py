"""``plan``, ``doctor`` and ``topic show`` against real servers."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from connect.api.sink import TopicPartition
from connect.cli import main as cli
from connect.kafka.appender import Appender
from connect.kafka.consumer import Raw
from connect.kafka.positions import read_to
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import STATE, Topics, TopicSpec
from connect.record import ChangeEvent, Op, plain_row
from connect.runtime.dead_letters import DeadLetters
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> str:
    """Kafka of the environment, else of the local stack."""
    return os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with a shop's tables, gone afterwards."""
    server = os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)
    name = f"e_{uuid.uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            with psycopg.connect(url) as connection:
                connection.execute(TABLES)
            yield url
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


TABLES = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, email text, price numeric(10,2));
CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TABLE log (at timestamptz, what text);
CREATE SCHEMA old;
CREATE SCHEMA odd;
CREATE TABLE odd."Items" (id bigint PRIMARY KEY);
CREATE TABLE odd.items (id bigint PRIMARY KEY);
CREATE TABLE odd."Mixed Case" (id bigint PRIMARY KEY);
CREATE TABLE odd._hidden (id bigint PRIMARY KEY);
CREATE TABLE old.orders (id bigint PRIMARY KEY);
"""


@pytest.fixture
def group() -> str:
    return f"e-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def write(tmp_path: Path, kafka: str, database: str, group: str) -> Callable[..., str]:
    """What stands below a source, and below the file → the file's name."""

    def written(source: str, rest: str = "") -> str:
        path = tmp_path / "shop.yaml"
        path.write_text(
            f'name: {group}\nkafka: {{bootstrap: "{kafka}"}}\nsources:\n  {group}-s:\n    plugin: postgres\n'
            f"    url: {database}\n{source}\n{rest}"
        )
        return str(path)

    return written


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Arguments → exit code, standard output, standard error."""

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return called


@pytest.fixture
def topic(kafka: str, group: str) -> Iterator[str]:
    """A compacted topic of two partitions, gone afterwards."""
    name = f"{group}-s.public.orders"
    Topics({"bootstrap.servers": kafka}).create([TopicSpec(name, 2, STATE)])
    yield name
    _drop(kafka, name)


def _drop(kafka: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([topic])[topic].result(20)


def planned(connect: Any, file: str, *more: str) -> dict[str, Any]:
    code, out, err = connect("plan", file, "--json", *more)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_plan_says_the_format_first(connect, write):
    code, out, _ = connect("plan", write("    tables: [public.orders]"))

    assert code == 0
    assert out.startswith("Format: JSON with schema and payload in every record")


def test_plan_shows_topics_keys_schemas_and_partitions(connect, write, group):
    options = "{partitions: 3, views: [state, events], events: {keep: 90d}}"
    (source,) = planned(connect, write(f"    tables: {{public.orders: {options}}}"))["sources"]

    (table,) = source["tables"]
    assert (table["table"], table["key"], table["snapshot"]) == ("public.orders", ["id"], True)
    assert table["columns"] == {"id": "int64", "status": "string", "email": "string?", "price": "decimal(10,2)?"}
    assert table["topics"] == [
        {"name": f"{group}-s.public.orders", "view": "state", "partitions": 3, "keep_ms": None, "exists": False},
        {
            "name": f"{group}-s.public.orders.events",
            "view": "events",
            "partitions": 3,
            "keep_ms": 7_776_000_000,
            "exists": False,
        },
    ]
    odd = ["odd.Items", "odd.Mixed Case", "odd._hidden", "odd.items"]
    assert source["left_out"] == [*odd, "old.orders", "public.customers", "public.log"]


def test_plan_of_one_table_names_the_line_that_decided_each_option(connect, write):
    file = write("    tables:\n      'public.*': {new_columns: hold}\n      public.orders: {partitions: 3}")
    lines = {text: number for number, text in enumerate(Path(file).read_text().splitlines(), 1)}
    at = {word: next(n for text, n in lines.items() if word in text) for word in ("hold", "partitions: 3")}

    code, out, _ = connect("plan", file, "--table", "public.orders")
    assert code == 0
    assert f'new_columns: "hold"  {file}:{at["hold"]}' in out
    assert f"partitions: 3  {file}:{at['partitions: 3']}" in out
    assert 'views: ["state"]  default' in out
    assert "public.customers" not in out

    (source,) = planned(connect, file, "--table", "public.orders")["sources"]
    assert source["tables"][0]["options"]["partitions"]["value"] == 3


def test_plan_of_a_table_that_is_not_captured_names_the_nearest(connect, write):
    code, _, err = connect("plan", write("    tables: [public.orders]"), "--table", "public.ordesr")
    assert code == 1
    assert "public.orders" in err


def test_plan_of_a_table_that_the_file_leaves_out_says_so(connect, write, group):
    code, _, err = connect("plan", write("    tables: [public.orders]"), "--table", "public.customers")
    assert code == 1
    assert f"public.customers is on the server of {group}-s, and the file leaves it out" in err


def test_plan_shows_a_table_as_its_transforms_leave_it(connect, write, group):
    transforms = "[{drop: {fields: [email]}}, {route: {to: 'sales.{table}'}}]"
    (source,) = planned(connect, write(f"    tables: [public.orders]\n    transforms: {transforms}"))["sources"]

    (table,) = source["tables"]
    assert list(table["columns"]) == ["id", "status", "price"]
    assert table["topics"][0]["name"] == f"{group}-s.sales.orders"


def test_plan_says_what_is_not_captured_of_a_table_without_a_key(connect, write):
    (source,) = planned(connect, write("    tables: [public.log]"))["sources"]

    (table,) = source["tables"]
    assert [topic["view"] for topic in table["topics"]] == ["events"]
    assert any("streaming waits meanwhile" in note for note in table["notes"])
    assert any("NOT CAPTURED" in note for note in table["notes"])


def test_plan_makes_nothing(connect, write, kafka, group):
    planned(connect, write("    tables: [public.orders]"))

    assert [name for name in Topics({"bootstrap.servers": kafka}).names() if group in name] == []


def test_plan_refuses_two_topics_that_meet_in_one_target(connect, write, group, tmp_path):
    sink = f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}\n"
    code, _, err = connect("plan", write('    tables: ["*.orders"]', sink))

    assert code == 2
    assert f"{group}-s.public.orders of w and {group}-s.old.orders of w meet in one target: table orders" in err


def test_plan_shows_targets(connect, write, group, tmp_path):
    sink = f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}\n"
    (found,) = planned(connect, write("    tables: [public.orders]", sink))["sinks"]

    assert found["targets"] == {f"{group}-s.public.orders": {"table": "orders"}}


def search(group, **options):
    return f"sinks: {{e: {json.dumps({'plugin': 'elasticsearch', 'url': 'http://127.0.0.1:1', **options})}}}"


def test_plan_names_the_index_that_the_sink_will_make(connect, write, group):
    sink = search(group, topics=[f"{group}-s.*.*"], defaults={"index": "{prefix}_{schema}_{table}"})
    tables = "    tables: [public.orders, odd.Mixed Case]\n    transforms: [{route: {to: 'sales.New_{table}'}}]"
    (found,) = planned(connect, write(tables, sink))["sinks"]

    assert [target["index"] for target in found["targets"].values()] == [
        f"{group}-s_sales_new_mixed_case",
        f"{group}-s_sales_new_orders",
    ]


def test_plan_refuses_two_topics_whose_indices_differ_by_case_only(connect, write, group):
    sink = search(group, topics=[f"{group}-s.*.*"])
    code, _, err = connect("plan", write("    tables: [odd.Items, odd.items]", sink))

    assert code == 2
    assert f"{group}-s.odd.items of e and {group}-s.odd.Items of e meet in one target: index items" in err


def test_plan_refuses_a_name_that_no_index_can_have(connect, write, group):
    code, _, err = connect("plan", write("    tables: [odd._hidden]", search(group, topics=[f"{group}-s.*.*"])))

    assert code == 2
    assert f"'_hidden', the target of {group}-s.odd._hidden, is no index name" in err


def test_plan_says_that_a_truncate_of_several_partitions_stops_its_sink(connect, write, group, tmp_path):
    sink = f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*.events']}}\n"
    tables = "{public.orders: {views: [events], partitions: 3}, public.customers: {views: [events]}}"
    (found,) = planned(connect, write(f"    tables: {tables}", sink))["sinks"]

    (note,) = found["notes"]
    assert note.startswith(f"{group}-s.public.orders.events has several partitions")


def test_plan_says_that_a_star_does_not_reach_the_topic_of_a_keyless_table(connect, write, group, tmp_path):
    sink = f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}\n"
    (found,) = planned(connect, write("    tables: [public.orders, public.log]", sink))["sinks"]

    (note,) = found["notes"]
    assert note.startswith(f"no sink reads {group}-s.public.log.events: ")


def test_plan_lists_every_topic_of_the_workers_own(connect, write, group, tmp_path):
    sink = f"{{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*'], on_error: dead_letter}}"
    made = planned(connect, write("    tables: [public.orders]", f"sinks: {{w: {sink}}}"))

    assert made["internal"] == [f"{group}.{group}-s.positions", f"{group}.w.bootstrap", f"{group}.w.dead"]


def test_plan_leaves_out_what_another_worker_keeps_for_itself(connect, write, kafka, group, tmp_path):
    own = f"{group}-s.gone.positions"
    Topics({"bootstrap.servers": kafka}).create([TopicSpec(own, 1, STATE)])
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(own, b"{}", b"position")
    assert producer.flush(20) == 0
    sink = f"sinks: {{w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}}}"
    (found,) = planned(connect, write("    tables: [public.orders]", sink))["sinks"]
    _drop(kafka, own)

    assert list(found["targets"]) == [f"{group}-s.public.orders"]


def test_plan_blames_a_misspelt_table_once(connect, write, group, tmp_path):
    sink = f"sinks: {{w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}}}"
    code, _, err = connect("plan", write("    tables: [public.ordesr]", sink))

    assert code == 2
    assert "no table matches 'public.ordesr'" in err
    assert "no topic matches" not in err


def test_plan_refuses_two_tables_that_meet_in_one_topic(connect, write):
    source = '    tables: ["*.orders"]\n    transforms: [{route: {to: "all.{table}"}}]'
    code, _, err = connect("plan", write(source))

    assert code == 2
    assert "would both be written to topic" in err


def test_plan_refuses_a_table_that_is_not_there_at_its_line(connect, write):
    code, _, err = connect("plan", write("    tables: [public.ordesr]"))

    assert code == 2
    assert "shop.yaml:7: no table matches 'public.ordesr'\n  → did you mean public.orders?" in err


def test_plan_refuses_a_column_that_is_not_there_at_its_line(connect, write):
    code, _, err = connect("plan", write("    tables: {public.orders: {columns: [id, emial]}}"))

    assert code == 2
    assert "shop.yaml:7: columns: public.orders has no column 'emial'\n  → did you mean email?" in err


def test_plan_refuses_a_key_outside_the_replica_identity_with_the_alter(connect, write):
    code, _, err = connect("plan", write("    tables: {public.orders: {key: [email]}}"))

    assert code == 2
    assert "ALTER TABLE public.orders REPLICA IDENTITY FULL;" in err


def test_F89_plan_refuses_a_topic_with_other_partitions(connect, write, topic):
    code, _, err = connect("plan", write("    tables: {public.orders: {partitions: 3}}"))

    assert code == 2
    assert f"topic {topic} has 2 partitions and the file wants 3" in err


def test_F93_plan_refuses_a_topic_with_another_policy(connect, write, topic, kafka):
    path = write("    tables: {public.orders: {partitions: 2, views: [events]}}")
    events = f"{topic}.events"
    Topics({"bootstrap.servers": kafka}).create([TopicSpec(events, 2, STATE)])
    try:
        code, _, err = connect("plan", path)
    finally:
        _drop(kafka, events)

    assert code == 2
    assert f"topic {events} has cleanup.policy=compact and its view needs delete" in err


def test_plan_of_a_server_that_is_not_there_ends_with_1_and_no_stack_trace(connect, tmp_path, kafka):
    path = tmp_path / "f.yaml"
    source = "{plugin: postgres, url: 'postgresql://cdc:S3CR3T@127.0.0.1:1/x', tables: [a.b]}"
    path.write_text(f'name: x\nkafka: {{bootstrap: "{kafka}"}}\nsources: {{s: {source}}}\n')
    code, _, err = connect("plan", str(path))

    assert code == 1
    assert "Traceback" not in err
    assert "S3CR3T" not in err


def test_doctor_asks_every_server(connect, write, group, tmp_path):
    sink = f"sinks:\n  w: {{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*']}}\n"
    code, out, _ = connect("doctor", write("    tables: [public.orders]", sink), "--json")

    found = json.loads(out)
    subjects = {finding["subject"] for finding in found["findings"]}
    assert {"kafka", f"{group}-s"} <= subjects
    assert code == (1 if found["problems"] else 0)


def test_doctor_finds_a_broker_and_a_database_that_are_not_there(connect, tmp_path):
    path = tmp_path / "f.yaml"
    source = "{plugin: postgres, url: 'postgresql://cdc:S3CR3T@127.0.0.1:1/x', tables: [a.b]}"
    path.write_text(f'name: x\nkafka: {{bootstrap: "127.0.0.1:1"}}\nsources: {{s: {source}}}\n')
    code, out, _ = connect("doctor", str(path), "--json")

    problems = {f["subject"] for f in json.loads(out)["findings"] if f["severity"] == "problem"}
    assert (code, problems) == (1, {"kafka", "s"})
    assert "S3CR3T" not in out


def test_doctor_tells_what_is_wrong_with_names_and_goes_on(connect, write):
    code, out, _ = connect("doctor", write("    tables: [public.ordesr]"))

    assert code == 1
    assert "no table matches 'public.ordesr'" in out
    assert "wal_level" in out


@pytest.fixture
def filled(topic: str, kafka: str) -> str:
    """Three keys; key 1 is updated and key 2 deleted, with its tombstone."""
    table = TableId("public", "orders")
    fields = (Field("id", Type(Kind.INT64), optional=False), Field("status", Type(Kind.STRING)))
    schema = TableSchema(table, fields, ("id",))
    rows = [plain_row(schema, values) for values in ([1, "new"], [2, "new"], [3, "new"], [1, "done"])]
    block = SourceBlock(connector="postgresql", name="e", database="e", fields=())
    encoder = JsonFormat().encoder(topic, rows[0].shape, block)
    producer = TransactionalProducer({"bootstrap.servers": kafka}, f"e-{topic}")
    with contextlib.closing(producer):
        producer.fence()
        producer.begin()
        for op, row in zip("cccu", rows, strict=True):
            event = ChangeEvent(Op(op), row.shape, None, row, (), 1)
            producer.send(topic, encoder.key(row), encoder.value(event, 1))
        gone = ChangeEvent(Op.DELETE, rows[1].shape, rows[1], None, (), 1)
        producer.send(topic, encoder.key(rows[1]), encoder.value(gone, 1))
        producer.send(topic, encoder.key(rows[1]), None)
        producer.commit()
    return topic


def shown(connect: Any, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = connect("topic", "show", *arguments, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_topic_show_prints_every_committed_record_decoded(connect, filled, kafka):
    records = shown(connect, filled, "--kafka", kafka)

    by_key = {
        key: [(r["op"], (r["after"] or {}).get("status"), r["tombstone"]) for r in records if r["key"]["id"] == key]
        for key in (1, 2, 3)
    }
    assert by_key == {
        1: [("c", "new", False), ("u", "done", False)],
        2: [("c", "new", False), ("d", None, False), ("d", None, True)],
        3: [("c", "new", False)],
    }


@pytest.mark.parametrize("key", ["1", '{"id": 1}'])
def test_topic_show_finds_one_key(connect, filled, kafka, key):
    records = shown(connect, filled, "--kafka", kafka, "--key", key)

    assert [record["after"]["status"] for record in records] == ["new", "done"]


def test_topic_show_stops_at_the_limit(connect, filled, kafka):
    assert len(shown(connect, filled, "--kafka", kafka, "--limit", "2")) == 2


def test_topic_show_from_the_end_shows_nothing(connect, filled, kafka):
    assert shown(connect, filled, "--kafka", kafka, "--from", "end") == []


def test_topic_show_reads_servers_from_a_file(connect, filled, write):
    assert len(shown(connect, filled, write("    tables: [public.orders]"))) == 6


def test_topic_show_names_a_topic_that_is_not_there(connect, kafka):
    code, _, err = connect("topic", "show", "e-no-such-topic", "--kafka", kafka)

    assert code == 1
    assert "there is no topic e-no-such-topic" in err


def test_dead_letters_are_listed_decoded_with_their_cause(connect, write, filled, group, kafka, tmp_path):
    sink = f"{{plugin: sql, url: 'sqlite:///{tmp_path}/w.db', topics: ['{group}-s.*.*'], on_error: dead_letter}}"
    file = write("    tables: [public.orders]", f"sinks: {{w: {sink}}}")
    settings = {"bootstrap.servers": kafka}
    ends = enumerate(Topics(settings).ends(filled, 2))
    message = next(m for partition, end in ends for m in read_to(settings, filled, partition, end, 30.0))
    place = TopicPartition(filled, "", message.partition())
    good = Raw(place, message.offset(), message.timestamp()[1], message.key(), message.value())
    poisoned = good._replace(offset=99, value=b"{")
    letters = DeadLetters(Topics(settings), Appender(settings), "w", f"{group}.w.dead", -1)
    code, _, err = connect("dead-letters", "w", file)
    assert (code, "there is no topic" in err) == (0, True)

    letters.send([(good, "value too long"), (poisoned, "no JSON")])
    letters.send([(good, "value too long")])  # as after a kill

    code, out, _ = connect("dead-letters", "w", file, "--json")
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (code, first["connector"], first["error"]) == (0, "w", "value too long")
    assert first["record"]["offset"] == good.offset
    assert first["record"]["key"]
    assert second["record"]["where"] == poisoned.where
    code, out, _ = connect("dead-letters", "w", file)
    assert out.endswith(f"2 record(s) of w in {group}.w.dead\n")


def test_dead_letters_of_a_sink_that_is_not_in_the_file_are_refused(connect, write):
    code, _, err = connect("dead-letters", "w", write("    tables: [public.orders]"))
    assert code == 2
    assert "no sink w" in err or "w" in err
