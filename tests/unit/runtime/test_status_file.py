"""The files that say where workers listen."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from connect.runtime import status_file
from connect.runtime.status_file import RunningWorker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_HOME", str(tmp_path))


def worker(group: str = "shop-cdc", pid: int = os.getpid()) -> RunningWorker:
    return RunningWorker(group, pid, "http://127.0.0.1:8083")


def test_a_running_worker_is_found_by_its_group() -> None:
    status_file.write(worker("shop-cdc"))
    status_file.write(worker("other"))

    assert status_file.find("shop-cdc") == [worker("shop-cdc")]
    assert status_file.find() == [worker("other"), worker("shop-cdc")]


def test_F179_the_file_is_private() -> None:
    path = status_file.write(worker())

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_group_s_name_is_no_path() -> None:
    path = status_file.write(worker("../../etc/x"))

    assert path.parent == status_file.folder()
    assert status_file.find("../../etc/x") == [worker("../../etc/x")]


def test_a_dead_worker_is_forgotten() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = status_file.write(worker(pid=ended.pid))

    assert status_file.find() == []
    assert not path.exists()


def test_a_torn_file_is_no_worker() -> None:
    path = status_file.write(worker())
    path.write_text('{"group": "shop')

    assert status_file.find() == []


def test_no_folder_means_no_worker() -> None:
    assert status_file.find() == []


def test_without_a_home_of_ours_the_state_folder_of_the_user_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CONNECT_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    assert status_file.folder() == tmp_path / "state" / "connect"
