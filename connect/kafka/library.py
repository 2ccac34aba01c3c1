"""Where the functions are that compiled code calls in the librdkafka that confluent_kafka brought along."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from confluent_kafka import cimpl

from connect.compiled import COMPILED
from connect.kafka.client import LOGGER

if COMPILED:
    from connect.kafka import producer_c

if TYPE_CHECKING:
    from collections.abc import Iterator


def bind_library() -> bool:
    """Tell the compiled producer; False where the functions cannot be found, and confluent_kafka's own is used."""
    try:
        library = ctypes.CDLL(cimpl.__file__)  # loaded already; symbols of what it is linked with are found too
        producer_c.bind(list(_addresses(library)), LOGGER)
    except (OSError, AttributeError):
        return False
    return True


def _addresses(library: ctypes.CDLL) -> Iterator[int | None]:
    for name in producer_c.NAMES:
        yield ctypes.cast(getattr(library, f"rd_kafka_{name}"), ctypes.c_void_p).value
