"""A disk that somebody else filled: a small file system of the command's own, without a byte left on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FILLED = 'mount -t tmpfs -o size=4k tmpfs "$DISK" && echo filled > "$DISK/others" && '


def inside(disk: Path, rest: str, *arguments: object) -> list[str]:
    """A command in a mount name space where ``disk`` is full; ``rest``: what the shell does with ``$@`` then."""
    disk.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "connect", *map(str, arguments)]
    return ["unshare", "--map-root-user", "--mount", "env", f"DISK={disk}", "sh", "-c", _FILLED + rest, "sh", *command]


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., tuple[int, str, list[str]]]:
    """A command's arguments → its exit code, what it said, and what is on the full disk then."""

    def called(*arguments: object) -> tuple[int, str, list[str]]:
        command = inside(tmp_path / "disk", '"$@"; code=$?; ls "$DISK" >&2; exit $code', *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        *said, others = done.stderr.splitlines()
        return done.returncode, "\n".join(said), [*others.split()]

    return called


def test_init_says_so_and_leaves_no_half_a_file(world, told, tmp_path):
    world.sql("CREATE TABLE written_down (id int PRIMARY KEY)")
    code, said, left = told("init", world.url, "-o", tmp_path / "disk" / "first.yaml")

    assert code == 1
    assert "file_unwritable: " in said
    assert "No space left on device" in said
    assert left == ["others"]


def test_report_says_so_and_leaves_no_half_a_zip(world, told, tmp_path):
    file = tmp_path / "faulty.yaml"
    file.write_text("name: x\n")
    code, said, left = told("report", file, "-o", tmp_path / "disk" / "report.zip")

    assert code == 1
    assert "report_unwritable: " in said
    assert "No space left on device" in said
    assert left == ["others"]


SPILLS = """
sources:
  spills: {{plugin: postgres, url: "{url}", tables: [public.spills], spool: {{memory: 16kB}}}}
"""


def test_a_transaction_that_finds_no_room_stops_its_source_by_name_and_is_read_again(world, tmp_path):
    world.sql(
        "CREATE TABLE spills (id int PRIMARY KEY, body text)",
        f"ALTER DATABASE {world.group} SET logical_decoding_work_mem = '64kB'",
    )
    file, disk = world.write(SPILLS.format(url=world.url), name="spills.yaml"), tmp_path / "disk"
    environment = {**os.environ, "CONNECT_HOME": str(disk)}
    command = inside(disk, 'exec "$@"', "run", file, "--json")
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        events = (json.loads(line) for line in worker.stdout)
        next(event for event in events if event.get("state") == "STREAMING")
        world.sql("INSERT INTO spills SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 2000) n")
        told = next(event for event in events if event.get("state") == "FAILED")
        code = worker.wait(60)
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()

    world.told(told, "disk_full", f"no room for streamed transactions in {disk}", "Free space there")
    assert code == 1
    assert world.ids("spills.public.spills") == []
    again = world.run(file)  # with room
    world.until(lambda: len(world.ids("spills.public.spills")) == 2000)
    assert again.stop() == 0


def test_a_folder_that_cannot_be_made_is_named_and_plan_needs_none(world, monkeypatch):
    world.sql("CREATE TABLE homeless (id int PRIMARY KEY)")
    file = world.write(SPILLS.replace("spills", "homeless").format(url=world.url), name="homeless.yaml")
    monkeypatch.setitem(world.environment, "CONNECT_HOME", "/proc/nowhere")

    worker = world.run(file)
    told = worker.state("homeless", "FAILED")

    world.told(told, "spool_unusable", "the folder /proc/nowhere", "CONNECT_HOME")
    assert worker.exit_code() == 1
    planned = world.command("plan", file)
    assert planned.returncode == 0, planned.stderr
    assert "public.homeless" in planned.stdout
