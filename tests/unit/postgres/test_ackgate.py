from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.postgres.ackgate import AckGate

LSN = st.integers(0, 1000)


class AckGateHistory(RuleBasedStateMachine):
    """Rules S5 and S6 over random histories, against sets of everything that was said."""

    @initialize(start=LSN, end=LSN)
    def begin(self, start, end):
        self.gate = AckGate(start, end)
        self.allowed = {start}
        self.ends = [end]
        self.sent = [start]

    @rule(end=LSN)
    def server_names_an_end(self, end):
        self.gate.seen(end)
        self.ends.append(end)

    @rule(lsn=LSN)
    def kafka_committed(self, lsn):
        self.gate.acknowledge(lsn)
        self.allowed.add(lsn)

    @rule()
    def feedback(self):
        self.sent.append(self.gate.flush_lsn())

    @invariant()
    def S05_only_acknowledged_positions_are_confirmed(self):
        if hasattr(self, "gate"):
            assert set(self.sent) <= self.allowed

    @invariant()
    def F4_nothing_beyond_the_servers_wal_is_confirmed(self):
        if hasattr(self, "gate"):
            assert all(lsn <= max(self.ends) for lsn in self.sent[1:] if lsn != self.sent[0])

    @invariant()
    def S05_it_never_goes_back(self):
        if hasattr(self, "gate"):
            assert self.sent == sorted(self.sent)


AckGateHistory.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestAckGateHistory = AckGateHistory.TestCase


@given(LSN, LSN)
def test_S05_what_kafka_has_is_confirmed_once_the_server_named_it(start, step):
    gate = AckGate(start, start)
    gate.acknowledge(start + step)
    assert gate.flush_lsn() == start
    gate.seen(start + step)
    assert gate.flush_lsn() == start + step
