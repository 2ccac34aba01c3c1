"""What the brokers' settings mean for a worker, for ``connect doctor``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from connect.api.preflight import Finding, Severity
from connect.errors import ConnectError, Failed, Retriable
from connect.kafka.client import LOGGER, kafka_errors
from connect.kafka.heard import hears
from connect.kafka.producer import TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from confluent_kafka.admin import AclBinding

_SECONDS: Final = 10.0
_COORDINATOR_SECONDS: Final = 5.0
_COPIES: Final = 3
_UNKNOWN: Final = "who else may write to our topics is not known"
_LOOK: Final = "Describe on the cluster lets doctor look."
_WRITING: Final = frozenset({AclOperation.WRITE, AclOperation.ALL})


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
    except ConnectError as error:
        yield Finding(error.code, Severity.PROBLEM, error.message, error.hint)
        return
    brokers = len(cluster.brokers)
    yield Finding("brokers", Severity.OK, f"cluster {cluster.cluster_id} answers with {brokers} broker(s)")
    resource = ConfigResource(ResourceType.BROKER, str(min(cluster.brokers)))
    try:
        with kafka_errors("asking the brokers", admin):
            entries = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
    except ConnectError as error:  # a worker does without: it need not have this right
        message = f"the brokers' settings are not known: {error.message}"
        yield Finding("settings", Severity.WARNING, message, "DescribeConfigs on the cluster lets doctor look.")
        return
    yield from judge({name: str(entry.value) for name, entry in entries.items()}, brokers)


def writers(settings: Mapping[str, Any], ours: str, begins: Sequence[str]) -> Iterator[Finding]:
    """Who besides us may write to our topics: one writer a topic is what order and exactly once rest on.

    Args:
        settings: librdkafka settings of the connection.
        ours: Our principal, as ACLs have it; "" where only the cluster knows it.
        begins: What the names of our topics begin with.
    """
    every = AclBindingFilter(
        ResourceType.TOPIC, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ALLOW
    )
    try:
        with kafka_errors("asking the brokers for ACLs"):
            admin = AdminClient({**settings, "error_cb": hears(settings)}, logger=LOGGER)
            cluster = admin.describe_cluster(include_authorized_operations=True, request_timeout=_SECONDS).result()
            found = admin.describe_acls(every, request_timeout=_SECONDS).result()
    except ConnectError as error:
        yield Finding("writers", Severity.WARNING, f"{_UNKNOWN}: {error.message}", _LOOK)
        return
    if AclOperation.DESCRIBE not in (cluster.authorized_operations or ()):  # the answer is an empty list then
        yield Finding("writers", Severity.WARNING, f"{_UNKNOWN}: ACLs are not shown to us", _LOOK)
        return
    if not found:
        yield Finding("writers", Severity.OK, "the cluster has no ACLs of topics: who may log in may write to ours")
        return
    yield from others([acl for acl in found if acl.operation in _WRITING], ours, begins)


def groups(settings: Mapping[str, Any], needed: Mapping[str, AclOperation], spare: str) -> Iterator[Finding]:
    """Whether our principal may do with each consumer group what is needed of it.

    Args:
        settings: librdkafka settings of the connection.
        needed: Group → READ or DESCRIBE. Read includes Describe; a group that is not there yet is answered as well.
        spare: The one without which a worker runs all the same, with a warning.
    """
    admin = AdminClient({**settings, "error_cb": hears(settings)}, logger=LOGGER)
    missing = []
    for group, operation in needed.items():
        try:
            allowed = _allowed(admin, group)
        except Failed as error:
            if error.code != "kafka_permission":
                raise
            allowed = []
        if allowed is not None and operation not in allowed:
            missing.append((group, operation.name.capitalize()))
    for group, right in missing:
        remedy = f"Grant the worker's principal {right} on group {group}; `connect plan FILE --acls` prints them all."
        severity = Severity.WARNING if group == spare else Severity.PROBLEM
        yield Finding("group_rights", severity, f"no {right} on consumer group {group}", remedy)
    if not missing:
        yield Finding("group_rights", Severity.OK, "the cluster lets us use the worker's consumer groups")


def _allowed(admin: AdminClient, group: str) -> list[AclOperation] | None:
    """What we may do with a group. The first question of a new cluster makes its coordinators, which takes a moment."""
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    with kafka_errors(f"describing consumer group {group}", admin):
        admin.list_topics(timeout=_SECONDS)  # librdkafka aborts where the question is asked of nobody
    while True:
        asked = admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=_SECONDS)
        try:
            with kafka_errors(f"describing consumer group {group}", admin):
                allowed: list[AclOperation] | None = asked[group].result().authorized_operations
                return allowed
        except Retriable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def others(acls: Iterable[AclBinding], ours: str, begins: Sequence[str]) -> Iterator[Finding]:
    """The same for ACLs that let somebody write to topics; pure."""
    named: dict[str, set[str]] = {}
    for acl in acls:
        prefixed = acl.resource_pattern_type == ResourcePatternType.PREFIXED
        if acl.principal != ours and any(_reaches(acl.name, start, prefixed=prefixed) for start in begins):
            named.setdefault(acl.principal, set()).add(f"{acl.name}*" if prefixed else acl.name)
    for principal, resources in sorted(named.items()):
        topics = ", ".join(sorted(resources))
        who = principal if ours else f"{principal}, if that is not the worker itself,"
        remedy = f"kafka-acls.sh --remove --allow-principal {principal} --operation Write … for topics of the worker"
        message = f"{who} may write to our topics too, by its right on {topics}"
        yield Finding("writers", Severity.WARNING, message, remedy)
    if not named:
        yield Finding("writers", Severity.OK, "no ACL lets anybody else write to our topics")


def _reaches(name: str, start: str, *, prefixed: bool) -> bool:
    return name == "*" or name.startswith(start) or (prefixed and start.startswith(name))


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
