"""The seam to librdkafka: its errors become ours here and nowhere else."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from confluent_kafka import KafkaError, KafkaException

from connect.errors import ConnectError, Failed, Fenced, Retriable
from connect.kafka import heard

if TYPE_CHECKING:
    from collections.abc import Iterator

# librdkafka's own lines go to this logger; connection noise is told by our states, not by its stderr.
LOGGER: Final = logging.getLogger("connect.kafka.client")

# Under it topics are read from their start: nothing is committed, and nobody joins it.
READERS: Final = "connect-reader"
# A record of a legacy row can be large; topics that we make and our producer agree on this (DESIGN §6).
MAX_MESSAGE_BYTES: Final = 20_971_520

_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's local codes have public names that begin so
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_REFUSING_TOPIC = re.compile(r"ProduceRequest for (\S+) \[")
_NOT_ALLOWED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
# What was tried → the right that it needs. Write and Read include Describe.
_RIGHTS: Final[dict[int, tuple[tuple[str, str], ...]]] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        (r"the settings of topic (\S+)", "DescribeConfigs on topic {}"),
        (r"^making topic (\S+)", "Create on topic {}"),
        (r"^(?:describing|listing).* topic (\S+)", "Describe on topic {}"),
        (r"^reading (?:topic )?([^\s\[]+)", "Read on topic {}"),
        (r"^sending to (\S+)", "Write on topic {}"),
        (r"^committing a transaction|^sending", "Write on the topics of this connector"),
    ),
    KafkaError.GROUP_AUTHORIZATION_FAILED: (
        (r"group (\S+)$", "Read on group {}"),
        (r"^reading topic", f"Describe on group {READERS}"),
    ),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: ((r"(\S+)$", "Write on transactional id {}"),),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (
        (r"^sending", "Write on the topics of this connector, or IdempotentWrite on a cluster before 3.0"),
        (r"^making", "Create on the topic"),
        (r"^asking", "DescribeConfigs on the cluster"),
    ),
}
_STOPPED_FOR_GOOD = frozenset({KafkaError._INVALID_ARG})  # noqa: SLF001 - as above


def translate(error: KafkaError, doing: str) -> ConnectError:
    """The error of ours for one of librdkafka's (rule W4, F83).

    Args:
        error: What librdkafka said.
        doing: What was tried, with topic or connector, for the message.
    """
    code, text = error.code(), f"{doing}: {error.str()} ({error.name()})"
    if code in _FENCED:
        return Fenced(text, hint="Another worker with the same name and connector took over; run one of them.")
    if code in _TOO_LARGE:
        named = _REFUSING_TOPIC.search(text)
        hint = (
            f"kafka-configs.sh --alter --topic {named[1] if named else 'NAME'} --add-config max.message.bytes="
            f"{MAX_MESSAGE_BYTES}; raise message.max.bytes of the brokers too if it is lower."
        )
        return Failed("record_too_large", text, hint=hint)
    if code in _NOT_ALLOWED:
        hint = f"Grant the worker's principal {_right(code, doing)}; `connect plan FILE --acls` prints them all."
        return Failed("kafka_permission", text, hint=hint)
    if code in _STOPPED_FOR_GOOD:
        return Failed("kafka_settings", text, hint="Check kafka: bootstrap, security and client in the file.")
    # Everything else is worth a new start from the stored position: a new producer, a new epoch (rule S12).
    return heard.reason(error, doing) or Retriable(text, code="kafka_unreachable", hint=heard.UNREACHABLE_HINT)


class _Polled(Protocol):
    def poll(self, seconds: float) -> object: ...


def _right(code: int, doing: str) -> str:
    """The right without which this cannot be done."""
    for what, right in _RIGHTS.get(code, ()):
        if found := re.search(what, doing):
            return right.format(*found.groups())
    return "this right"


@contextmanager
def kafka_errors(doing: str, client: _Polled | None = None) -> Iterator[None]:
    """Raise librdkafka's errors as ours; ``client`` is asked before what it has to say of its connections."""
    try:
        yield
    except KafkaException as error:
        if client is not None:
            client.poll(0)
        raise translate(error.args[0], doing) from None
