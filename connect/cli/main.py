"""The command: a table of sub-commands, each imported when it is used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

import connect
from connect.runtime.logs import tame

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lazy(NamedTuple):
    """A sub-command: ``module:name`` of its function, or of its own Typer app, and its line in ``--help``."""

    target: str
    help: str


COMMANDS: Final = {
    "peek": Lazy("connect.cli.peek:peek", "Watch a database's changes on the terminal: no Kafka, nothing left behind."),
    "init": Lazy("connect.cli.init:init", "Write a first file for a database, or for the topics of a cluster."),
    "run": Lazy("connect.cli.run:run", "Run every connector of the files until Ctrl-C."),
    "status": Lazy("connect.cli.status:status", "Show where every table is, and how far behind."),
    "pause": Lazy("connect.cli.control:pause", "Stop one connector of a running worker until it is resumed."),
    "resume": Lazy("connect.cli.control:resume", "Let a paused connector go on."),
    "restart": Lazy("connect.cli.control:restart", "Start one connector of a running worker anew, a FAILED one too."),
    "validate": Lazy("connect.cli.validate:validate", "Check the files, without a server."),
    "plan": Lazy("connect.cli.plan:plan", "Show what a run would make: topics, keys, schemas, targets."),
    "doctor": Lazy("connect.cli.doctor:doctor", "Ask every server: settings, rights, slots, disks, limits."),
    "topic": Lazy("connect.cli.topic:app", "Look into topics: decoded records."),
    "dead-letters": Lazy("connect.cli.dead_letters:dead_letters", "List the records that a sink put aside, and why."),
    "resend": Lazy("connect.cli.resend:resend", "Send a sink's dead letters again, once their cause is mended."),
    "plugins": Lazy("connect.cli.plugins:plugins", "List the installed plugins and their options."),
    "remove": Lazy("connect.cli.remove:remove", "Drop a source's slot and publications, and forget its position."),
    "rename": Lazy("connect.cli.rename:app", "Let a source go on under another name: position, slot and topics stay."),
    "snapshot": Lazy("connect.cli.snapshot:snapshot", "Let a source read tables anew, while the log streams on."),
    "rebuild": Lazy("connect.cli.rebuild:rebuild", "Drop what a sink made; it is filled again from the topics."),
    "explain": Lazy(
        "connect.cli.explain:explain", "Say what a code means: what happened, is anything lost, what to do."
    ),
    "report": Lazy("connect.cli.report:report", "Write a redacted zip to attach to a question."),
    "demo": Lazy("connect.cli.demo:demo", "See it work: a legacy shop becomes topics, tables and an index."),
    "local": Lazy("connect.cli.local:app", "Real servers to try things on, without Docker."),
}

EPILOG: Final = (
    "Exit codes: 0 well, 1 failed, 2 wrong configuration or usage, 3 and above as the command's own help says, "
    "130 interrupted. Every command takes --debug: stack traces instead of messages alone."
)


class _Group(TyperGroup):
    """Lists sub-commands from the table and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, short_help=lazy.help) for name, lazy in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command in place of its line; --debug is ours unless the command has one of its own."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = _load(name)
            if not any("--debug" in parameter.opts for parameter in command.params):
                rest = [argument for argument in rest if argument != "--debug"]
        return name, command, rest


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].target.partition(":")
    target = getattr(import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return get_group(target)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(target)
    return get_command(single)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    rich_markup_mode=None,  # plain help: rich's takes as long to load as everything else
)


def _version(*, wanted: bool) -> None:
    if wanted:
        print(f"connect {connect.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda wanted: _version(wanted=wanted), is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show stack traces.")] = False,
) -> None:
    """Change data capture: databases into keyed Kafka topics and on into tables and indices, exactly once."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command; ends the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    tame(debug="--debug" in given)
    try:
        app(args=given, prog_name="connect")
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it is, it is told and becomes an exit code
        from connect.cli.errors import tell  # noqa: PLC0415 - only a failure pays for it

        sys.exit(tell(error, as_json="--json" in given, debug="--debug" in given))
    sys.exit(0)
