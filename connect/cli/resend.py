"""``connect resend SINK FILE…``: dead letters once more, after their cause was mended."""

from __future__ import annotations

import json
import sys
from collections import Counter

import typer

from connect.cli.dead_letters import AsJsonLines, Files, SinkName, none_is_well
from connect.cli.topic import OfKey, line
from connect.config.load import load_config
from connect.runtime.logs import escape
from connect.runtime.resend import Resent
from connect.runtime.resend import resend as send_again


def resend(
    sink: SinkName,
    files: Files,
    *,
    key: OfKey = None,
    as_json: AsJsonLines = False,
) -> None:
    """Send dead letters to the target again, once their cause is mended; never over a newer record of their key.

    Of each key the topic is read again from its oldest letter up to where the sink stands, and written in that order.
    What was written, or is superseded, is listed no more. A worker of yours that runs the sink pauses it meanwhile.

    Exit codes: 0 done, 1 a server is not there or the target refused some again, 2 faults in the files or usage.
    """
    found: list[Resent] = []
    with none_is_well(sink):
        found = send_again(load_config(files), sink, key)
    for each in found:
        if as_json:
            sys.stdout.write(f"{json.dumps(each.to_json())}\n")
        else:
            sys.stdout.write(f"{each.outcome:<10}  {line(each.letter.record)}\n")
            sys.stdout.write(f"            {escape(each.why)}\n" if each.why else "")
    if not as_json:
        counts = Counter(each.outcome for each in found)
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        sys.stdout.write(f"{escape(sink)}: {told or 'no dead letter is left'}\n")
    if any(each.outcome in {"refused", "kept"} for each in found):
        raise typer.Exit(1)
