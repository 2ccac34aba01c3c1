"""Where the functions are that compiled code calls in the libpq that psycopg brought along."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

import psycopg.pq

from connect.compiled import COMPILED


def _calls() -> tuple[int, int] | None:
    """Addresses of ``PQgetCopyData`` and ``PQfreemem``; None where psycopg has no compiled module of its own."""
    path = getattr(sys.modules.get(psycopg.pq.PGconn.__module__), "__file__", None) or ""
    if not path.endswith(".so"):
        return None
    try:
        library = ctypes.CDLL(path)  # loaded already; symbols of the libpq that it is linked with are found too
        functions = (library.PQgetCopyData, library.PQfreemem)
    except (OSError, AttributeError):
        return None
    get_copy_data, free_memory = (ctypes.cast(function, ctypes.c_void_p).value for function in functions)
    return (get_copy_data, free_memory) if get_copy_data and free_memory else None


CALLS: Final = _calls() if COMPILED else None
