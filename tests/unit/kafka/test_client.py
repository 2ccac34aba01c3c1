"""What librdkafka's errors become: waits in vain are told with what it heard, missing rights by name."""

import pytest
from confluent_kafka import KafkaError

from connect.errors import Failed, Retriable
from connect.kafka import heard
from connect.kafka.client import translate

TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "Local: Timed out")
REFUSED = KafkaError(
    KafkaError._AUTHENTICATION,
    "sasl_ssl://k1:9093/bootstrap: SASL authentication error: invalid credentials (after 321ms in state AUTH_REQ)",
)
UNREACHED = KafkaError(KafkaError._TRANSPORT, "k1:9093/bootstrap: Connect to ipv4#1.2.3.4:9093 failed: refused")


@pytest.fixture(autouse=True)
def nothing_heard():
    heard._last.clear()
    yield
    heard._last.clear()


def test_a_wait_in_vain_is_told_with_what_was_heard_of_the_log_in():
    heard.hears({})(REFUSED)

    error = translate(TIMED_OUT, "listing topics")

    assert isinstance(error, Retriable)
    assert (error.code, error.message) == (
        "kafka_credentials",
        "listing topics: k1:9093: SASL authentication error: invalid credentials",
    )


def test_what_was_heard_is_told_once():
    heard.hears({})(REFUSED)
    translate(TIMED_OUT, "listing topics")

    assert translate(TIMED_OUT, "listing topics").code == "kafka_unreachable"


def test_a_refused_log_in_is_not_hidden_by_a_broken_connection_after_it():
    hear = heard.hears({})
    hear(REFUSED)
    hear(UNREACHED)

    assert translate(TIMED_OUT, "listing topics").code == "kafka_credentials"


def test_a_broker_that_is_away_is_told_with_its_address():
    heard.hears({})(UNREACHED)

    error = translate(TIMED_OUT, "listing topics")

    assert error.code == "kafka_unreachable"
    assert "ipv4#1.2.3.4:9093 failed: refused" in error.message


@pytest.mark.parametrize(
    ("code", "doing", "right"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "making topic shop.a", "Create on topic shop.a;"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "reading topic shop.a", "Read on topic shop.a;"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "reading shop.a[0]", "Read on topic shop.a;"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "sending to shop.a", "Write on topic shop.a;"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "describing topic shop.a", "Describe on topic shop.a;"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "reading the settings of topic a", "DescribeConfigs on topic a;"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "reading as group n.copy", "Read on group n.copy;"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "reading topic a", "Describe on group connect-reader;"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "fencing n-shop-0", "Write on transactional id n-shop-0;"),
    ],
)
def test_a_missing_right_is_named(code, doing, right):
    error = translate(KafkaError(code), doing)

    assert isinstance(error, Failed)
    assert error.code == "kafka_permission"
    assert right in error.hint
