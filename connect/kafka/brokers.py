"""What the brokers' settings mean for a worker, for ``connect doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from connect.api.preflight import Finding, Severity
from connect.errors import ConnectError
from connect.kafka.client import LOGGER, kafka_errors
from connect.kafka.heard import hears
from connect.kafka.producer import TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS: Final = 10.0
_COPIES: Final = 3


def findings(settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Reachable, and ready for transactions that survive a broker.

    Args:
        settings: librdkafka settings of the connection.
    """
    try:
        with kafka_errors("asking the brokers"):
            admin = AdminClient({**settings, "error_cb": hears(settings)}, logger=LOGGER)
        with kafka_errors("asking the brokers", admin):
            cluster = admin.list_topics(timeout=_SECONDS)
            resource = ConfigResource(ResourceType.BROKER, str(min(cluster.brokers)))
            entries = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
    except ConnectError as error:
        yield Finding(error.code, Severity.PROBLEM, error.message, error.hint)
        return
    brokers = len(cluster.brokers)
    yield Finding("brokers", Severity.OK, f"cluster {cluster.cluster_id} answers with {brokers} broker(s)")
    yield from judge({name: str(entry.value) for name, entry in entries.items()}, brokers)


def judge(broker: Mapping[str, str], brokers: int) -> Iterator[Finding]:
    """The same for one broker's settings; pure."""
    longest = int(broker.get("transaction.max.timeout.ms", TRANSACTION_TIMEOUT_MS))
    if longest < TRANSACTION_TIMEOUT_MS:
        message = f"transaction.max.timeout.ms is {longest}: the worker's transactions need {TRANSACTION_TIMEOUT_MS}"
        remedy = f"transaction.max.timeout.ms={TRANSACTION_TIMEOUT_MS} in every broker's settings; then restart it"
        yield Finding("transactions", Severity.PROBLEM, message, remedy)
    else:
        yield Finding("transactions", Severity.OK, f"transactions may last {longest} ms")
    wanted = min(_COPIES, brokers)
    for name, what in (
        ("default.replication.factor", "topics that the worker makes"),
        ("transaction.state.log.replication.factor", "the log of transactions"),
    ):
        copies = int(broker.get(name, wanted))
        if copies < wanted:
            message = f"{name} is {copies}: {what} are lost with one of {brokers} brokers"
            yield Finding("replication", Severity.WARNING, message, f"{name}={wanted} in every broker's settings")
    if brokers >= _COPIES and int(broker.get("min.insync.replicas", 2)) < 2:
        message = "min.insync.replicas is 1: a committed record may be on one broker only"
        yield Finding("replication", Severity.WARNING, message, "min.insync.replicas=2 in every broker's settings")
