from hypothesis import given
from hypothesis import strategies as st

from connectors.postgres.visibility import DatabaseSnapshot, full_xid

FULL = st.integers(3, (1 << 48) - 1)
NEAR = st.integers(-(2**31) + 1, 2**31 - 1)


@given(FULL, NEAR)
def test_a_32_bit_xid_becomes_the_nearest_64_bit_one(near, distance):
    xid = max(near + distance, 0)
    assert full_xid(xid & 0xFFFFFFFF, near) == xid


@st.composite
def snapshots(draw):
    xmin = draw(st.integers(2**31, 1 << 48))
    xmax = xmin + draw(st.integers(0, 50))
    running = draw(st.sets(st.integers(xmin, xmax), max_size=5)) - {xmax}
    return DatabaseSnapshot(xmin, xmax, frozenset(running))


@given(snapshots(), st.integers(-60, 120))
def test_a_snapshot_sees_what_ended_before_it(snapshot, distance):
    xid = snapshot.xmin + distance
    expected = xid < snapshot.xmax and xid not in snapshot.running
    assert snapshot.sees(xid & 0xFFFFFFFF) is expected


@given(snapshots())
def test_a_snapshot_reads_back_from_its_text(snapshot):
    running = ",".join(str(xid) for xid in snapshot.running)
    assert DatabaseSnapshot.parse(f"{snapshot.xmin}:{snapshot.xmax}:{running}") == snapshot


def test_an_xid_that_wrapped_is_seen_across_the_epoch():
    snapshot = DatabaseSnapshot.parse(f"{(1 << 32) + 5}:{(1 << 32) + 9}:{(1 << 32) + 5}")
    assert snapshot.sees(0xFFFFFFF0)
    assert not snapshot.sees(5)
    assert snapshot.sees(6)
    assert not snapshot.sees(9)


def test_a_foreign_transaction_id_is_not_seen():
    assert not DatabaseSnapshot.parse("10:20:").sees("f7a1-1")
