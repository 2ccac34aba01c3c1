"""``connect local``: real servers to try things on, without Docker."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Column, Table

from connect.cli.interrupts import kill_as_ctrl_c
from connect.errors import ConnectError
from connect.local.home import KEEPER_LOCK, is_locked, open_home
from connect.local.keeper import is_running
from connect.local.stack import DEFAULT, KINDS, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Real servers as child processes: Kafka, registry, Elasticsearch, PostgreSQL, MySQL, MariaDB.",
)
_err = Console(stderr=True)

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of downloads and data (CONNECT_HOME).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DOWN_TIMEOUT = 30.0  # seconds


@app.command()
def up(
    *,
    only: Annotated[str, typer.Option("--only", help=f"Of {','.join(KINDS)}.")] = ",".join(DEFAULT),
    detach: Annotated[bool, typer.Option("--detach", help="Leave them running until `connect local down`.")] = False,
    as_json: JsonOption = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="TLS, passwords and ACLs, and the YAML that uses them.")
    ] = False,
    port: Annotated[
        list[str] | None, typer.Option("--port", metavar="NAME=PORT", help="Instead of a free one.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Start servers; they end with Ctrl-C, unless detached."""
    with _reported(), kill_as_ctrl_c():
        names = [name.strip() for name in only.split(",") if name.strip()]
        with Stack.start(names, home=home, ports=_ports(port or []), secure=secure) as stack:
            _print_addresses(stack, as_json=as_json)
            if detach:
                stack.detach()
                _err.print(f"stack {stack.id} stays up; to end it: connect local down {stack.id}", highlight=False)
                return
            _err.print("Ctrl-C ends it", highlight=False)
            _watch(stack)


@app.command()
def down(
    stack: Annotated[str | None, typer.Argument(help="Its id; not needed where one detached stack runs.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every detached stack, whoever started it.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """End detached stacks and remove their data."""
    with _reported():
        folder = open_home(home)
        wanted = _to_end(list(folder.running()), stack, every=every)
        for state in wanted:
            os.kill(state["pid"], signal.SIGTERM)
            _wait_down(folder.stacks / state["id"])
        ended = [state["id"] for state in wanted]
        print(json.dumps({"ended": ended}) if as_json else f"ended: {', '.join(ended) or 'nothing was running'}")


def _to_end(running: list[dict[str, Any]], stack: str | None, *, every: bool) -> list[dict[str, Any]]:
    """The stacks that ``down`` means: without a word, another's data is not to go with one's own."""
    wanted = [state for state in running if (state["id"] == stack if stack else state["detached"])]
    if stack is not None and not wanted:
        raise ConnectError(f"no stack {stack} runs", code="local_stack_ended", hint="connect local status lists them")
    if stack is None and not every and len(wanted) > 1:
        message = f"{len(wanted)} detached stacks run, nothing was ended: {'; '.join(map(_in_short, wanted))}"
        raise ConnectError(message, code="local_which_stack", hint="connect local down ID, or --all of them")
    return wanted


def _in_short(state: dict[str, Any]) -> str:
    return f"{state['id']} ({', '.join(sorted(state['servers']))})"


@app.command()
def status(*, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show the stacks that run, their addresses and processes."""
    with _reported():
        stacks = [_with_health(state) for state in open_home(home).running()]
        if as_json:
            print(json.dumps({"stacks": stacks}))
            return
        if not stacks:
            print("no local stack runs")
        for state in stacks:
            Console().print(_status_table(state))


def _ports(given: list[str]) -> dict[str, int]:
    ports = {}
    for item in given:
        name, _, number = item.partition("=")
        if not number.isdigit() or not 0 < int(number) < 65536:
            raise ConnectError(f"--port {item}: not NAME=PORT", code="local_unknown_server", hint="--port kafka=9092")
        ports[name.strip()] = int(number)
    return ports


def _print_addresses(stack: Stack, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(stack.addresses), flush=True)
    else:
        for name, address in stack.addresses.items():
            print(f"{name:<16} {address}", flush=True)
        if stack.file:
            print(f"\n{stack.file}", flush=True)
    for name, value in stack.security.items():
        _err.print(f"{name}: {value}", highlight=False, markup=False)


def _watch(stack: Stack) -> NoReturn:
    """Wait for Ctrl-C; say so once when a server ends by itself."""
    known = dict(stack.servers)
    while True:
        for name in [name for name, server in known.items() if not server.running]:
            _err.print(f"{name} has ended by itself; its log: {known.pop(name).log}", highlight=False, markup=False)
        time.sleep(1.0)


def _with_health(state: dict[str, Any]) -> dict[str, Any]:
    servers = {
        name: {**server, "running": is_running(server["pid"])} for name, server in sorted(state["servers"].items())
    }
    return {**state, "servers": servers}


def _status_table(state: dict[str, Any]) -> Table:
    kind = "detached" if state["detached"] else "ends with its starter"
    address = Column("address", overflow="fold")
    table = Table("server", address, "pid", "running", title=f"stack {state['id']} ({kind})", title_justify="left")
    for name, server in state["servers"].items():
        table.add_row(name, server["address"], str(server["pid"]), "yes" if server["running"] else "no")
    return table


def _wait_down(folder: Path) -> None:
    deadline = time.monotonic() + DOWN_TIMEOUT
    while is_locked(folder / KEEPER_LOCK):
        if time.monotonic() > deadline:
            raise ConnectError(f"stack {folder.name} did not end within {DOWN_TIMEOUT:.0f} s", code="local_stack_ended")
        time.sleep(0.05)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except ConnectError as error:
        _err.print(f"{error.code}: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _err.print("ended; nothing is left running", highlight=False)
        raise typer.Exit(130) from None
