"""Which worker a command means."""

from __future__ import annotations

import os

import pytest

from connect.cli.control import worker
from connect.errors import Failed
from connect.runtime import status_file
from connect.runtime.status_file import RunningWorker


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CONNECT_HOME", str(tmp_path))


def test_the_only_worker_needs_no_name() -> None:
    status_file.write(RunningWorker("shop", os.getpid(), "http://127.0.0.1:1"))
    assert worker(None, "w") == os.getpid()


def test_none_is_told() -> None:
    with pytest.raises(Failed, match="no worker of this user") as caught:
        worker(None, "w")
    assert caught.value.code == "worker_missing"


def test_of_several_the_file_has_to_say_which(tmp_path) -> None:
    status_file.write(RunningWorker("shop", os.getpid(), "http://127.0.0.1:1"))
    status_file.write(RunningWorker("billing", os.getppid(), "http://127.0.0.1:2"))
    with pytest.raises(Failed) as caught:
        worker(None, "w")
    assert caught.value.code == "worker_many"
    file = tmp_path / "billing.yaml"
    file.write_text(
        'name: billing\nkafka: {bootstrap: "127.0.0.1:9092"}\n'
        'sinks:\n  w: {plugin: sql, url: "sqlite:///x", topics: [a]}\n'
    )
    assert worker([file], "w") == os.getppid()
