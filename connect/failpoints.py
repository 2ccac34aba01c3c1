"""Named places where a test can make a process stop, fail or wait (rule W1).

``CONNECT_FAILPOINT=source.before_commit:exit:7`` acts at the seventh hit: ``exit`` is as abrupt as ``kill -9``,
``raise`` is an unknown error, ``sleep`` waits five seconds. Unset, as always outside tests, it costs one call.
"""

from __future__ import annotations

import os
import time
from typing import Final

_name, _, _rest = os.environ.get("CONNECT_FAILPOINT", "").partition(":")
_action, _, _nth = _rest.partition(":")
_ARMED: Final = _name
_hits = 0


def failpoint(name: str) -> None:
    """A place between two steps whose order matters; names are ``<where>.<before or after>_<step>``."""
    if name == _ARMED:
        _hit()


def _hit() -> None:
    global _hits  # noqa: PLW0603 - one process, one armed failpoint, counted for its whole life
    _hits += 1
    if _hits != int(_nth or 1):
        return
    if _action == "exit":
        os._exit(137)
    if _action == "raise":
        message = f"failpoint {_ARMED}"
        raise RuntimeError(message)
    time.sleep(5)
