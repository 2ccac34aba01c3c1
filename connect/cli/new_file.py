"""A file that a command leaves: whole or not at all, and never over another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, for this user alone.

    Raises:
        OSError: It is there (FileExistsError), or cannot be written; then nothing of it is left.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            path.unlink()
            raise
