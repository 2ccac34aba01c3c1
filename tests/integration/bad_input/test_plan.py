"""``plan`` as the difference from what the last run did: it changes nothing, and says what it cannot know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connect.kafka.topics import Topics

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
sources:
  s: {{plugin: postgres, url: "{url}", tables: {tables}{more}}}
sinks:
  w: {{plugin: sql, url: "sqlite:///{folder}/w.db", topics: ["{group}.s.public.*"]}}
"""


def planned(world: Any, file: Path) -> tuple[int, dict[str, Any]]:
    done = world.command("plan", file, "--json")
    return done.returncode, json.loads(done.stdout)


def signs(plan: dict[str, Any]) -> list[tuple[str, str]]:
    parts = [plan, *plan["sources"], *plan["sinks"]]
    return [(change["sign"], change["what"].removeprefix(f"{plan['name']}.")) for p in parts for change in p["changes"]]


@pytest.fixture(scope="module")
def write(world: Any) -> Any:
    world.sql("CREATE TABLE a (id int PRIMARY KEY, email text)", "CREATE TABLE b (id int PRIMARY KEY)")
    world.sql("INSERT INTO a SELECT g, 'm' FROM generate_series(1, 20000) g", "ANALYZE")

    def written(tables: str, more: str = "", **servers: str) -> Path:
        url = servers.pop("url", world.url)
        text = FILE.format(url=url, tables=tables, more=more, folder=world.folder, group=world.group)
        path: Path = world.write(text, **servers)
        return path

    return written


@pytest.fixture(scope="module")
def first(world: Any, write: Any) -> Any:
    """Plans before the first run, while it runs, and after it."""
    file = write("[public.a]")
    before = planned(world, file)
    topics = Topics({"bootstrap.servers": world.kafka}).names()
    worker = world.run(file)
    worker.wait("w", lambda event: event["state"] == "LIVE")
    worker.state("s", "STREAMING")
    running = world.command("plan", file)
    assert worker.stop() == 0
    return before, topics, running


def test_a_first_plan_is_all_plus_and_makes_nothing(world, first):
    (code, plan), topics, _ = first
    assert (code, signs(plan)) == (0, [("+", "public.a"), ("+", "s.public.a")])
    change = plan["sources"][0]["changes"][0]
    assert (change["rows"], change["bytes"] > 0, change["seconds"] > 0) == (20_000, True, True)
    assert (plan["partitions"], plan["new_partitions"]) == (3, 3)
    assert not [topic for topic in topics if topic.startswith(f"{world.group}.")]


def test_with_nothing_to_do_it_is_one_line_while_the_worker_runs_too(first):
    *_, running = first
    assert (running.returncode, running.stdout) == (0, "Nothing to do: the file says what the last run did.\n")


def test_after_a_rebuild_the_sink_reads_its_topics_from_their_beginning_until_it_has_begun(world, first, write):
    file = write("[public.a]")
    assert world.command("rebuild", "w", file, "--yes").returncode == 0
    rebuilt = planned(world, file)
    worker = world.run(file)
    worker.wait("w", lambda event: event["state"] == "LIVE")
    assert worker.stop() == 0

    assert (rebuilt[0], signs(rebuilt[1])) == (0, [("+", "s.public.a")])
    assert rebuilt[1]["sinks"][0]["changes"][0]["text"] == "is read from its beginning"
    assert signs(planned(world, file)[1]) == []


def test_what_comes_changes_and_goes_is_told_at_the_rate_that_was_measured(world, first, write):
    code, plan = planned(world, write("{public.b: {}, public.a: {mask: {email: nullify}}}", ", heartbeat: 5s"))
    assert code == 0
    assert signs(plan) == [("~", "public.a"), ("+", "public.b"), ("~", "heartbeat"), ("+", "s.public.b")]
    assert (plan["sources"][0]["measured"], plan["sinks"][0]["records"] >= 20_000) == (True, True)
    code, plan = planned(world, write("[public.b]"))
    assert ("-", "public.a") in signs(plan)


def test_what_the_run_would_refuse_is_told_in_its_words(world, first, write):
    file = write("{public.a: {value: row}}")
    code, plan = planned(world, file)
    (change,) = plan["sources"][0]["changes"]
    assert (code, change["code"]) == (2, "identity_changed")

    failed = world.run(file).state("s", "FAILED")
    assert failed["message"].split("\n", 1)[0].endswith(change["text"])
    assert change["remedy"] in failed["message"]
    world.workers[-1].kill()


def test_a_source_that_the_file_has_no_more_is_named_with_what_it_left(world, first, write):
    file = write("[public.b]")
    file.write_text(file.read_text().replace("  s: {", "  t: {"))
    plan = planned(world, file)[1]
    assert ("-", "source s") in signs(plan)
    left = "\n".join(plan["leftovers"])
    assert f"the slot connect_{world.group}__s holds" in left
    assert f'DROP PUBLICATION "connect_{world.group}__s"' in left


@pytest.mark.parametrize(
    ("servers", "unknown"),
    [({"kafka": "127.0.0.1:1"}, "Kafka: "), ({"registry": "http://127.0.0.1:1"}, "the registry: ")],
)
def test_of_a_server_that_is_not_there_the_part_is_unknown_and_the_rest_is_shown(world, first, write, servers, unknown):
    done = world.command("plan", write("[public.a, public.b]", **servers))
    assert (done.returncode, f"UNKNOWN {unknown}" in done.stdout) == (1, True)
    assert f"{world.group}.s.public.b" in done.stdout


def test_of_a_database_that_is_not_there_the_other_connectors_are_shown(world, first, write):
    done = world.command("plan", write("[public.a]", url="postgresql://postgres@127.0.0.1:1/none"))
    assert (done.returncode, "UNKNOWN source s: " in done.stdout, "sink w" in done.stdout) == (1, True, True)
