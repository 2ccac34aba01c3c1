"""The worker's control socket."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from connect.runtime import control


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(control.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = control.address(1).parent
    folder.mkdir(mode=0o700)
    return folder


def test_sockets_of_killed_workers_are_removed_when_one_starts(folder):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, lives, foreign = (folder / f"{name}.sock" for name in (dead.pid, os.getppid(), "other"))
    for path in (left, lives, foreign):
        path.touch()

    server = control.ControlServer()
    server.close()

    assert [path.exists() for path in (left, lives, foreign)] == [False, True, True]
