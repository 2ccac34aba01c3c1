"""A disk that somebody else filled: a small file system of the command's own, without a byte left on it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FILLED = 'mount -t tmpfs -o size=4k tmpfs "$DISK" && echo filled > "$DISK/others" && '


def inside(world: Any, disk: Path, rest: str, *arguments: object) -> list[str]:
    """A command in a mount name space where ``disk`` is full; ``rest``: what the shell does with ``$@`` then."""
    del world
    disk.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "connect", *map(str, arguments)]
    return ["unshare", "--map-root-user", "--mount", "env", f"DISK={disk}", "sh", "-c", _FILLED + rest, "sh", *command]


@pytest.fixture
def told(world: Any, tmp_path: Path) -> Callable[..., tuple[int, str, list[str]]]:
    """A command's arguments → its exit code, what it said, and what is on the full disk then."""

    def called(*arguments: object) -> tuple[int, str, list[str]]:
        command = inside(world, tmp_path / "disk", '"$@"; code=$?; ls "$DISK" >&2; exit $code', *arguments)
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
