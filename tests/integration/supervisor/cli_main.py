"""The ``connect`` command, over the tasks of ``child_main.py``: a connector's name is its behaviour."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from connect.cli import run, worker
from connect.cli.main import main
from connect.runtime.supervisor import RunSettings

CHILD = (sys.executable, str(Path(__file__).with_name("child_main.py")))

if __name__ == "__main__":
    run.CHILD = CHILD  # type: ignore[misc] - the one that is started ahead
    worker.RunSettings = partial(RunSettings, child=CHILD)
    main()
