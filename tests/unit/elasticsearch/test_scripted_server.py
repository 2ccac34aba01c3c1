"""What a real server cannot be made to answer on demand (F142, F143, F150, F153, F160, F167)."""

from __future__ import annotations

import pytest

from connect.api import SinkContext
from connect.errors import Failed, Fenced, Retriable
from connectors.elasticsearch import bulk
from connectors.elasticsearch.bulk import Action, BulkWriter
from connectors.elasticsearch.cluster import Cluster
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget
from connectors.elasticsearch.state import Owner, Progress, StateStore
from connectors.elasticsearch.targets import Targets

BUSY = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue full"}}
POISON = {"status": 400, "error": {"type": "strict_dynamic_mapping_exception", "reason": ""}}
STALE = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": ""}}
DONE = {"status": 201}


def items(*answers):
    return (200, {"errors": True, "items": [{"index": answer} for answer in answers]})


ALL_DONE = (200, {"errors": False, "items": []})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)


@pytest.fixture
def cluster(script):
    cluster = Cluster(ElasticsearchConfig(url=script.url))
    yield cluster
    cluster.close()


@pytest.fixture
def writer(script, cluster):
    config = ElasticsearchConfig(url=script.url, retries=2, in_flight=1)
    writer = BulkWriter(cluster, config, lambda: False)
    yield writer
    writer.close()


def actions(count):
    return [Action(number, "orders", str(number), 1, b"{}") for number in range(count)]


def test_F142_every_item_of_a_200_is_read(script, writer):
    script.answers = [items(DONE, POISON, STALE, DONE)]

    outcome = writer.send(actions(4))

    assert (outcome.applied, outcome.stale) == (2, 1)
    assert outcome.failures == [(1, "strict_dynamic_mapping_exception")]


def test_F143_refused_items_are_sent_again_alone(script, writer):
    script.answers = [items(DONE, BUSY, DONE, BUSY), items(BUSY, DONE), ALL_DONE]

    assert writer.send(actions(4)).applied == 4
    assert script.ids() == [["0", "1", "2", "3"], ["1", "3"], ["1"]]


def test_W4_retries_are_bounded(script, writer):
    script.answers = [items(BUSY)] * 3

    with pytest.raises(Retriable) as error:
        writer.send(actions(1))
    assert error.value.code == "target_busy"
    assert not script.answers


def test_a_request_refused_as_a_whole_is_sent_again_whole(script, writer):
    script.answers = [(429, {"error": {"type": "circuit_breaking_exception"}}), ALL_DONE]

    assert writer.send(actions(2)).applied == 2
    assert script.ids() == [["0", "1"], ["0", "1"]]


def test_F150_a_request_too_large_is_halved(script, writer):
    script.answers = [(413, {}), ALL_DONE, ALL_DONE]

    assert writer.send(actions(4)).applied == 4
    assert script.ids() == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"]]


def test_F150_a_single_document_too_large_is_a_failure(script, writer):
    script.answers = [(413, {}), (413, {}), ALL_DONE]

    outcome = writer.send(actions(2))

    assert [index for index, _ in outcome.failures] == [0]
    assert outcome.applied == 1


@pytest.mark.parametrize("status", [403, 429])
def test_F153_a_blocked_index_is_waited_for(script, writer, status):
    script.answers = [items(DONE, {"status": status, "error": {"type": "cluster_block_exception", "reason": ""}})]

    with pytest.raises(Retriable) as error:
        writer.send(actions(2))
    assert error.value.code == "target_blocked"


def test_F151_a_lost_answer_is_retriable(script, writer):
    script.answers = [None]

    with pytest.raises(Retriable) as error:
        writer.send(actions(1))
    assert error.value.code == "target_unreachable"


def test_F154_writes_never_make_an_index(script, writer):
    script.answers = [items({"status": 404, "error": {"type": "index_not_found_exception", "reason": ""}})]

    with pytest.raises(Failed) as error:
        writer.send(actions(1))
    assert error.value.code == "target_missing"
    assert "require_alias=true" in script.asked[0][1]


