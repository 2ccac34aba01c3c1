"""Tables that appear while a source runs: a pattern of the file names them, so they are captured from then on."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from connect.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from connect.runtime.discovered import Discovered
    from connect.schema.model import TableId

_LOG: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 10.0
_END_SECONDS: Final = 1.0
_SHARE: Final = 100  # between two looks it rests for so many times as long as the last one took


class TableWatch:
    """Looks now and then, in a thread of its own, which tables the source's server has. ``close`` joins it."""

    def __init__(self, connector: str, look: Callable[[], Discovered], known: AbstractSet[TableId]) -> None:
        """Begin to look.

        Args:
            connector: Whose tables they are.
            look: Asks the server; may raise ``ConnectError``.
            known: Those that are captured.
        """
        self._connector = connector
        self._look = look
        self._known = known
        self._ending = threading.Event()
        self._appeared: list[TableId] = []
        self._told = ""
        self._thread = threading.Thread(target=self._watch, name=f"tables of {connector}", daemon=True)
        self._thread.start()

    @property
    def appeared(self) -> list[TableId]:
        """Tables that are there now and are not captured yet."""
        return self._appeared

    def close(self) -> None:
        """Look no more. A look that is under way at a server that hangs ends by itself: a stop does not wait for it."""
        self._ending.set()
        self._thread.join(_END_SECONDS)

    def _watch(self) -> None:
        pause = _LOOK_SECONDS
        while not self._ending.wait(pause) and not self._appeared:
            began = time.monotonic()
            try:
                self._appeared = sorted(self._look().captured.keys() - self._known)
            except ConnectError as error:  # the stream meets a server that is gone by itself; a file that fits no more
                self._tell(error)  # stops the next start
            pause = max(_LOOK_SECONDS, _SHARE * (time.monotonic() - began))

    def _tell(self, error: ConnectError) -> None:
        if error.message != self._told:
            self._told = error.message
            _LOG.warning("%s: looking for new tables: %s", self._connector, error)
