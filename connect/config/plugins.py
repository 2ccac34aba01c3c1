"""Plugins by their entry points, and by nothing else (F165)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from connect.api.plugin import ENTRY_POINT_GROUP, Plugin
from connect.errors import Failed

Kind = Literal["source", "sink", "transform"]


@dataclass(frozen=True)
class Found:
    """One entry point: its plugin, or why it did not load."""

    name: str
    distribution: str
    plugin: Plugin | None
    error: str = ""


def load(name: str, kind: Kind) -> Plugin:
    """The plugin that a file names.

    Raises:
        Failed: ``plugin_unknown``, ``plugin_broken``, or ``plugin_kind`` for one of another kind.
    """
    points = {point.name: point for point in _points()}
    point = points.get(name)
    if point is None:
        near = get_close_matches(name, points, n=1)
        hint = f"did you mean {near[0]}?" if near else f"installed are {', '.join(sorted(points)) or 'none'}"
        raise Failed("plugin_unknown", f"there is no plugin {name!r}", hint=hint)
    plugin = _import(point)
    if plugin.kind != kind:
        raise Failed("plugin_kind", f"{name} is a {plugin.kind}, not a {kind}", hint=f"name it under {plugin.kind}s:")
    return plugin


def for_url(url: str) -> Plugin:
    """The source plugin that reads a URL's kind of server.

    Raises:
        Failed: ``plugin_unknown``.
    """
    scheme, separator, _ = url.partition("://")
    known = {name: found.plugin for found in discover() if found.plugin for name in found.plugin.schemes}
    if not separator or scheme not in known:
        what = f"no source reads {scheme}:// URLs" if separator else "this is no URL"
        raise Failed("plugin_unknown", what, hint=" or ".join(f"{name}://user@host:port/database" for name in known))
    return known[scheme]


def discover() -> list[Found]:
    """Every installed plugin; one that does not load is told by name and the others go on."""
    found = []
    for point in sorted(_points(), key=lambda point: point.name):
        distribution = point.dist.name if point.dist else ""
        try:
            found.append(Found(point.name, distribution, _import(point)))
        except Failed as error:
            found.append(Found(point.name, distribution, None, error.message))
    return found


def _points() -> list[EntryPoint]:
    return list(entry_points(group=ENTRY_POINT_GROUP))


def _import(point: EntryPoint) -> Plugin:
    try:
        plugin = point.load()
    except Exception as error:  # noqa: BLE001 - a foreign module can raise anything while it loads
        message = f"the plugin {point.name} ({point.value}) does not load: {type(error).__name__}: {error}"
        raise Failed("plugin_broken", message, hint="install what it misses, or a version that fits") from None
    if not isinstance(plugin, Plugin):
        message = f"the entry point {point.name} ({point.value}) is of type {type(plugin).__name__}, not a Plugin"
        raise Failed("plugin_broken", message, hint="its package is at fault: report it there")
    return plugin
