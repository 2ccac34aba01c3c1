"""What the local stack needs of the machine it runs on."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
from typing import TYPE_CHECKING, NamedTuple

from connect.errors import ConnectError

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURES = frozenset({"x86_64", "aarch64"})
LOWEST_GLIBC = (2, 27)  # of the PostgreSQL wheel
ROOM_TO_RUN = 1_500_000_000  # bytes: unpacked servers and the first data


class User(NamedTuple):
    """As whom servers run when the stack is started by root: Postgres and Elasticsearch refuse uid 0."""

    name: str
    uid: int
    gid: int


def check_machine() -> None:
    """Name what this machine lacks.

    Raises:
        ConnectError: ``local_unsupported_machine`` for another system, processor or C library.
    """
    system, processor = platform.system(), platform.machine()
    if system != "Linux" or processor not in ARCHITECTURES:
        raise _unsupported(f"the local stack runs on Linux on x86_64 or aarch64, and this is {system} on {processor}")
    library, version = platform.libc_ver()
    if library != "glibc" or _numbers(version) < LOWEST_GLIBC:
        found = f"{library or 'another C library'} {version}".strip()
        raise _unsupported(
            f"the local stack's PostgreSQL needs glibc {'.'.join(map(str, LOWEST_GLIBC))} or later, and this is {found}"
        )


def check_room(folder: Path, download: int) -> None:
    """Refuse to start what cannot fit.

    Args:
        folder: An existing folder of the file system that will hold it.
        download: Bytes still to be downloaded; the archives and what is in them are there at once for a while.

    Raises:
        ConnectError: ``local_no_space``.
    """
    needed = ROOM_TO_RUN + 2 * download
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConnectError(
            f"{folder} has {megabytes(free)} free, and the local stack needs {megabytes(needed)}",
            code="local_no_space",
            hint="free some space, or name another folder with --home or CONNECT_HOME",
        )


def server_user() -> User | None:
    """The user that servers run as; None: the one who starts them.

    Raises:
        ConnectError: ``local_no_unprivileged_user`` when root has nobody to run them as.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ConnectError(
            "PostgreSQL and Elasticsearch refuse to run as root, and this machine has no user `nobody` to run them as",
            code="local_no_unprivileged_user",
            hint="run the command as an ordinary user, or add the user: useradd --system nobody",
        ) from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def megabytes(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def _unsupported(message: str) -> ConnectError:
    return ConnectError(
        message,
        code="local_unsupported_machine",
        hint="use docker/compose.yaml with a Docker engine, or servers of your own",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
