"""Whether the compiled codecs are there; without them their Python twins do the same work, many times slower."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Final

_MODULES: Final = ("connect.record_c", "connect.schema.avro_c")


def _why_not() -> str:
    if os.environ.get("CONNECT_PURE") == "1":
        return "switched off by CONNECT_PURE=1"
    for name in _MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            return "not built: there was no C compiler when Connect was installed"
        source = Path(spec.origin).parent / f"{name.rpartition('.')[2]}.pyx"
        if source.exists() and source.stat().st_mtime > Path(spec.origin).stat().st_mtime:
            return f"older than {source.name}: `make venv` builds them"  # in a checkout only
    return ""


WHY_NOT_COMPILED: Final = _why_not()
COMPILED: Final = not WHY_NOT_COMPILED
