"""Whether the compiled codecs are there; without them their Python twins do the same work, many times slower."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final


def _why_not() -> str:
    if os.environ.get("CONNECT_PURE") == "1":
        return "switched off by CONNECT_PURE=1"
    package = Path(__file__).parent
    stubs = [stub for folder in (package, package.parent / "connectors") for stub in folder.rglob("*_c.pyi")]
    built = {stub: path for stub in stubs if (path := _built(stub)) is not None}
    if not built:
        return "not built: there was no C compiler when Connect was installed"
    for stub in stubs:  # all or none: an installation goes on where one of them cannot be built
        if stub not in built:
            return f"{stub.stem} was not built: `pip install -v` says why"
        source = stub.with_suffix(".pyx")  # in a checkout only
        if source.exists() and source.stat().st_mtime > built[stub].stat().st_mtime:
            return f"older than {source.name}: `make venv` builds them"
    return ""


def _built(stub: Path) -> Path | None:
    paths = (stub.with_name(stub.stem + suffix) for suffix in EXTENSION_SUFFIXES)
    return next((path for path in paths if path.exists()), None)


WHY_NOT_COMPILED: Final = _why_not()
COMPILED: Final = not WHY_NOT_COMPILED
