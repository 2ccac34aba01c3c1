"""The process that ``connect run`` starts before it reads the files."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from connect.cli import run
from connect.runtime.process import ChildProcess
from connect.runtime.states import Connector
from connect.runtime.supervisor import RunSettings, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from connect.runtime.states import ConnectorStatus

# Ends with the first word that it hears, or with the other end of its socket.
LISTENS = (sys.executable, "-c", "import socket, sys; socket.socket(fileno=int(sys.argv[1])).recv(9)")


def test_the_first_connector_gets_the_process_that_was_started_ahead() -> None:
    spares = [ChildProcess(LISTENS)]
    ahead, seen = spares[0].pid, []

    def watch(statuses: Sequence[ConnectorStatus]) -> None:
        if pid := statuses[0].pid:
            seen.append(pid)
            os.kill(os.getpid(), signal.SIGTERM)

    settings = RunSettings(files=(), connectors=(Connector("shop", "source", "test"),), child=LISTENS)
    Supervisor(settings, watch, spares=spares).run()

    assert seen[0] == ahead
    assert not spares


def test_a_process_started_ahead_that_nobody_took_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHILD", LISTENS)

    with run._spares() as spares:
        [spare] = spares

    assert spare.exit_code(0) == -signal.SIGKILL
