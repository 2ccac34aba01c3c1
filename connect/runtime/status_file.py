"""Where the workers of this user listen: a small private file each, found by ``connect status``."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from connect.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker process: its group, its process id, and the URL that it answers on."""

    group: str
    pid: int
    url: str

    @classmethod
    def this(cls, group: str, url: str) -> RunningWorker:
        """The process that asks."""
        return cls(group, os.getpid(), url)


def folder() -> Path:
    """This user's folder for such files.

    Not under XDG_RUNTIME_DIR: a login shell has one and a system service has none, and they have to meet.
    """
    if home := os.environ.get("CONNECT_HOME"):
        return Path(home) / f"workers-{os.getuid()}"
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "connect"


def make_private(path: Path) -> None:
    """Make a folder for this user alone, where there is none yet.

    Raises:
        Failed: ``disk_full``, ``spool_unusable``.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise Failed(
            "disk_full" if full else "spool_unusable",
            f"the folder {path} cannot be made: {error.strerror}",
            hint="Make room there, or name a folder that this user may write: export CONNECT_HOME=…",
        ) from None


def write(worker: RunningWorker) -> Path:
    """Say where ``worker`` listens; whole or not at all, for this user alone (F179).

    Raises:
        OSError: The folder cannot be made or belongs to another user.
    """
    private = folder()
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise PermissionError(f"{private} belongs to another user.")
    path = private / f"{quote(worker.group, safe='')}.{worker.pid}.json"
    handle, temporary = tempfile.mkstemp(dir=private, prefix=".")  # 0600 by itself
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(worker), file)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def find(group: str | None = None) -> list[RunningWorker]:
    """The workers of ``group``, or of every group, whose processes live; files of dead ones are removed."""
    return sorted(
        (worker for worker in _living() if group in {None, worker.group}), key=lambda worker: (worker.group, worker.pid)
    )


def _living() -> Iterator[RunningWorker]:
    for path in folder().glob("*.json"):
        worker = _read(path)
        if worker is None or not lives(worker.pid):
            with suppress(OSError):  # another status removed it first
                path.unlink()
            continue
        yield worker


def _read(path: Path) -> RunningWorker | None:
    try:
        data = json.loads(path.read_text())
        return RunningWorker(str(data["group"]), int(data["pid"]), str(data["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def lives(pid: int) -> bool:
    """Whether there is a process of this id, of whomever."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
