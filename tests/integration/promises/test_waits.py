"""What a connector waits for is told: who it is, and for how long."""

import threading
from contextlib import suppress

import psycopg
import pytest

pytestmark = pytest.mark.stack


@pytest.fixture
def statement(chain):
    """A transaction with a long statement, which may be at its commit for all that a reader can see; its pid."""
    session = psycopg.connect(chain.url)
    session.execute("INSERT INTO elsewhere VALUES (1)")

    def sleep():
        with suppress(psycopg.Error):
            session.execute("SELECT pg_sleep(60)")

    thread = threading.Thread(target=sleep)
    thread.start()
    yield session.info.backend_pid
    session.cancel()
    thread.join()
    session.close()


@pytest.fixture
def reading(chain):
    """A worker that was killed amid the snapshot of a table."""
    chain.sql("CREATE TABLE elsewhere (id int)")
    chain.sql("CREATE TABLE items (id int PRIMARY KEY)")
    chain.sql("INSERT INTO items SELECT generate_series(1, 20000)")
    chain.config["sources"]["s"] |= {"tables": ["public.items"], "snapshot": {"max_rows_per_second": 500}}
    chain.start()
    chain.wait("some rows are there", lambda: chain.notes().get("snapshot:public.items"))
    chain.kill()
    return chain


def test_a_snapshot_that_waits_after_a_restart_names_the_process_and_the_age(reading, statement):
    reading.start()
    waits = f"snapshot of public.items waits for the transaction of server process {statement} of "
    reading.wait("it is told", lambda: reading.status().get("message", "").startswith(waits))
    assert ", open for " in reading.status()["message"]

    reading.sql("SELECT pg_cancel_backend(%s)", statement)
    rows = reading.notes()["snapshot:public.items"]["rows"]
    reading.wait("it goes on", lambda: reading.notes()["snapshot:public.items"]["rows"] > rows)
    assert "waits for" not in reading.status()["message"]
