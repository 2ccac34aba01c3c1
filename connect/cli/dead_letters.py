"""``connect dead-letters SINK FILE…``: the records that a sink put aside, decoded, and why."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connect.cli.topic import OfKey, line
from connect.config.load import load_config
from connect.errors import ConnectError
from connect.runtime.letters import CODE, read_letters
from connect.runtime.logs import escape
from connect.runtime.maintenance import known
from connect.runtime.tasks import SinkTopics, registry_client
from connect.schema.reader import RecordReader
from connect.transforms.build import sink_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

# What `connect resend` takes too.
SinkName = Annotated[str, typer.Argument(metavar="SINK", help="The sink's name in the file.", show_default=False)]
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]


@contextmanager
def none_is_well(sink: str) -> Iterator[None]:
    """A dead-letter topic is made with the first letter: without it there is none, and that is no failure."""
    try:
        yield
    except ConnectError as error:
        if error.code != "topic_unknown":
            raise
        text = f"{sink} has put no record aside: {error.message}, or this principal may not see it"
        sys.stderr.write(f"{escape(text)}\n")


def dead_letters(
    sink: SinkName,
    files: Files,
    *,
    key: OfKey = None,
    as_json: AsJsonLines = False,
) -> None:
    """List the records that a sink could not write and put aside, oldest first: place, key, row, and why.

    They are shown as the sink's own masks leave them. Once the cause is mended, `connect resend SINK FILE` sends them
    again; what was sent is listed no more.

    Exit codes: 0 well (none is well, too), 1 a server is not there, 2 faults in the files or usage.
    """
    config = load_config(files)
    chosen = config.sinks[known(sink, config.sinks, "sink")]
    transforms = sink_pipeline(chosen, SinkTopics(config, chosen).__getitem__)
    topic, reader = chosen.dead_letter_topic, RecordReader(registry_client(config))
    with none_is_well(sink):
        letters = read_letters(config.kafka.settings(), reader, topic, transforms, key)
        for letter in letters:
            why = f"{CODE}: {letter.error}"
            text = json.dumps(letter.to_json()) if as_json else f"{line(letter.record)}\n        {escape(why)}"
            sys.stdout.write(f"{text}\n")
        if not as_json:
            sys.stdout.write(f"{len(letters)} record(s) of {escape(sink)} in {escape(topic)}\n")
