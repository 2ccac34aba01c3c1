"""``connect dead-letters SINK FILE…``: the records that a sink put aside, decoded, and why."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated

import typer

from connect.cli.topic import line
from connect.config.load import load_config
from connect.runtime.letters import read_letters
from connect.runtime.logs import escape
from connect.runtime.maintenance import known
from connect.runtime.tasks import registry_client
from connect.schema.reader import RecordReader


def dead_letters(
    sink: Annotated[str, typer.Argument(metavar="SINK", help="The sink's name in the file.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """List the records that a sink could not write and put aside, oldest first: place, row, and why.

    What they lack in the target: once its cause is mended, `connect rebuild SINK FILE` writes everything anew.

    Exit codes: 0 well (none is well, too), 1 a server is not there, 2 faults in the files or usage.
    """
    config = load_config(files)
    topic = config.sinks[known(sink, config.sinks, "sink")].dead_letter_topic
    count = 0
    for letter in read_letters(config.kafka.settings(), RecordReader(registry_client(config)), topic):
        text = json.dumps(letter.to_json()) if as_json else f"{line(letter.record)}\n        {escape(letter.error)}"
        sys.stdout.write(f"{text}\n")
        count += 1
    if not as_json:
        sys.stdout.write(f"{count} record(s) of {escape(sink)} in {escape(topic)}\n")
