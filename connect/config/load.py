"""Files → ``Config``, or every problem in them at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.config import conflicts, plugins, selections
from connect.config.keys import NAME, FileKeys, SinkKeys, SourceKeys, SourceSnapshot
from connect.config.merge import read_files
from connect.config.models import Config, SinkConfig, SourceConfig
from connect.config.problems import Report, dotted, nearest
from connect.config.references import expand
from connect.errors import ConfigError, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.api.plugin import Plugin
    from connect.config.document import DataPath
    from connect.config.fields import Secret
    from connect.config.patterns import Pattern

    Find = Callable[[str, plugins.Kind], Plugin]


def load_config(paths: Sequence[Path], find: Find = plugins.load) -> Config:
    """Read the operator's files.

    Args:
        paths: The files; a name defined in two of them is an error.
        find: Name and kind → plugin.

    Raises:
        ConfigError: With every problem, its ``file:line`` and how to mend it.
    """
    loader = _Loader(Report(read_files(paths)), [Path(path) for path in paths], find)
    config = loader.config()
    problems = loader.report.problems
    if config is None or problems:
        raise ConfigError(problems)
    return config


class _Loader:
    """One load: the report that gathers problems, and what every part needs."""

    def __init__(self, report: Report, files: Sequence[Path], find: Find) -> None:
        self.report = report
        self._files = tuple(files)
        self._find = find
        self._mask_key: Secret | None = None

    def config(self) -> Config | None:
        """The whole file; None where there are problems."""
        data = expand(self.report)
        own = {key: value for key, value in data.items() if key not in ("sources", "sinks")}
        keys = self.report.model(FileKeys, own, (), also=("sources", "sinks"))
        self._mask_key = keys.mask_key if keys else None
        sources = self._entries(data, "sources", self._source)
        sinks = self._entries(data, "sinks", lambda name, raw: self._sink(name, raw, keys.name if keys else ""))
        if not data.get("sources") and not data.get("sinks"):
            self.report.add((), "the file has neither sources nor sinks", "add sources: {name: {plugin: …}}")
        conflicts.check(sources, sinks, self.report)
        if "mask_key" not in own:
            conflicts.check_mask_key(sources.values(), sinks.values(), self.report)
        if keys is None:
            return None
        return Config(
            name=keys.name,
            kafka=keys.kafka,
            schema_registry=keys.schema_registry,
            worker=keys.worker,
            mask_key=keys.mask_key,
            sources=sources,
            sinks=sinks,
            files=self._files,
            document=self.report.document,
        )

    def _entries(self, data: dict[str, Any], word: str, make: Callable[[str, dict[str, Any]], Any]) -> dict[str, Any]:
        """``sources:`` or ``sinks:``, each entry made by ``make``; None of those that have problems."""
        section = data.get(word, {})
        if not isinstance(section, dict):
            self.report.add(
                (word,), f"{word}: names with their options are needed", f"write {word}: {{name: {{plugin: …}}}}"
            )
            return {}
        made = {}
        for name, raw in section.items():
            if not NAME.fullmatch(name):
                self.report.add((word, name), f"{name!r} is no name", "use 1 to 128 letters, digits, dots, _ and -")
            elif not isinstance(raw, dict):
                self.report.add(
                    (word, name), f"{word}.{name}: options are needed", "write plugin: and its options below it"
                )
            else:
                made[name] = make(name, raw)
        return {name: entry for name, entry in made.items() if entry is not None}

    def _plugin(self, raw: dict[str, Any], kind: plugins.Kind, path: DataPath) -> Plugin | None:
        if not isinstance(raw.get("plugin"), str):
            return None  # the keys' model says so
        try:
            return self._find(raw["plugin"], kind)
        except Failed as error:
            self.report.add((*path, "plugin"), error.message, error.hint)
            return None

    def _source(self, name: str, raw: dict[str, Any]) -> SourceConfig | None:
        """One source. Each part is read although another has problems, so that all are told at once."""
        path = ("sources", name)
        plugin = self._plugin(raw, "source", path)
        framework = {key: value for key, value in raw.items() if key in SourceKeys.model_fields}
        own = {key: value for key, value in raw.items() if key not in SourceKeys.model_fields}
        framework["snapshot"], rest = self._snapshot(raw.get("snapshot"), plugin, path)
        if rest:
            own["snapshot"] = rest
        self._names(framework, "tables", path)
        options = plugin and self.report.model(plugin.config, own, path, also=SourceKeys.model_fields)
        keys = self.report.model(SourceKeys, framework, path)
        exclude = self._exclude(raw, path)
        transforms = selections.transforms(raw.get("transforms"), "tables", path, self._find, self.report)
        found = {at: self._compiled(at, (*path, "tables")) for at in framework.get("tables", {})}
        if plugin is None or options is None or keys is None:
            return None
        return SourceConfig(
            name=name,
            plugin=plugin,
            options=options,
            topic_prefix=keys.topic_prefix or name,
            adopt=keys.adopt,
            tables=tuple(
                selections.table_selection(keys.tables[at], pattern, (*path, "tables", at), self.report)
                for at, pattern in found.items()
                if pattern
            ),
            exclude=exclude,
            defaults=selections.table_selection(keys.defaults, None, (*path, "defaults"), self.report),
            max_rows_per_second=keys.snapshot.max_rows_per_second,
            window=keys.snapshot.window,
            transforms=transforms,
            mask_key=self._mask_key,
            folder=self._folder(),
            where=self.report.document.where(path),
        )

    def _sink(self, name: str, raw: dict[str, Any], group: str) -> SinkConfig | None:
        """One sink; as ``_source``."""
        path = ("sinks", name)
        plugin = self._plugin(raw, "sink", path)
        framework = {key: value for key, value in raw.items() if key in SinkKeys.model_fields}
        own = {key: value for key, value in raw.items() if key not in SinkKeys.model_fields}
        self._names(framework, "topics", path)
        options = plugin and self.report.model(plugin.config, own, path, also=SinkKeys.model_fields)
        keys = self.report.model(SinkKeys, framework, path)
        exclude = self._exclude(raw, path)
        transforms = selections.transforms(raw.get("transforms"), "topics", path, self._find, self.report)
        topics, defaults = selections.target_selections(plugin, framework, path, self.report)
        if keys and "dead_letters" in raw and keys.on_error != "dead_letter":
            message = f"{dotted((*path, 'dead_letters'))}: nothing is written there, since on_error is {keys.on_error}"
            self.report.add((*path, "dead_letters"), message, "add on_error: dead_letter, or take dead_letters: out")
        if plugin is None or options is None or keys is None:
            return None
        return SinkConfig(
            name=name,
            plugin=plugin,
            options=options,
            topics=topics,
            exclude=exclude,
            defaults=defaults,
            transforms=transforms,
            on_error=keys.on_error,
            dead_letter_topic=keys.dead_letters.topic or f"{group}.{name}.dead",
            dead_letter_keep_ms=keys.dead_letters.keep,
            mask_key=self._mask_key,
            folder=self._folder(),
            where=self.report.document.where(path),
        )

    def _names(self, framework: dict[str, Any], word: str, path: DataPath) -> None:
        """``tables:`` or ``topics:`` of an entry, put back as a mapping; a missing one is told by the keys' model."""
        if word in framework:
            given = framework[word]
            framework[word] = selections.names(given, (*path, word), self.report)
            if not framework[word] and not given:
                self.report.add((*path, word), f"{word} names nothing", f'name some, or all with "{_ALL[word]}"')

    def _exclude(self, raw: dict[str, Any], path: DataPath) -> tuple[Pattern, ...]:
        texts = raw.get("exclude")
        texts = [str(text) for text in texts] if isinstance(texts, list) else []
        return selections.patterns(texts, (*path, "exclude"), self.report)

    def _compiled(self, text: str, path: DataPath) -> Pattern | None:
        return selections.compiled(text, (*path, text), self.report)

    def _snapshot(self, raw: Any, plugin: Plugin | None, path: DataPath) -> tuple[Any, dict[str, Any]]:
        """A source's ``snapshot:`` as the framework's part and the plugin's."""
        if not isinstance(raw, dict):
            return ({} if raw is None else raw), {}
        shared = {key: value for key, value in raw.items() if key in SourceSnapshot.model_fields}
        rest = {key: value for key, value in raw.items() if key not in shared}
        if plugin is None or "snapshot" in plugin.config.model_fields:
            return shared, rest
        for key in rest:
            at = (*path, "snapshot", key)
            self.report.add(at, f"unknown key {dotted(at)}", nearest(key, SourceSnapshot.model_fields))
        return shared, {}

    def _folder(self) -> Path:
        return self._files[0].resolve().parent


_ALL = {"tables": "*.*", "topics": "*.*.*"}
