"""``tables:``, ``topics:``, ``exclude:`` and ``transforms:``, from plain data to patterns with their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.config.keys import TableEntry, TargetKeys
from connect.config.models import Selection, TransformConfig
from connect.config.patterns import Pattern, pattern
from connect.config.problems import nearest
from connect.errors import Failed
from connect.transforms.catalog import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from connect.api.plugin import Plugin
    from connect.config.document import DataPath
    from connect.config.problems import Report

# The options of a table by their path under its entry → the attribute of ``TableOptions`` that they become.
_ATTRIBUTES: dict[tuple[str, ...], str] = {
    ("views",): "views",
    ("value",): "value",
    ("partitions",): "partitions",
    ("key",): "key",
    ("columns",): "columns",
    ("mask",): "mask",
    ("new_columns",): "new_columns",
    ("changed_types",): "changed_types",
    ("events", "keep"): "events_keep_ms",
    ("snapshot", "mode"): "snapshot",
    ("snapshot", "where"): "where",
}


def name_in_file(attribute: str) -> str:
    """``events.keep`` of ``events_keep_ms``: how an option of a table is written."""
    return next((".".join(path) for path, name in _ATTRIBUTES.items() if name == attribute), attribute)


def names(raw: Any, path: DataPath, report: Report) -> dict[str, Any]:
    """``tables:`` or ``topics:`` as a mapping name → options, whether it was a list or a mapping."""
    if isinstance(raw, dict):
        return {name: {} if options is None else options for name, options in raw.items()}
    if not isinstance(raw, list):
        report.add(path, f"{path[-1]}: a list of names, or a mapping of names to options is needed", "write [name, …]")
        return {}
    found: dict[str, Any] = {}
    for i, name in enumerate(raw):
        if isinstance(name, dict | list) or name is None:
            report.add(
                (*path, i), f"{path[-1]}: a list holds names only", "to give options write `name: {…}`, without -"
            )
        elif str(name) in found:
            report.add((*path, i), f"{path[-1]}: {str(name)!r} stands here twice", "remove one of them")
        else:
            found[str(name)] = {}
            report.place((*path, str(name)), (*path, i))
    return found


def patterns(raw: Sequence[str], path: DataPath, report: Report) -> tuple[Pattern, ...]:
    """A list of names and patterns."""
    found = (compiled(text, (*path, i), report) for i, text in enumerate(raw))
    return tuple(item for item in found if item is not None)


def compiled(text: str, path: DataPath, report: Report) -> Pattern | None:
    """One name or pattern, or None and a problem."""
    try:
        return pattern(text, report.document.where(path))
    except ValueError as error:
        report.add(path, f"{text!r}: {error}", "write a name, or a pattern with *")
        return None


def table_selection(entry: TableEntry, compiled_pattern: Pattern | None, path: DataPath, report: Report) -> Selection:
    """The options that one entry of ``tables:`` sets."""
    options: dict[str, Any] = {}
    places: dict[str, str] = {}
    for names_, attribute in _ATTRIBUTES.items():
        model: Any = entry
        for name in names_[:-1]:
            model = getattr(model, name) if name in model.model_fields_set else None
        if model is not None and names_[-1] in model.model_fields_set:
            options[attribute] = getattr(model, names_[-1])
            places[attribute] = report.document.where((*path, *names_))
    return Selection(compiled_pattern, options, places, report.document.where(path))


def target_selections(
    plugin: Plugin | None, framework: Mapping[str, Any], path: DataPath, report: Report
) -> tuple[tuple[Selection, ...], Selection]:
    """The entries of ``topics:`` and that of ``defaults:``; each is checked as it stands over the defaults."""
    selections = []
    defaults = _mapping(framework.get("defaults"))
    for name, raw in framework.get("topics", {}).items():
        entry, at = _mapping(raw), (*path, "topics", name)
        found = compiled(name, at, report)
        elsewhere = {key: (*path, "defaults", key) for key in defaults if key not in entry}
        _check_target(plugin, {**defaults, **entry}, at, elsewhere, report)
        if found:
            selections.append(Selection(found, entry, _places(entry, at, report), report.document.where(at)))
    at = (*path, "defaults")
    return tuple(selections), Selection(None, defaults, _places(defaults, at, report), report.document.where(at))


def _mapping(raw: Any) -> Mapping[str, Any]:
    """What the keys' model refuses is empty here."""
    return raw if isinstance(raw, dict) else {}


def _places(options: Mapping[str, Any], path: DataPath, report: Report) -> dict[str, str]:
    return {key: report.document.where((*path, key)) for key in options}


def _check_target(
    plugin: Plugin | None, options: Mapping[str, Any], path: DataPath, elsewhere: Mapping[str, DataPath], report: Report
) -> None:
    framework, own = split_target(options)
    report.model(TargetKeys, framework, path, elsewhere=elsewhere)
    if plugin is None:
        return
    if plugin.target is not None:
        report.model(plugin.target, own, path, also=TargetKeys.model_fields, elsewhere=elsewhere)
        return
    for key in own:
        at = elsewhere.get(key, (*path, key))
        report.add(
            at, f"unknown key {key}: {plugin.name} has no options by topic", nearest(key, TargetKeys.model_fields)
        )


def split_target(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A topic's options: those of the framework, and those of the plugin's target."""
    framework = {key: value for key, value in options.items() if key in TargetKeys.model_fields}
    return framework, {key: value for key, value in options.items() if key not in TargetKeys.model_fields}


def transforms(
    raw: Any, word: str, path: DataPath, find: Callable[[str, Any], Plugin], report: Report
) -> tuple[TransformConfig, ...]:
    """``transforms:`` of an entry; ``word`` is ``tables`` at a source and ``topics`` at a sink."""
    found = []
    for i, item in enumerate(raw if isinstance(raw, list) else []):
        at = (*path, "transforms", i)
        if not isinstance(item, dict):
            continue  # the keys' model says so
        if len(item) != 1:
            fix = "begin each with - and its own name: - filter: {…}"
            report.add(at, "a transform is one name with its options", fix)
            continue
        name, options = next(iter(item.items()))
        made = _transform(name, options, word, (*at, name), find, report)
        if made:
            found.append(made)
    return tuple(found)


def _transform(
    name: str, raw: Any, word: str, path: DataPath, find: Callable[[str, Any], Plugin], report: Report
) -> TransformConfig | None:
    plugin, model = _transform_model(name, path, find, report)
    if model is None:
        return None
    if not isinstance(raw, dict):
        report.add(path, f"{name}: a mapping of options is needed", f"write {name}: {{{word}: […], …}}")
        return None
    options = report.model(model, {key: value for key, value in raw.items() if key != word}, path, also=(word,))
    selected = raw.get(word, [])
    if not isinstance(selected, list) or not all(isinstance(text, str) for text in selected):
        report.add((*path, word), f"{word}: a list of names and patterns is needed", f'write {word}: ["…"]')
        return None
    applies = patterns(selected, (*path, word), report)
    return TransformConfig(name, applies, options, plugin, report.document.where(path)) if options else None


def _transform_model(
    name: str, path: DataPath, find: Callable[[str, Any], Plugin], report: Report
) -> tuple[Plugin | None, type[BaseModel] | None]:
    if name in BUILTIN:
        return None, BUILTIN[name].options
    try:
        plugin = find(name, "transform")
    except Failed as error:
        if error.code == "plugin_unknown":
            report.add(path, f"there is no transform {name!r}", nearest(name, BUILTIN))
        else:
            report.add(path, error.message, error.hint)
        return None, None
    return plugin, plugin.config
