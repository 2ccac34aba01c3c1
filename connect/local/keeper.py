"""The process that holds a stack's servers and ends them: ``python -m connect.local.keeper FOLDER``.

It is the parent of every server. It takes one JSON request a line on standard input and answers with one line. When the
input ends, because its starter ended or was killed, it kills the servers, removes the folder and ends. After ``detach``
it stays until SIGTERM. Should the keeper itself be killed, the kernel kills its children (PR_SET_PDEATHSIG, set here
and not by the stack's owner because it follows the *thread* that forked; this process has only one).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEEPER_LOCK: Final = "keeper.lock"
GRACE: Final = 10.0  # seconds for killed processes to be gone
_PR_SET_PDEATHSIG: Final = 1


class Keeper:
    """Servers by name, and what may be asked of them."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._pid = os.getpid()
        self._libc = ctypes.CDLL(None)
        self.detached = False

    def answer(self, line: bytes) -> dict[str, Any]:
        """Do what a request says; an ``error`` in the answer is a sentence."""
        request = json.loads(line)
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "start": self._start,
            "poll": self._poll,
            "signal": self._signal,
            "kill": self._kill,
            "detach": self._detach,
        }
        try:
            return actions[request.pop("do")](**request)
        except OSError as error:
            return {"error": f"{error.strerror}: {error.filename}" if error.filename else str(error)}
        except subprocess.SubprocessError as error:
            return {"error": str(error)}

    def kill_all(self) -> None:
        """Kill every server; ephemeral as their data are, none is asked first."""
        trees = [pid for child in self._children.values() for pid in tree(child.pid)]
        for pid in trees:
            _send(pid, signal.SIGKILL)
        for child in self._children.values():
            child.wait()
        _wait_gone(trees)

    def _start(
        self, *, name: str, argv: list[str], env: dict[str, str], cwd: str, log: str, user: list[int] | None
    ) -> dict[str, Any]:
        uid, gid = user or (None, None)
        with Path(log).open("ab") as out:
            child = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the starter's terminal is not for the servers
                user=uid,
                group=gid,
                extra_groups=[] if user else None,
                preexec_fn=self._die_with_keeper,  # noqa: PLW1509 - this process has one thread; it runs after setuid
            )
        self._children[name] = child
        return {"pid": child.pid}

    def _die_with_keeper(self) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._pid:  # it died before we asked to be told
            os._exit(1)

    def _poll(self, *, name: str) -> dict[str, Any]:
        return {"exit_code": self._children[name].poll()}

    def _signal(self, *, name: str, number: int, whole_tree: bool) -> dict[str, Any]:
        child = self._children[name]
        if child.poll() is not None:
            return {"pids": []}
        pids = tree(child.pid)
        for pid in pids if whole_tree else pids[:1]:
            _send(pid, number)
        return {"pids": pids}

    def _kill(self, *, name: str) -> dict[str, Any]:
        child = self._children[name]
        if child.poll() is None:
            pids = tree(child.pid)
            for pid in pids:
                _send(pid, signal.SIGKILL)
            child.wait()
            _wait_gone(pids)
        return {}

    def _detach(self) -> dict[str, Any]:
        self.detached = True
        return {}


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, parents first (Postgres' backends leave their parent's group)."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for known in found:
        found.extend(children.get(known, ()))
    return found


def _parent(folder: Path) -> int | None:
    try:
        # The command's name, in brackets, may hold anything; zombies (state Z) are as good as gone.
        state, parent = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(parent)


def is_running(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    return _parent(Path("/proc", str(pid))) is not None


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(is_running(pid) for pid in pids):
        time.sleep(0.01)


def _serve(keeper: Keeper) -> None:
    """Answer until the input ends, or its other end's process is gone though a copy of the pipe lives on in a fork."""
    starter = os.getppid()
    pending = b""
    while os.getppid() == starter:
        if not select.select([0], [], [], 1.0)[0]:
            continue
        received = os.read(0, 65536)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            os.write(1, json.dumps(keeper.answer(line)).encode() + b"\n")
        if keeper.detached:
            return


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main(folder: Path) -> None:
    """Hold the stack of ``folder`` until its starter ends, or after ``detach`` until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    keeper = Keeper()
    with (folder / KEEPER_LOCK).open("ab") as lock:
        fcntl.flock(
            lock, fcntl.LOCK_EX
        )  # held until this process ends: whoever can take it knows that the stack is gone
        os.write(1, b'{"pid": %d}\n' % os.getpid())
        try:
            _serve(keeper)
            while keeper.detached:
                signal.pause()
        except BrokenPipeError:
            pass  # the starter ended while we answered
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            keeper.kill_all()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
