"""A stack's keeper process as the stack's owner sees it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.local.home import Home
    from connect.local.machine import User

POLL = 0.05  # seconds between looks at a process
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Command:
    """How a process is run. Its environment is ``env`` over a clean one: nothing of ours leaks into a server."""

    argv: Sequence[str | Path]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)


class Children:
    """Starts, signals and watches a stack's processes; they end when this process does, however it ends.

    Args:
        home: Where the stack's folder is made.

    Attributes:
        folder: The stack's own folder; the keeper removes it at the end.
        pid: Of the keeper.
    """

    def __init__(self, home: Home) -> None:
        self._user = home.user
        self._lock = threading.Lock()
        with home.locked():
            home.prune()
            self.folder = home.stacks / secrets.token_hex(3)
            self.folder.mkdir()
            self.folder.chmod(0o755)
            self._keeper = self._spawn()
            self.pid: int = self._read()["pid"]

    @property
    def user(self) -> User | None:
        """As whom the processes run."""
        return self._user

    def start(self, name: str, command: Command, log: Path) -> int:
        """Start a process under a name, its output appended to ``log``; its pid."""
        user = [self._user.uid, self._user.gid] if self._user else None
        env = {**CLEAN_ENVIRONMENT, "HOME": str(command.cwd), **command.env}
        argv = [str(word) for word in command.argv]
        answer = self._ask("start", name=name, argv=argv, env=env, cwd=str(command.cwd), log=str(log), user=user)
        return int(answer["pid"])

    def exit_code(self, name: str) -> int | None:
        """Of the process last started under the name; None while it runs."""
        code: int | None = self._ask("poll", name=name)["exit_code"]
        return code

    def signal(self, name: str, number: int, *, whole_tree: bool = False) -> list[int]:
        """Send a signal to the process, or to it and all that descend from it; the pids of them all."""
        pids: list[int] = self._ask("signal", name=name, number=number, whole_tree=whole_tree)["pids"]
        return pids

    def kill(self, name: str) -> None:
        """``kill -9`` of the process and all that descend from it; returns when they are gone."""
        self._ask("kill", name=name)

    def run(self, name: str, command: Command, log: Path) -> None:
        """Run a tool to its end.

        Raises:
            ConnectError: ``local_start_failed`` with the end of its output.
        """
        self.start(name, command, log)
        while (code := self.exit_code(name)) is None:
            time.sleep(POLL)
        if code != 0:
            raise start_failed(f"{Path(command.argv[0]).name} ended with {code}", log)

    def detach(self) -> None:
        """Let the keeper and its processes outlive this process, until the keeper gets SIGTERM."""
        self._ask("detach")
        self._close_pipes()

    def close(self) -> None:
        """End every process and remove the folder."""
        self._close_pipes()
        self._keeper.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.folder / "keeper.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "connect.local.keeper", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _close_pipes(self) -> None:
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        with self._lock:
            if self._keeper.stdin is None or self._keeper.stdin.closed:
                raise keeper_gone()
            try:
                self._keeper.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
                self._keeper.stdin.flush()
            except OSError as error:
                raise keeper_gone() from error
            answer = self._read()
        if "error" in answer:
            raise ConnectError(f"{request.get('name', do)}: {answer['error']}", code="local_start_failed")
        return answer

    def _read(self) -> dict[str, Any]:
        if self._keeper.stdout is None or not (line := self._keeper.stdout.readline()):
            raise keeper_gone()
        answer: dict[str, Any] = json.loads(line)
        return answer


def keeper_gone() -> ConnectError:
    """The error of a stack that has been closed, or whose keeper was killed."""
    return ConnectError("the local stack has ended", code="local_stack_ended", hint="start it again: connect local up")


def start_failed(message: str, log: Path) -> ConnectError:
    """An error that shows the end of a server's own log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    tail = "\n".join(f"  {line[:300]}" for line in lines[-8:])
    return ConnectError(f"{message}; the end of its log:\n{tail}", code="local_start_failed")
