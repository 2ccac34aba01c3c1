"""``run`` and ``status`` as commands, over the tasks of ``child_main.py``: a connector's name is its behaviour."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import typer

from connect.cli import run as run_module
from connect.cli.status import status
from connect.errors import ConfigError
from connect.runtime.supervisor import EXIT_CONFIG, RunSettings

CHILD = Path(__file__).with_name("child_main.py")


def main() -> int:
    run_module.RunSettings = partial(RunSettings, child=(sys.executable, str(CHILD)))
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(run_module.run)
    app.command()(status)
    try:
        return app(standalone_mode=False) or 0
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(main())
