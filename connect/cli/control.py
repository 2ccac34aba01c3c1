"""``connect pause | resume | restart CONNECTOR``: a word to a running worker."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from connect.config.load import load_config
from connect.errors import Failed
from connect.runtime import control, status_file

Name = Annotated[str, typer.Argument(metavar="CONNECTOR", help="A source or sink of the file.", show_default=False)]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE", help="Of the worker; without: this user's only worker.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def pause(connector: Name, files: Files = None, *, as_json: AsJson = False) -> None:
    """Stop one connector in order and keep it stopped; the others go on. Its server keeps the log meanwhile.

    Exit codes: 0 done, 1 no worker runs it, 2 faults in the files or usage.
    """
    _ask("pause", connector, files, as_json=as_json)


def resume(connector: Name, files: Files = None, *, as_json: AsJson = False) -> None:
    """Let a paused connector go on from its stored position.

    Exit codes: 0 done, 1 no worker runs it, 2 faults in the files or usage.
    """
    _ask("resume", connector, files, as_json=as_json)


def restart(connector: Name, files: Files = None, *, as_json: AsJson = False) -> None:
    """Stop one connector and start it anew, also one that is FAILED: after its cause is mended.

    Exit codes: 0 done, 1 no worker runs it, 2 faults in the files or usage.
    """
    _ask("restart", connector, files, as_json=as_json)


def _ask(command: str, connector: str, files: list[Path] | None, *, as_json: bool) -> None:
    answer = control.ask(worker(files, connector), {"command": command, "connector": connector})
    print(json.dumps(answer) if as_json else answer["done"])


def worker(files: list[Path] | None, connector: str) -> int:
    """The process id of the worker that is meant: of several of one group the one that runs the connector.

    Raises:
        Failed: ``worker_missing``; ``worker_many`` where no file says which.
    """
    group = load_config(files).name if files else None
    found = status_file.find(group)
    if not found:
        whose = f"no worker of {group} is running" if group else "no worker of this user is running"
        raise Failed(
            "worker_missing",
            whose,
            hint="connect run FILE starts one. One that runs is found by its user, with its CONNECT_HOME.",
        )
    if len({one.group for one in found}) == 1:
        return _at_work([one.pid for one in found], connector)
    if len(found) > 1:
        names = ", ".join(f"{one.group} (process {one.pid})" for one in found)
        raise Failed("worker_many", f"several workers run: {names}", hint="Name the file of the one you mean.")
    return found[0].pid


def _at_work(pids: list[int], connector: str) -> int:
    """The worker whose connector it is; a STANDBY, or one whose file has no such connector, where there is no other."""
    for pid in pids if len(pids) > 1 else ():
        with suppress(Failed):
            if not control.ask(pid, {"command": "state", "connector": connector})["standby"]:
                return pid
    return pids[0]
