"""Records that a target refuses, put aside, shown, and sent again once the cause is mended: never over a newer one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

FILE = """
sources:
  s: {{plugin: postgres, url: "{url}", tables: [public.t]}}
sinks:
  w:
    plugin: sql
    url: "{url}"
    on_error: dead_letter
    topics: {{"{group}.s.public.t": {{table: copied}}}}
    transforms: [mask: {{fields: {{secret: nullify}}}}]
  e:
    plugin: elasticsearch
    url: "{search}"
    on_error: dead_letter
    topics: {{"{group}.s.public.t": {{index: "{group}"}}}}
"""
# 1: a newer row passed. 2: alone. 3: deleted since. 4: two that failed. 5: of no letter.
ENDS_AS = {1: "7", 2: "bad", 4: "worse", 5: "5"}


def http(method: str, url: str, body: Any = None) -> Any:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def index(world: Any, elasticsearch: str) -> str:
    return f"{elasticsearch}/{world.group}"


@pytest.fixture(scope="module")
def worker(world: Any, elasticsearch: str, index: str) -> Any:
    """Both sinks have put five records aside and gone on."""
    world.sql("CREATE TABLE t (id int PRIMARY KEY, note text, secret text)", "INSERT INTO t VALUES (5, '5', 'x')")
    worker = world.run(world.write(FILE.format(url=world.url, group=world.group, search=elasticsearch)))
    for sink in ("w", "e"):
        worker.state(sink, "LIVE")
    world.until(lambda: world.sql("SELECT 1 FROM pg_tables WHERE tablename = 'copied'"))
    world.sql("ALTER TABLE copied ADD CONSTRAINT number CHECK (note ~ '^[0-9]+$')")
    world.until(lambda: documents(index) == {5: "5"})
    number(index)
    world.sql("INSERT INTO t SELECT key, 'bad', 'hidden' FROM generate_series(1, 4) key")
    put_aside(world, worker, 4)
    world.sql("UPDATE t SET note = '7' WHERE id = 1", "DELETE FROM t WHERE id = 3")
    world.sql("UPDATE t SET note = 'worse' WHERE id = 4")
    put_aside(world, worker, 5)
    world.until(lambda: rows(world) == documents(index) == {1: "7", 5: "5"})
    return worker


def put_aside(world: Any, worker: Any, count: int) -> None:
    """Wait until both sinks have so many letters."""
    for sink in ("w", "e"):
        command = ("dead-letters", sink, worker.file, "--json")
        world.until(lambda command=command: len(world.command(*command).stdout.splitlines()) == count)


def number(index: str, **options: Any) -> None:
    """A field that takes numbers only."""
    field = {"type": "text", "fields": {"number": {"type": "long", **options}}}
    http("PUT", f"{index}/_mapping", {"properties": {"note": field}})


def documents(index: str) -> dict[int, str]:
    try:
        http("POST", f"{index}/_refresh")
        hits = http("GET", f"{index}/_search?size=100")["hits"]["hits"]
    except urllib.error.HTTPError:
        return {}
    return {int(hit["_id"]): hit["_source"]["note"] for hit in hits}


def rows(world: Any) -> dict[int, str]:
    return dict(world.sql("SELECT id, note FROM copied"))


def listed(world: Any, worker: Any, sink: str, *more: str) -> list[dict[str, Any]]:
    done = world.command("dead-letters", sink, worker.file, "--json", *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def sent(world: Any, worker: Any, sink: str, *more: str) -> tuple[int, list[tuple[str, int]]]:
    done = world.command("resend", sink, worker.file, "--json", *more)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [(each["outcome"], each["record"]["key"]["id"]) for each in found]


def test_letters_are_shown_decoded_with_their_code_and_without_what_the_sink_masks(world, worker):
    letters = listed(world, worker, "w")
    assert [letter["record"]["key"]["id"] for letter in letters] == [1, 2, 3, 4, 4]
    assert {letter["code"] for letter in letters} == {"poisoned_record"}
    assert letters[0]["record"]["after"] == {"id": 1, "note": "bad", "secret": None}
    assert "hidden" not in world.command("dead-letters", "w", worker.file).stdout
    assert len(listed(world, worker, "w", "--key", "4")) == 2


@pytest.mark.parametrize("sink", ["w", "e"])
def test_before_the_cause_is_mended_they_are_refused_and_stay(world, worker, index, sink):
    code, found = sent(world, worker, sink)
    assert code == 1
    assert found == [("superseded", 1), ("refused", 2), ("superseded", 3), ("refused", 4), ("refused", 4)]
    assert [letter["record"]["key"]["id"] for letter in listed(world, worker, sink)] == [2, 4, 4]
    assert (rows(world), documents(index)) == ({1: "7", 5: "5"}, {1: "7", 5: "5"})


@pytest.fixture(scope="module")
def mended(world: Any, worker: Any, index: str) -> Any:
    world.sql("ALTER TABLE copied DROP CONSTRAINT number")
    number(index, ignore_malformed=True)
    return worker


@pytest.mark.parametrize("sink", ["w", "e"])
def test_a_kill_before_they_are_marked_loses_nothing_and_the_sink_goes_on(world, mended, sink):
    world.environment["CONNECT_FAILPOINT"] = "resend.before_marks:exit"
    assert world.command("resend", sink, mended.file, "--key", "2").returncode == 137
    del world.environment["CONNECT_FAILPOINT"]

    assert [letter["record"]["key"]["id"] for letter in listed(world, mended, sink)] == [2, 4, 4]
    world.until(lambda: mended.now(sink)["state"] == "LIVE")


@pytest.mark.parametrize("sink", ["w", "e"])
def test_they_are_sent_in_the_order_of_their_key_and_listed_no_more(world, mended, index, sink):
    assert sent(world, mended, sink, "--key", "4") == (0, [("superseded", 4), ("written", 4)])
    assert sent(world, mended, sink) == (0, [("written", 2)])
    assert listed(world, mended, sink) == []
    assert (rows(world) if sink == "w" else documents(index)) == ENDS_AS


def test_the_sinks_go_on_behind_them(world, mended, index):
    world.sql("UPDATE t SET note = '8' WHERE id = 2")
    world.until(lambda: rows(world)[2] == documents(index)[2] == "8")
    assert mended.stop() == 0
