"""``make transcripts``: the three first hours, told on real servers, into docs/first-hours/.

Each story checks what it shows: one that does not come out as it is told fails. ``ONLY=operator,service`` tells some.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from connect.local.stack import Stack

STORIES: Final = ("operator", "monolith", "service")
PAGES: Final = Path(__file__).parents[2] / "docs" / "first-hours"


def main(wanted: list[str]) -> int:
    """Tell them, one after another, each on servers of its own."""
    for name in wanted or STORIES:
        began = time.monotonic()
        print(f"{name}:", flush=True)
        story = importlib.import_module(f"{name}_hour")
        with Stack(secure=story.SECURE) as stack, tempfile.TemporaryDirectory(prefix="first-hour-") as folder:
            stack.ensure(story.SERVERS)
            story.tell(stack, Path(folder)).save(PAGES / f"{name}.md")
        print(f"{name}: told in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
