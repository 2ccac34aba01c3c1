"""Which literal Kafka client settings pass through."""

import pytest
from confluent_kafka import KafkaException, Producer

from connect.config.client import ALLOWED, refusal


@pytest.mark.parametrize(
    "setting",
    ["acks", "request.required.acks", "enable.idempotence", "transactional.id", "max.in.flight",
     "max.in.flight.requests.per.connection", "isolation.level", "enable.auto.commit", "partitioner"],
)  # fmt: skip
def test_F91_what_exactly_once_rests_on_cannot_be_set(setting):
    assert "exactly once" in (refusal(setting) or "")


@pytest.mark.parametrize(
    "setting",
    ["plugin.library.paths", "ssl.engine.location", "ssl.providers", "sasl.jaas.config", "sasl.kerberos.kinit.cmd",
     "sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.config", "sasl.oauthbearer.method", "some.command"],
)  # fmt: skip
def test_F166_what_loads_code_or_calls_elsewhere_cannot_be_set(setting):
    assert "code" in (refusal(setting) or "")


@pytest.mark.parametrize("setting", ["enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"])
def test_F171_the_check_of_the_certificate_cannot_be_turned_off(setting):
    assert "certificate" in (refusal(setting) or "")


@pytest.mark.parametrize("setting", ["debug", "sasl.password", "bootstrap.servers", "ssl.ca.location", "no.such"])
def test_F166_what_is_not_listed_is_refused_with_a_reason(setting):
    assert refusal(setting)


def test_what_passes_through_is_known_to_the_client_library():
    unknown = []
    for name in ALLOWED:
        try:
            Producer({"bootstrap.servers": "127.0.0.1:1", name: "\0"})
        except KafkaException as error:  # the value is wrong on purpose: only an unknown name is a fault here
            unknown += [name] if "No such configuration property" in str(error) else []

    assert unknown == []
    assert all(refusal(name) is None for name in ALLOWED)
