"""What brokers' settings mean for a worker."""

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from connect.api.preflight import Severity
from connect.kafka.brokers import judge, others

GOOD = {
    "transaction.max.timeout.ms": "900000",
    "default.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "min.insync.replicas": "2",
}


def test_good_settings_are_ok():
    assert [finding.severity for finding in judge(GOOD, 3)] == [Severity.OK]


def test_transactions_that_the_broker_ends_too_early_are_a_problem():
    (finding,) = judge({**GOOD, "transaction.max.timeout.ms": "1000"}, 3)

    assert finding.severity is Severity.PROBLEM
    assert "transaction.max.timeout.ms=60000" in finding.remedy


def test_one_copy_on_three_brokers_is_a_warning_for_each_setting():
    copies = {"default.replication.factor": "1", "transaction.state.log.replication.factor": "1"}

    found = list(judge({**GOOD, **copies, "min.insync.replicas": "1"}, 3))

    assert [finding.severity for finding in found[1:]] == [Severity.WARNING] * 3
    assert [finding.remedy.partition(" ")[0] for finding in found[1:]] == [
        "default.replication.factor=3",
        "transaction.state.log.replication.factor=3",
        "min.insync.replicas=2",
    ]


def test_one_broker_needs_one_copy():
    one = {
        "default.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "min.insync.replicas": "1",
    }

    assert [finding.severity for finding in judge({**GOOD, **one}, 1)] == [Severity.OK]


def acl(principal, name, pattern=ResourcePatternType.LITERAL):
    return AclBinding(
        ResourceType.TOPIC, name, pattern, principal, "*", AclOperation.WRITE, AclPermissionType.ALLOW
    )  # fmt: skip


@pytest.mark.parametrize(
    "theirs",
    [
        acl("User:app", "*"),
        acl("User:app", "shop.public.orders"),
        acl("User:app", "shop.pub", ResourcePatternType.PREFIXED),
        acl("User:app", "sh", ResourcePatternType.PREFIXED),
    ],
)
def test_a_principal_that_may_write_to_our_topics_too_is_named(theirs):
    (finding,) = others([acl("User:cdc", "shop.", ResourcePatternType.PREFIXED), theirs], "User:cdc", ["shop."])

    assert (finding.check, finding.severity) == ("writers", Severity.WARNING)
    assert "User:app may write to our topics too" in finding.message
    assert "--remove --allow-principal User:app" in finding.remedy


def test_writers_of_other_topics_are_nobodys_business():
    found = [acl("User:app", "shopping"), acl("User:app", "shops", ResourcePatternType.PREFIXED)]

    assert [finding.severity for finding in others(found, "User:cdc", ["shop."])] == [Severity.OK]


def test_a_writer_that_may_be_the_worker_itself_is_told_so():
    (finding,) = others([acl("User:token", "shop.orders")], "", ["shop."])

    assert "User:token, if that is not the worker itself, may write" in finding.message
