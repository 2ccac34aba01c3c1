"""Whether the compiled codecs are there; without them their Python twins do the same work, many times slower."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Final

_MODULES: Final = tuple(
    f"connect.{name}"
    for name in (
        "record_c",
        "changes_c",
        "records_c",
        "schema.avro_c",
        "schema.avro_reader_c",
        "kafka.consumer_c",
        "kafka.producer_c",
    )
)


def _why_not() -> str:
    if os.environ.get("CONNECT_PURE") == "1":
        return "switched off by CONNECT_PURE=1"
    if any(importlib.util.find_spec(name) is None for name in _MODULES):
        return "not built: there was no C compiler when Connect was installed"
    package = Path(__file__).parent
    for folder in (package, package.parent / "connectors"):
        for source in folder.rglob("*_c.pyx"):  # in a checkout only
            built = next(source.parent.glob(f"{source.stem}.*.so"), None)
            if built is None or source.stat().st_mtime > built.stat().st_mtime:
                return f"older than {source.name}: `make venv` builds them"
    return ""


WHY_NOT_COMPILED: Final = _why_not()
COMPILED: Final = not WHY_NOT_COMPILED
