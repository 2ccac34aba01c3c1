"""A worker: the real supervisor over ``child_main.py``; prints each change of a connector as a JSON line.

Arguments: the file, then ``key=value`` for ``until``, ``on_failed``, ``first`` (seconds of the first back-off),
``standings`` (a file that says how each connector stands in the worker's group, read again and again).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.runtime import retry
from connect.runtime.membership import Alone, Claim, Standing
from connect.runtime.states import Connector
from connect.runtime.supervisor import RunSettings, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.runtime.states import ConnectorStatus

CHILD = Path(__file__).with_name("child_main.py")
printed: dict[str, Any] = {}


def watch(statuses: Sequence[ConnectorStatus]) -> None:
    for status in statuses:
        entry = {"connector": status.connector.name} | status.to_json()
        key = {name: entry[name] for name in ("state", "code", "message", "pid", "restarts", "transactions")}
        if printed.get(status.connector.name) != key:
            printed[status.connector.name] = key
            sys.stdout.write(json.dumps(entry) + "\n")
            sys.stdout.flush()


class Written(Alone):
    """A group whose word is written in a file: connector → claim, owner, whether it passed us."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def standing(self, connector: str) -> Standing:
        claim, *rest = json.loads(self._file.read_text())[connector]
        return Standing(Claim(claim), *rest)


def main() -> int:
    file = Path(sys.argv[1])
    options = dict(argument.split("=") for argument in sys.argv[2:])
    if "first" in options:
        retry.FIRST_SECONDS = float(options.pop("first"))
    membership = Written(Path(options.pop("standings"))) if "standings" in options else None
    connectors = tuple(Connector(name, "source", "test") for name in json.loads(file.read_text()) if name != "broken")
    settings = RunSettings(files=(str(file),), connectors=connectors, child=(sys.executable, str(CHILD)), **options)
    return Supervisor(settings, watch, membership).run()


if __name__ == "__main__":
    sys.exit(main())
