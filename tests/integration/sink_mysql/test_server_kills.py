"""A target server that is killed while the sink writes: what was committed is there once, and the sink goes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from connect.errors import Retriable

if TYPE_CHECKING:
    from connect.local.stack import Stack
    from tests.integration.sink_mysql.conftest import Target

CHANGES = 2500
KILLS = 2


@pytest.fixture(params=["mysql", pytest.param("mariadb", marks=pytest.mark.long)])
def own_server(request: pytest.FixtureRequest, stack: Stack):
    """A server of the test's own, which may be killed."""
    return (stack.new_mysql if request.param == "mysql" else stack.new_mariadb)(f"k_{request.param}")


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_batches_loses_and_repeats_nothing(own_server, make_target) -> None:
    target: Target = make_target(own_server.address)
    target.write(target.open(), target.put(0, "0"))
    target.sql("CREATE TABLE audit (number bigint AUTO_INCREMENT PRIMARY KEY, name longtext)")
    for when in ("INSERT", "UPDATE"):
        target.sql(
            f"CREATE TRIGGER on_{when} AFTER {when} ON orders FOR EACH ROW INSERT INTO audit (name) VALUES (NEW.name)"
        )
    records = [target.put(number % 7, str(number)) for number in range(1, CHANGES)]
    refused = 0
    deadline = time.monotonic() + 120

    def kill() -> None:
        for _ in range(KILLS):
            time.sleep(0.7)
            own_server.kill()
            own_server.start()

    killer = threading.Thread(target=kill, name="killer")
    killer.start()
    offset = 1
    while offset < CHANGES and time.monotonic() < deadline:
        sink = target.sink()
        try:
            offset = sink.open([target.partition])[target.partition]
            while offset < CHANGES:
                batch = records[offset - 1 : offset + 2]
                sink.write(batch, {target.partition: offset + len(batch)}, frozenset())
                offset += len(batch)
        except Retriable:
            refused += 1
            time.sleep(0.1)
        finally:
            sink.close()
    killer.join()
    target.reconnect()
    assert refused >= 1
    assert target.position() == CHANGES
    assert target.rows("SELECT name FROM audit ORDER BY number") == [(str(number),) for number in range(1, CHANGES)]
