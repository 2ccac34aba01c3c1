"""Writers on hot keys while the reader is stopped anywhere and files are flushed: nothing lost, nothing repeated."""

import random
import threading

import pytest

from connect.record import Op

pytestmark = [pytest.mark.stack, pytest.mark.slow]

WRITERS = 4
SECONDS = 6.0


def write(shop, seed, stop):
    """Transactions of one to thirty changes on keys of all writers; some are rolled back, some are XA."""
    rng = random.Random(seed)
    with shop.server.connect(shop.database) as session, session.cursor() as cursor:
        number = 0
        while not stop.is_set():
            number += 1
            xa = rng.random() < 0.1
            name = f"'{shop.database[-6:]}-{seed}-{number}'"
            try:
                cursor.execute(f"XA START {name}" if xa else "BEGIN")
                for _ in range(rng.choice([1, 1, 2, 30])):
                    key = rng.randrange(20)
                    statement = rng.choice(
                        [
                            f"INSERT INTO t VALUES ({key}, '{seed}-{number}') ON DUPLICATE KEY UPDATE v = VALUES(v)",
                            f"DELETE FROM t WHERE id = {key}",
                            f"UPDATE t SET v = '{seed}-{number}' WHERE id IN ({key}, {key + 1})",
                            f"UPDATE t SET id = id + 100 WHERE id = {key}",
                            f"DELETE FROM t WHERE id = {key + 100}",
                        ]
                    )
                    cursor.execute(statement)
                if xa:
                    cursor.execute(f"XA END {name}")
                    cursor.execute(f"XA PREPARE {name}")
                    cursor.execute(f"XA COMMIT {name}")
                else:
                    cursor.execute("ROLLBACK" if rng.random() < 0.1 else "COMMIT")
            except session.OperationalError as error:  # a deadlock, or a key that is there already
                if error.args[0] not in {1213, 1205, 1614}:
                    raise
                roll_back(cursor, name if xa else None, session)
            except session.IntegrityError:
                roll_back(cursor, name if xa else None, session)


def roll_back(cursor, xa, session):
    if xa is None:
        cursor.execute("ROLLBACK")
        return
    for statement in (f"XA END {xa}", f"XA ROLLBACK {xa}"):
        try:
            cursor.execute(statement)
        except session.Error:
            continue


def flush(shop, stop):
    while not stop.wait(0.3):
        shop.server.execute("FLUSH BINARY LOGS")


def fold(table, event):
    """What a state topic makes of a change."""
    if event.before is not None:
        assert table.pop(event.before["id"], None) == event.before["v"]
    if event.op is not Op.DELETE:
        table[event.after["id"]] = event.after["v"]


@pytest.mark.parametrize("small", [False, pytest.param(True, marks=pytest.mark.long)], ids=["whole", "split"])
def test_what_comes_out_is_what_was_written(shop, monkeypatch, small):
    if small:
        monkeypatch.setattr("connectors.mysql.source.MAX_ROWS", 3)
    rng, stop = random.Random(small), threading.Event()
    reader = shop.open()
    threads = [threading.Thread(target=write, args=(shop, seed, stop)) for seed in range(WRITERS)]
    threads.append(threading.Thread(target=flush, args=(shop, stop)))
    timer = threading.Timer(SECONDS, stop.set)
    for thread in (*threads, timer):
        thread.start()
    table, seen, starts = {}, set(), 0
    try:
        while not stop.is_set():
            for _ in range(rng.randrange(1, 8)):
                for event in reader.step(0.05):
                    assert (event.transaction, event.ordinal) not in seen
                    seen.add((event.transaction, event.ordinal))
                    fold(table, event)
            reader = shop.open(reader.close())
            starts += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        timer.join()
    quiet = 0
    while quiet < 3:
        events = reader.step()
        quiet = 0 if events else quiet + 1
        for event in events:
            assert (event.transaction, event.ordinal) not in seen
            seen.add((event.transaction, event.ordinal))
            fold(table, event)

    assert table == dict(shop.sql("SELECT id, v FROM t"))
    assert len(seen) > 100
    assert starts > 3