def test_a_stopping_task_waits_no_longer(script, cluster, monkeypatch):
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 60.0)
    writer = BulkWriter(cluster, ElasticsearchConfig(url=script.url), lambda: True)
    script.answers = [items(BUSY)]

    with pytest.raises(Retriable):
        writer.send(actions(1))
    writer.close()


def test_F167_a_redirect_is_not_followed(script, cluster):
    script.answers = [(302, {})]

    with pytest.raises(Failed) as error:
        cluster.request("GET", "/connect-state/_doc/1")
    assert error.value.code == "target_redirects"
    assert len(script.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_stop_the_sink(script, cluster, status):
    script.answers = [(status, {"error": {"type": "security_exception", "reason": "no"}})]

    with pytest.raises(Failed) as error:
        cluster.request("GET", "/connect-state/_doc/1")
    assert error.value.code == "target_denied"


def test_F160_credentials_travel_as_a_header_and_stay_out_of_errors(script):
    address = script.url.replace("http://", "http://elastic:S3CR3T-%40@")
    cluster = Cluster(ElasticsearchConfig(url=address))
    script.answers = [(401, {"error": {"type": "security_exception", "reason": "no"}})]

    with pytest.raises(Failed) as error:
        cluster.request("GET", "/")
    cluster.close()

    assert script.headers[0]["authorization"] == "Basic ZWxhc3RpYzpTM0NSM1QtQA=="
    assert "S3CR3T" not in f"{error.value} {error.value!r} {cluster.name} {error.value.__cause__}"


def test_an_address_that_is_something_else_is_named(script, cluster):
    script.product = "Other"
    script.answers = [(200, {})]

    with pytest.raises(Failed) as error:
        cluster.request("GET", "/x")
    assert error.value.code == "not_elasticsearch"


def test_F152_a_data_stream_of_the_targets_name_is_refused(script, cluster, record):
    context = SinkContext("search", "group", lambda _: ElasticsearchTarget())
    progress = Progress()
    targets = Targets(cluster, context, progress, 3_600_000, lambda: None)
    script.answers = [(200, {"indices": [], "aliases": [], "data_streams": [{"name": "orders"}]})]

    with pytest.raises(Failed) as error:
        targets.ensure("shop.public.orders", record(0, 1).after.shape.schema)
    assert error.value.code == "data_stream"
    assert not progress.targets


def test_an_address_where_something_else_answers_404_is_not_elasticsearch(script, cluster):
    script.answers = [(404, {"message": "no such page"})]

    with pytest.raises(Failed) as caught:
        cluster.request("GET", "/_nodes")

    assert (caught.value.code, "Check `url`" in caught.value.hint) == ("not_elasticsearch", True)


def state(owner, epoch):
    progress = Progress(epoch=epoch, owner=owner).to_json()
    return (200, {"_seq_no": epoch, "_primary_term": 1, "_source": progress})


DONE_ALREADY = (400, {"error": {"type": "resource_already_exists_exception", "reason": ""}})
CONFLICT = (409, {"error": {"type": "version_conflict_engine_exception", "reason": ""}})
STORED = (200, {"_seq_no": 9, "_primary_term": 1})


def test_F3_an_owner_that_meets_another_one_while_it_opens_again_is_fenced(script, cluster):
    store = StateStore(cluster, "group", "search", Owner("we", held=True))
    script.answers = [DONE_ALREADY, state("we", 4), CONFLICT, state("they", 5)]

    with pytest.raises(Fenced):
        store.take_over()
    assert not script.answers


def test_a_new_owner_that_meets_another_one_takes_over(script, cluster):
    owner = Owner("we")
    script.answers = [DONE_ALREADY, state("they", 4), CONFLICT, state("others", 5), STORED]

    assert StateStore(cluster, "group", "search", owner).take_over().epoch == 6
    assert owner.held


def test_F151_a_take_over_whose_answer_was_lost_is_its_own(script, cluster):
    owner = Owner("we", held=True)
    script.answers = [DONE_ALREADY, state("we", 4), None, DONE_ALREADY, state("we", 5), STORED]
    with pytest.raises(Retriable):
        StateStore(cluster, "group", "search", owner).take_over()

    assert StateStore(cluster, "group", "search", owner).take_over().epoch == 6
