"""What brokers' settings mean for a worker."""

from connect.api.preflight import Severity
from connect.kafka.brokers import judge

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
