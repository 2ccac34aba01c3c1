"""What two entries of the files would fight over: names, topics, slots, targets (F180)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connect.config.fields import Secret
from connect.transforms.mask import Masks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from connect.config.document import DataPath
    from connect.config.models import SinkConfig, SourceConfig, TransformConfig
    from connect.config.problems import Report

# Options that name something on the server which only one connector may hold.
_OWNED = ("slot", "server_id")
_MASK_KEY = "add mask_key: ${file:/run/secrets/mask_key} at the top of the file"


def check(sources: Mapping[str, SourceConfig], sinks: Mapping[str, SinkConfig], report: Report) -> None:
    """Add a problem for each pair that cannot both run."""
    for name in sources.keys() & sinks.keys():
        at = report.document.where(("sources", name))
        report.add(("sinks", name), f"{name!r} is also a source, at {at}", "give one of them another name")
    _once(report, ((_path(source), ("topic prefix", source.topic_prefix)) for source in sources.values()))
    _once(report, (claim for source in sources.values() for claim in _owned(source)))
    _once(report, (claim for sink in sinks.values() for claim in _targets(sink)))
    _dead_letters(sinks.values(), report)


def _path(source: SourceConfig) -> DataPath:
    return ("sources", source.name)


def _once(report: Report, claims: Iterable[tuple[DataPath, tuple[str, ...]]]) -> None:
    """Of two equal claims the second is a problem. Their first two words are printed, the rest tells servers apart."""
    owners: dict[tuple[str, ...], DataPath] = {}
    for path, claim in claims:
        other = owners.setdefault(claim, path)
        if other[:2] != path[:2]:
            place = report.document.where(other)
            message = f"{path[1]} and {other[1]} (at {place}) have one {claim[0]}: {claim[1]}"
            report.add(path, message, f"give one of them another {claim[0]}, or put them into one entry")


def _owned(source: SourceConfig) -> Iterable[tuple[DataPath, tuple[str, ...]]]:
    for word in _OWNED:
        value = getattr(source.options, word, None)
        if value is not None:
            yield (*_path(source), word), (word, str(value), source.plugin.name, server_of(source.options))
    publication = getattr(source.options, "publication", None)
    if publication is not None and publication.manage and publication.name:
        claim = ("publication", publication.name, source.plugin.name, server_of(source.options))
        yield (*_path(source), "publication"), claim


def _targets(sink: SinkConfig) -> Iterable[tuple[DataPath, tuple[str, ...]]]:
    """The same entry with the same options, or the same literal name: both end in one table or index."""
    for entry in sink.topics:
        options = {**sink.defaults.options, **entry.options}
        text = entry.pattern.text if entry.pattern else ""
        path = ("sinks", sink.name, "topics", text)
        server = (sink.plugin.name, server_of(sink.options))
        yield path, ("target", f"that of {text}", repr(sorted(options.items(), key=lambda item: item[0])), *server)
        for key, value in options.items():
            if key in ("table", "index") and "{" not in str(value):
                yield path, (key, str(value), *server)


def server_of(options: Any) -> str:
    """Hosts, ports and paths of a plugin's ``url``: never printed."""
    url = getattr(options, "url", "")
    urls = [one.reveal() if isinstance(one, Secret) else str(one) for one in (url if isinstance(url, tuple) else [url])]
    return " ".join(sorted(f"{(parts := urlsplit(one)).hostname}:{parts.port}{parts.path}" for one in urls))


def _dead_letters(sinks: Collection[SinkConfig], report: Report) -> None:
    """A sink that reads dead letters would write them again."""
    topics = sorted(sink.dead_letter_topic for sink in sinks if sink.on_error == "dead_letter")
    for sink in sinks:
        kept = [topic for topic in topics if not any(pattern.matches(topic) for pattern in sink.exclude)]
        for pattern in (entry.pattern for entry in sink.topics if entry.pattern):
            read = [topic for topic in kept if pattern.matches(topic)]
            if read:
                path = ("sinks", sink.name, "topics", pattern.text)
                report.add(path, f"{pattern.text!r} matches the dead-letter topic {read[0]}", "add it to exclude:")


def check_mask_key(sources: Iterable[SourceConfig], sinks: Iterable[SinkConfig], report: Report) -> None:
    """Hashes without a secret can be looked up: add a problem for each."""
    for source in sources:
        for entry in (source.defaults, *source.tables):
            if "hash" in (entry.options.get("mask") or {}).values():
                where = ("tables", entry.pattern.text) if entry.pattern else ("defaults",)
                report.add((*_path(source), *where, "mask"), "hash needs mask_key", _MASK_KEY)
        _hashes(source.transforms, _path(source), report)
    for sink in sinks:
        _hashes(sink.transforms, ("sinks", sink.name), report)


def _hashes(transforms: Iterable[TransformConfig], path: DataPath, report: Report) -> None:
    for i, item in enumerate(transforms):
        if isinstance(item.options, Masks) and "hash" in item.options.fields.values():
            report.add((*path, "transforms", i, "mask"), "hash needs mask_key", _MASK_KEY)
