import pytest

from connect.errors import Failed
from connectors.postgres.position import PostgresPosition
from connectors.postgres.slot import Slot, check_slot

STORED = PostgresPosition("77", 1, 1000)
SLOT = Slot("s", "pgoutput", "shop", None, 500, 900, lost=False, why_lost="")


def test_S10_a_slot_at_or_before_the_position_goes_on():
    check_slot(SLOT, "s", STORED, "shop")
    check_slot(SLOT._replace(confirmed_lsn=1000), "s", STORED, "shop")


@pytest.mark.parametrize(
    ("slot", "code"),
    [
        (None, "slot_missing"),
        (SLOT._replace(confirmed_lsn=1001), "gap"),
        (SLOT._replace(lost=True, why_lost="wal_removed"), "slot_lost"),
        (SLOT._replace(plugin="test_decoding"), "slot_foreign"),
        (SLOT._replace(plugin=None), "slot_foreign"),
        (SLOT._replace(database="other"), "slot_foreign"),
    ],
)
def test_S10_a_slot_that_cannot_go_on_fails_by_name(slot, code):
    with pytest.raises(Failed) as failed:
        check_slot(slot, "s", STORED, "shop")
    assert failed.value.code == code
    assert failed.value.hint
