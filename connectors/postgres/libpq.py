"""Where the functions are that compiled code calls in the libpq that psycopg brought along."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg.pq

from connect.compiled import COMPILED
from connect.errors import Retriable
from connectors.postgres.errors import UNREACHABLE

if COMPILED:
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn


def _bind() -> bool:
    """Tell the compiled code; False where psycopg has no compiled module that libpq could be found by."""
    path = getattr(sys.modules.get(psycopg.pq.PGconn.__module__), "__file__", None) or ""
    if not path.endswith(".so"):
        return False
    try:
        library = ctypes.CDLL(path)  # loaded already; symbols of the libpq that it is linked with are found too
        functions = [getattr(library, name) for name in stream_c.NAMES]
    except (OSError, AttributeError):
        return False
    stream_c.bind([ctypes.cast(function, ctypes.c_void_p).value for function in functions])
    return True


NATIVE: Final = COMPILED and _bind()


def address(pgconn: PGconn, connector: str) -> int:
    """Where libpq's connection lies; no part of psycopg's protocol, but an attribute of each ``PGconn``.

    Raises:
        Retriable: ``source_unreachable``: it is closed.
    """
    found: Any = getattr(pgconn, "pgconn_ptr", None)
    if not found:
        raise Retriable(f"{connector}: the connection is closed", code=UNREACHABLE)
    return int(found)
