"""The one folder that holds downloads and running stacks: ``CONNECT_HOME``."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.errors import ConnectError
from connect.local.machine import User, server_user

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_FILE = "state.json"
KEEPER_LOCK = "keeper.lock"


@dataclass(frozen=True, slots=True)
class Home:
    """``cache`` is shared by all stacks; each running stack has a folder under ``stacks``.

    Attributes:
        path: The folder itself; it exists.
        user: As whom servers run; None: the one who starts them.
    """

    path: Path
    user: User | None

    @property
    def cache(self) -> Path:
        """Downloads, unpacked."""
        return self.path / "cache"

    @property
    def stacks(self) -> Path:
        """A folder for each stack that runs."""
        return self.path / "stacks"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While a stack's folder is made or left-overs are removed."""
        with exclusive(self.stacks / ".lock"):
            yield

    def running(self) -> Iterator[dict[str, Any]]:
        """The state of each stack that runs, as ``Stack`` wrote it."""
        for folder in sorted(self.stacks.iterdir()):
            if folder.is_dir() and is_locked(folder / KEEPER_LOCK) and (folder / STATE_FILE).exists():
                yield json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))

    def prune(self) -> None:
        """Remove the folders of stacks whose keeper died without removing them; the caller holds ``locked``."""
        for folder in self.stacks.iterdir():
            if folder.is_dir() and not is_locked(folder / KEEPER_LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def open_home(given: Path | None = None) -> Home:
    """The home that was given, else ``CONNECT_HOME``, else the user's cache folder; made if it is not there.

    Raises:
        ConnectError: ``local_home_unusable`` when it cannot be written, or when root's servers cannot reach it.
    """
    user = server_user()
    path = (given or _default(user)).expanduser().absolute()
    home = Home(path, user)
    try:
        for folder in (home.path, home.cache, home.stacks):
            _make(folder)
    except OSError as error:
        raise _unusable(f"cannot write {path}: {error.strerror}") from error
    if user is not None:
        _check_reach(path, user)
    return home


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace a stack's state file at once, so that no reader sees half of it."""
    temporary = folder / f"{STATE_FILE}.new"
    temporary.write_text(json.dumps(state, indent=2), encoding="utf-8")
    temporary.chmod(stat.S_IRUSR | stat.S_IWUSR)  # it names passwords of a secure stack
    temporary.replace(folder / STATE_FILE)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when the process ends, however it ends."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock file."""
    try:
        file = path.open("rb")
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that ask do not see each other
        except BlockingIOError:
            return True
    return False


def _default(user: User | None) -> Path:
    if "CONNECT_HOME" in os.environ:
        return Path(os.environ["CONNECT_HOME"])
    if user is not None:  # root's own home is closed to the user that runs the servers
        return Path("/var/cache/connect")
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "connect"


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # whatever the umask
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "Permission denied", str(folder))


def _check_reach(path: Path, user: User) -> None:
    for folder in (path, *path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise _unusable(f"servers run as `{user.name}` when root starts them, and {folder} is closed to that user")


def _unusable(message: str) -> ConnectError:
    return ConnectError(
        message,
        code="local_home_unusable",
        hint="name another folder with --home or CONNECT_HOME, such as /var/cache/connect",
    )
