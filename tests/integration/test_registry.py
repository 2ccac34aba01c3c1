"""The registry client and Avro over a real registry."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from urllib.parse import urlsplit

import pytest

from connect.errors import Failed, Retriable
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

pytestmark = pytest.mark.stack

INT, STRING = Type(Kind.INT32), Type(Kind.STRING)
SOURCE = SourceBlock(connector="postgresql", name="B", database="b", fields=())
ONE = '{"type":"record","name":"V","namespace":"b","fields":[{"name":"x","type":"int"}]}'
INCOMPATIBLE = ONE.replace("]}", ',{"name":"y","type":"int"}]}')


@pytest.fixture
def url(stack) -> str:
    return stack.schema_registry.address


@pytest.fixture
def topic() -> str:
    return f"B.public.t{uuid.uuid4().hex[:8]}"


def set_compatibility(url: str, subject: str, level: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("PUT", f"{parts.path}/config/{subject}", json.dumps({"compatibility": level}), headers)
    assert connection.getresponse().status == 200
    connection.close()


def table(*more: Field) -> TableSchema:
    columns = (Field("id", INT, optional=False), Field("name", STRING), *more)
    return TableSchema(TableId("public", "t"), columns, ("id",))


def event(schema: TableSchema, values) -> ChangeEvent:
    row = plain_row(schema, values)
    return ChangeEvent(Op.CREATE, row.shape, None, row, (), 1_600_000_000_000_000)


def test_a_schema_registers_once_and_is_found_by_its_id(url, topic):
    first, second = RegistryClient(url), RegistryClient(url)
    number = first.schema_id(f"{topic}-value", ONE)
    assert second.schema_id(f"{topic}-value", ONE) == number
    assert json.loads(second.schema_text(number)) == json.loads(ONE)


def test_F105_twenty_threads_that_register_one_schema_get_one_id(url, topic):
    clients = [RegistryClient(url) for _ in range(20)]
    found: list[int] = []
    start = threading.Barrier(20)

    def register(client: RegistryClient) -> None:
        start.wait(timeout=30)
        found.append(client.schema_id(f"{topic}-value", ONE))

    threads = [threading.Thread(target=register, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == 20
    assert len(set(found)) == 1


def test_F101_an_incompatible_schema_fails_with_the_registrys_words(url, topic):
    client = RegistryClient(url)
    client.schema_id(f"{topic}-value", ONE)
    set_compatibility(url, f"{topic}-value", "BACKWARD")
    assert client.compatibility(f"{topic}-value") == "BACKWARD"
    assert client.incompatibilities(f"{topic}-value", INCOMPATIBLE)
    with pytest.raises(Failed, match="y") as caught:
        client.schema_id(f"{topic}-value", INCOMPATIBLE)
    assert caught.value.code == "schema_incompatible"


def test_F101_after_the_operator_sets_the_compatibility_the_schema_is_taken(url, topic):
    client = RegistryClient(url)
    client.schema_id(f"{topic}-value", ONE)
    set_compatibility(url, f"{topic}-value", "NONE")
    assert client.incompatibilities(f"{topic}-value", INCOMPATIBLE) == []
    assert client.schema_id(f"{topic}-value", INCOMPATIBLE) != client.schema_id(f"{topic}-value", ONE)


def test_an_older_version_met_again_is_found_and_not_checked_against_its_successor(url, topic):
    client, subject = RegistryClient(url), f"{topic}-value"
    old = client.schema_id(subject, INCOMPATIBLE)
    client.schema_id(subject, ONE)
    set_compatibility(url, subject, "BACKWARD")
    assert RegistryClient(url).schema_id(subject, INCOMPATIBLE) == old


def test_F101_adding_an_optional_column_is_compatible(url, topic):
    made = AvroFormat(RegistryClient(url))
    made.encoder(topic, plain_shape(table()), SOURCE)
    set_compatibility(url, f"{topic}-value", "BACKWARD")
    made.encoder(topic, plain_shape(table(Field("added", STRING))), SOURCE)
    assert sorted(name.split(":")[1] for name in made.notes()) == [f"{topic}-key", f"{topic}-value", f"{topic}-value"]


def test_without_auto_register_a_missing_schema_fails_and_a_known_one_is_used(url, topic):
    careful = RegistryClient(url, auto_register=False)
    with pytest.raises(Failed) as caught:
        careful.schema_id(f"{topic}-value", ONE)
    assert caught.value.code == "schema_missing"
    assert f"{topic}-value" in caught.value.message
    assert ONE in caught.value.hint
    number = RegistryClient(url).schema_id(f"{topic}-value", ONE)
    assert careful.schema_id(f"{topic}-value", ONE) == number


def test_F103_an_unknown_id_fails(url):
    with pytest.raises(Failed) as caught:
        RegistryClient(url).schema_text(2**31 - 5)
    assert caught.value.code == "schema_unknown"


def test_a_wrong_path_fails_and_shows_what_came_back(url):
    wrong = url.removesuffix("/apis/ccompat/v7") + "/nothing"
    with pytest.raises(Failed, match="nothing/subjects") as caught:
        RegistryClient(wrong).subjects()
    assert caught.value.code == "registry_answer"


def test_records_travel_through_the_registry(url, topic):
    schema = table()
    made = AvroFormat(RegistryClient(url))
    encoder = made.encoder(topic, plain_shape(schema), SOURCE)
    change = event(schema, [7, "Ünï"])
    key, value = encoder.key(change.after), encoder.value(change, 1_700_000_000_000_000)
    record = RecordReader(RegistryClient(url)).read(topic, 0, 5, 0, key, value)
    assert record.after.to_dict() == {"id": 7, "name": "Ünï"}
    assert record.key.to_dict() == {"id": 7}


def test_F102_stored_ids_serve_known_tables_while_the_registry_is_down(url, topic):
    up = AvroFormat(RegistryClient(url))
    first = up.encoder(topic, plain_shape(table()), SOURCE)
    down = AvroFormat(RegistryClient("http://127.0.0.1:9"), up.notes())
    again = down.encoder(topic, plain_shape(table()), SOURCE)
    assert again.key_schema_id == first.key_schema_id
    assert again.value(event(table(), [1, None]), 0) == first.value(event(table(), [1, None]), 0)
    with pytest.raises(Retriable) as caught:
        down.encoder(topic, plain_shape(table(Field("new", STRING))), SOURCE)
    assert caught.value.code == "registry_unreachable"


def test_F103_a_registry_that_lost_its_schemas_stops_the_writer(url, topic):
    made = AvroFormat(RegistryClient(url))
    made.encoder(topic, plain_shape(table()), SOURCE)
    wrong = {name: {**note, "id": int(note["id"]) + 1_000_000} for name, note in made.notes().items()}
    with pytest.raises(Failed) as caught:
        AvroFormat(RegistryClient(url), wrong).encoder(topic, plain_shape(table()), SOURCE)
    assert caught.value.code == "schema_id_changed"
