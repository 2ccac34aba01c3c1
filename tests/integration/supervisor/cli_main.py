"""The ``connect`` command, over the tasks of ``child_main.py``: a connector's name is its behaviour."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from connect.cli import run as run_module
from connect.cli.main import main
from connect.runtime.supervisor import RunSettings

CHILD = Path(__file__).with_name("child_main.py")

if __name__ == "__main__":
    run_module.RunSettings = partial(RunSettings, child=(sys.executable, str(CHILD)))
    main()
