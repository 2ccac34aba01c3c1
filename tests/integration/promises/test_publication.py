"""A publication changed by hand: what the log lacks of a table is read again, or the source stops (F20)."""

import pytest

from connectors.postgres.config import default_name

pytestmark = pytest.mark.stack

ROWS = "SELECT id, v FROM {} ORDER BY id"


@pytest.fixture
def captured(chain):
    """Two tables with a key and one without, in the topics and in a warehouse; the worker is stopped."""
    for table in ("items", "others"):
        chain.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, v text)")
        chain.sql(f"INSERT INTO {table} SELECT n, 'v' || n FROM generate_series(1, 20) n")
    chain.sql("CREATE TABLE lines (line text)")
    chain.tables.clear()
    chain.tables.update({"public.items": {}, "public.others": {}, "public.lines": {"views": ["events"]}})
    chain.warehouse = chain.warehouse()
    run_once(chain)
    return chain


def run_once(chain):
    chain.start()
    chain.streaming()
    chain.caught_up()
    chain.stop()


def drop(chain, table, *meanwhile, publication=""):
    """Take a table out of the publication; what happens then is in no log of ours."""
    chain.sql(f'ALTER PUBLICATION "{default_name(chain.group, "s")}{publication}" DROP TABLE {table}')
    for statement in meanwhile:
        chain.sql(statement)


MEANWHILE = (
    "UPDATE items SET v = 'meanwhile' WHERE id = 1",
    "DELETE FROM items WHERE id = 2",
    "INSERT INTO items VALUES (21, 'new')",
)


def test_F20_a_table_that_left_the_publication_is_read_again_and_ends_equal(captured):
    drop(captured, "items", *MEANWHILE)
    run_once(captured)

    assert captured.rows(captured.warehouse, ROWS.format("items")) == captured.sql(ROWS.format("items"))
    assert {key for (key,) in captured.folded("items")} == {key for key, _ in captured.sql(ROWS.format("items"))}
    assert captured.notes()["snapshot:public.items"]["run"] == 2
    assert [op for op, *_ in captured.ops("others")] == ["r"] * 20


def test_F20_a_kill_before_it_is_read_again_forgets_nothing(captured):
    drop(captured, "items", *MEANWHILE)
    captured.start({"CONNECT_FAILPOINT": "source.after_open:exit"})
    captured.wait("the worker died once it had mended the publication", lambda: published(captured))
    captured.kill()
    run_once(captured)

    assert captured.rows(captured.warehouse, ROWS.format("items")) == captured.sql(ROWS.format("items"))


def published(chain):
    return chain.sql("SELECT 1 FROM pg_publication_tables WHERE tablename = 'items'")


def test_F20_a_table_without_a_key_that_left_it_stops_the_source_until_it_is_named_anew(captured):
    captured.sql("INSERT INTO lines VALUES ('before')")
    run_once(captured)
    drop(captured, "lines", "INSERT INTO lines VALUES ('meanwhile')", publication="_ins")
    captured.start()
    told = captured.failed()
    captured.stop()
    assert told["code"] == "changes_missed"
    assert "public.lines" in told["message"]

    lines = captured.tables.pop("public.lines")
    run_once(captured)
    captured.tables["public.lines"] = lines
    run_once(captured)
    assert [line for _, line in captured.ops("lines", "line", view=".events")] == ["before", "before", "meanwhile"]
