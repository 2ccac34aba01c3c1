"""The stream of the older and newer MariaDB that can be had: their logs differ inside of transactions."""

import pytest

from connect.local.mariadb import VERSIONS

pytestmark = [pytest.mark.stack, pytest.mark.long]  # more servers to download


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_changes_of_every_kind_come_and_are_resumed(new_shop, version, monkeypatch):
    monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 100)
    shop = new_shop("mariadb", version.replace(".", "_"), version=version)
    reader = shop.open()
    shop.insert(1, 250)
    shop.sql("UPDATE t SET v = 'b' WHERE id = 7", "FLUSH BINARY LOGS", "DELETE FROM t WHERE id = 7", "TRUNCATE t")
    shop.sql("XA START 'a'", "INSERT INTO t VALUES (300, 'x')", "XA END 'a'", "XA PREPARE 'a'")
    shop.sql("INSERT INTO t VALUES (301, 'y')", "XA COMMIT 'a'")

    events, places = [], []
    while len(events) < 255:
        got = reader.step()
        events += got
        places += [event.source[3:6] for event in got]
        reader = shop.open(reader.close())
    inserted = [event.after["id"] for event in events[:250]]
    assert inserted == list(range(1, 251))
    assert [event.op.value for event in events[250:]] == ["u", "d", "t", "c", "c"]
    assert [event.after["id"] for event in events[253:]] == [301, 300]
    assert len(set(places)) == len(places)
