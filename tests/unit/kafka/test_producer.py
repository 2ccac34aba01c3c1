"""The producer before it has connected to anything."""

import pytest

from connect.errors import Failed
from connect.kafka import producer as producer_module
from connect.kafka.client import MAX_MESSAGE_BYTES
from connect.kafka.producer import TransactionalProducer


@pytest.mark.parametrize("native", dict.fromkeys([False, producer_module.NATIVE]))
def test_settings_that_librdkafka_refuses_stop_the_connector_by_name(native, monkeypatch):
    monkeypatch.setattr(producer_module, "NATIVE", native)
    settings = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "ssl", "ssl.ca.location": "/no/such/file"}

    with pytest.raises(Failed, match=r"making the producer shop-orders-0: .*ssl\.ca") as failure:
        TransactionalProducer(settings, "shop-orders-0")

    assert failure.value.code == "kafka_settings"


def test_the_largest_record_fits_the_queue():
    """One that does not is refused for ever as if the queue were full."""
    assert producer_module._QUEUE_KBYTES * 1024 > MAX_MESSAGE_BYTES
