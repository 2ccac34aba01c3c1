"""What a sink's reader makes of partitions whose leader moves: no real cluster moves one at a given moment."""

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from connect.api import TopicPartition
from connect.errors import Retriable
from connect.kafka import offsets as module
from connect.kafka.consumer import SinkConsumer

PLACES = [TopicPartition("t", "id", 0), TopicPartition("t", "id", 1)]


class Offset:
    offset = 7


class Admin:
    """Answers for partition 1 with an error so many times."""

    def __init__(self, code, times):
        self.code, self.times, self.asked = code, times, []

    def list_offsets(self, wanted, **_):
        self.asked.append(sorted(place.partition for place in wanted))
        answers = {}
        for place in wanted:
            answers[place] = future = Future()
            if place.partition == 1 and self.times > 0:
                self.times -= 1
                future.set_exception(KafkaException(KafkaError(self.code)))
            else:
                future.set_result(Offset())
        return answers

    def poll(self, _):
        return 0


@pytest.fixture
def consumer():
    made = SinkConsumer({"bootstrap.servers": "127.0.0.1:1"}, "g")
    yield made
    made.close()


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.FENCED_LEADER_EPOCH])
def test_a_leader_that_has_just_been_chosen_is_asked_again_and_nobody_hears_of_it(consumer, code):
    consumer._admin = Admin(code, 2)
    assert consumer.ends(PLACES) == dict.fromkeys(PLACES, 7)
    assert consumer._admin.asked == [[0, 1], [1], [1]]


def test_a_leader_that_stays_away_is_told(consumer, monkeypatch):
    monkeypatch.setattr(module, "_MOVING_SECONDS", 0.3)
    consumer._admin = Admin(KafkaError.LEADER_NOT_AVAILABLE, 10_000)
    with pytest.raises(Retriable, match="listing offsets of topic t"):
        consumer.ends(PLACES)


def test_another_error_is_told_at_once(consumer):
    consumer._admin = Admin(KafkaError.REQUEST_TIMED_OUT, 1)
    with pytest.raises(Retriable):
        consumer.ends(PLACES)
    assert consumer._admin.asked == [[0, 1]]
