"""The child of ``connect peek`` that outlives it: when its input ends, it drops what the look made on the server.

It is the only one that tidies up, so ``kill -9`` of the parent and its ordinary end are one path.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connect.api.source import SourceContext
from connect.config.plugins import load
from connect.errors import ConnectError

if TYPE_CHECKING:
    from connect.api.plugin import Plugin

GROUP: Final = "peek"  # in the names of what is made on the server
_PATIENCE_SECONDS: Final = 60.0  # a server notices a dead reader within its wal_sender_timeout
_PAUSE_SECONDS: Final = 0.2


def main() -> int:
    """Read the job, wait for the end of the input, tidy up; 1 with a sentence on standard error if it could not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    job = json.loads(line)
    plugin = load(job["plugin"], "source")
    sys.stdin.buffer.read()
    try:
        tidy_up(plugin, job["options"], job["connector"])
    except ConnectError as error:
        sys.stderr.write(
            f"connect peek: what it made on the server is still there: {error.message}\n  → {error.hint}\n"
        )
        return 1
    return 0


def tidy_up(plugin: Plugin, options: dict[str, Any], connector: str) -> None:
    """Have the plugin drop what its temporary source made; as long as the server is busy with it, or away, again.

    Raises:
        ConnectError: It did not go within a minute.
    """
    context = SourceContext(connector, GROUP, {}, Path(), temporary=True)
    config = plugin.config.model_validate(options)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            list(plugin.remove(config, context))
        except ConnectError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
